package gateway

import (
	"errors"
	"fmt"
	"net"
	"time"
)

// Config says how a gateway behaves. Start from [DefaultConfig].
type Config struct {
	// Addr is where the gateway listens, host:port.
	Addr string `env:"EKIBEN_HTTP_ADDR"`

	// Timeout is the time from acceptance to the deadline of every call.
	Timeout time.Duration `env:"EKIBEN_REQUEST_TIMEOUT"`

	// MaxBody is the largest body of a request in bytes, after decompression.
	MaxBody int64 `env:"EKIBEN_MAX_BODY_BYTES"`

	// MaxRows is the largest call, in rows.
	MaxRows int `env:"EKIBEN_MAX_ROWS"`

	// MaxInFlight is how many requests are worked on at once; more are refused.
	// Those whose body is on its way are not counted, nor health and metrics.
	MaxInFlight int `env:"EKIBEN_MAX_IN_FLIGHT"`

	// MaxInFlightBytes is how much memory their bodies may take together; what
	// arrives beyond it is refused.
	MaxInFlightBytes int64 `env:"EKIBEN_MAX_IN_FLIGHT_BYTES"`

	// BodyTimeout is how long the body of a request may take to arrive.
	BodyTimeout time.Duration `env:"EKIBEN_BODY_TIMEOUT"`

	// DrainDelay is how long a gateway that was told to stop goes on as before,
	// except that /readyz says no, so that load balancers notice. 0 is right
	// where there is none.
	DrainDelay time.Duration `env:"EKIBEN_DRAIN_DELAY"`

	// DrainTimeout is how long requests may take after that. What has no answer
	// by then gets the problem "draining".
	DrainTimeout time.Duration `env:"EKIBEN_DRAIN_TIMEOUT"`

	// RequireDurable makes /readyz say no while Redis would lose accepted calls
	// in a crash.
	RequireDurable bool `env:"EKIBEN_REQUIRE_DURABLE"`
}

// DefaultConfig returns the configuration that most gateways run with.
func DefaultConfig() Config {
	return Config{
		Addr:             "127.0.0.1:3000",
		Timeout:          60 * time.Second,
		MaxBody:          16 << 20,
		MaxRows:          1 << 20,
		MaxInFlight:      4096,
		MaxInFlightBytes: 1 << 30,
		BodyTimeout:      30 * time.Second,
		DrainTimeout:     30 * time.Second,
	}
}

// validate reports everything that is wrong, not only the first thing.
func (c Config) validate() error {
	var errs []error
	fault := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if _, _, err := net.SplitHostPort(c.Addr); err != nil {
		fault("address %q: %w", c.Addr, err)
	}
	if c.Timeout < time.Millisecond {
		fault("request timeout is %s, want at least 1ms", c.Timeout)
	}
	if c.MaxBody < 1 {
		fault("largest body is %d bytes, want at least 1", c.MaxBody)
	}
	if c.MaxRows < 1 {
		fault("most rows is %d, want at least 1", c.MaxRows)
	}
	if c.MaxInFlight < 1 {
		fault("most requests in flight is %d, want at least 1", c.MaxInFlight)
	}
	if c.MaxInFlightBytes < 2*c.MaxBody {
		fault("most bytes in flight is %d, want at least twice the largest body, %d", c.MaxInFlightBytes, c.MaxBody)
	}
	if c.BodyTimeout < time.Millisecond {
		fault("body timeout is %s, want at least 1ms", c.BodyTimeout)
	}
	if c.DrainDelay < 0 {
		fault("drain delay is %s, want at least 0", c.DrainDelay)
	}
	if c.DrainTimeout < 0 {
		fault("drain timeout is %s, want at least 0", c.DrainTimeout)
	}
	return errors.Join(errs...)
}

package gateway

import (
	"errors"
	"fmt"
	"math"
	"net"
	"time"

	"github.com/ekiben/ekiben/runnables"
)

// Config says how a gateway behaves. Start from [DefaultConfig].
type Config struct {
	// Addr is where the gateway listens, host:port.
	Addr string `env:"EKIBEN_HTTP_ADDR"`

	// Timeout is the time from acceptance to the deadline of a call, unless its
	// client asks for another.
	Timeout time.Duration `env:"EKIBEN_REQUEST_TIMEOUT"`

	// MaxTimeout is the longest that a client may ask for.
	MaxTimeout time.Duration `env:"EKIBEN_MAX_REQUEST_TIMEOUT"`

	// MaxBody is the largest body of a request in bytes, after decompression.
	MaxBody int64 `env:"EKIBEN_MAX_BODY_BYTES"`

	// MaxRows is the largest call, in rows.
	MaxRows int `env:"EKIBEN_MAX_ROWS"`

	// MaxInFlight is how many requests are worked on at once; more are refused.
	// Those whose body is on its way are not counted, nor health and metrics.
	MaxInFlight int `env:"EKIBEN_MAX_IN_FLIGHT"`

	// MaxInFlightBytes is how much memory their bodies may take together, and as
	// much again their answers until they are read; what goes beyond it is refused.
	MaxInFlightBytes int64 `env:"EKIBEN_MAX_IN_FLIGHT_BYTES"`

	// MaxConnections is how many connections are open at once; more wait until one
	// is closed.
	MaxConnections int `env:"EKIBEN_MAX_CONNECTIONS"`

	// TrustedProxies is a list of addresses and networks, such as 10.0.0.0/8. From
	// them, and nobody else, headers tell who the caller is: the client that
	// X-Forwarded-For names, the last that is no trusted proxy itself. An IPv6
	// client is its /64.
	TrustedProxies []string `env:"EKIBEN_TRUSTED_PROXIES"`

	// CallerHeader is a header in which trusted proxies name the caller, at most
	// 128 visible characters; they must not let clients set it. Empty is none.
	CallerHeader string `env:"EKIBEN_CALLER_HEADER"`

	// CallerRate is how many calls a second one caller may send to this gateway; 0
	// is no limit.
	CallerRate float64 `env:"EKIBEN_CALLER_RATE"`

	// CallerBurst is how many it may send at once. 0 is one second's worth, and at
	// least 1.
	CallerBurst int `env:"EKIBEN_CALLER_BURST"`

	// CallerShare is what part of a runner's queue one caller may hold once half
	// of it is taken, 0 to 1; callers that are there at a time divide it. 0 is no
	// limit.
	CallerShare float64 `env:"EKIBEN_CALLER_SHARE"`

	// ServiceConcurrency is how many jobs of one service this gateway runs at once.
	ServiceConcurrency int `env:"EKIBEN_SERVICE_CONCURRENCY"`

	// BodyTimeout is how long the body of a request may take to arrive.
	BodyTimeout time.Duration `env:"EKIBEN_BODY_TIMEOUT"`

	// DrainDelay is how long a gateway that was told to stop goes on as before,
	// except that /readyz says no, so that load balancers notice. Where there is
	// none 0 is right: it is 300ms then, in which answers say that their
	// connections close.
	DrainDelay time.Duration `env:"EKIBEN_DRAIN_DELAY"`

	// DrainTimeout is how long requests may take after that. What has no answer
	// by then gets the problem "draining".
	DrainTimeout time.Duration `env:"EKIBEN_DRAIN_TIMEOUT"`

	// AdminToken is what who changes the system must send as Authorization: Bearer:
	// pause, resume and drain queues, redrive and drop dead letters. Without it
	// that is possible only on a gateway that listens on loopback.
	AdminToken Secret `env:"EKIBEN_ADMIN_TOKEN"`

	// RequireDurable makes /readyz say no while Redis would lose accepted calls
	// in a crash.
	RequireDurable bool `env:"EKIBEN_REQUIRE_DURABLE"`
}

// longestTimeout bounds all timeouts; beyond it times no longer add up.
const longestTimeout = 365 * 24 * time.Hour

// maxCallerRate bounds the rate of a caller.
const maxCallerRate = 1e9

// DefaultConfig returns the configuration that most gateways run with.
func DefaultConfig() Config {
	return Config{
		Addr:             "127.0.0.1:3000",
		Timeout:          60 * time.Second,
		MaxTimeout:       24 * time.Hour,
		MaxBody:          16 << 20,
		MaxRows:          1 << 20,
		MaxInFlight:      4096,
		MaxInFlightBytes: 1 << 30,
		MaxConnections:   16384,
		CallerShare:      0.875,

		ServiceConcurrency: 16,
		BodyTimeout:        30 * time.Second,
		DrainTimeout:       30 * time.Second,
	}
}

// burst is how many calls a caller may send at once.
func (c Config) burst() int {
	if c.CallerBurst > 0 {
		return c.CallerBurst
	}
	return max(int(math.Ceil(c.CallerRate)), 1)
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
	if c.MaxTimeout < c.Timeout || c.MaxTimeout > longestTimeout {
		fault("most request timeout is %s, want at least the request timeout, %s, and at most %s", c.MaxTimeout, c.Timeout, longestTimeout)
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
	if c.ServiceConcurrency < 1 || c.ServiceConcurrency > runnables.MaxReplicas {
		fault("service concurrency is %d, want 1 to %d", c.ServiceConcurrency, runnables.MaxReplicas)
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
	errs = append(errs, c.validateCallers())
	return errors.Join(errs...)
}

// validateCallers reports what is wrong with the limits of callers and with how
// they are told apart.
func (c Config) validateCallers() error {
	var errs []error
	fault := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.MaxConnections < 1 {
		fault("most connections is %d, want at least 1", c.MaxConnections)
	}
	if _, err := parseNetworks(c.TrustedProxies); err != nil {
		fault("trusted proxies: %w", err)
	}
	if c.CallerHeader != "" && !validHeaderName(c.CallerHeader) {
		fault("caller header is %q, want the name of a header", c.CallerHeader)
	}
	if c.CallerHeader != "" && len(c.TrustedProxies) == 0 {
		fault("caller header is %q, but there are no trusted proxies that could set it", c.CallerHeader)
	}
	if !(c.CallerRate >= 0 && c.CallerRate <= maxCallerRate) {
		fault("caller rate is %v, want 0 to %v", c.CallerRate, float64(maxCallerRate))
	}
	if c.CallerBurst < 0 {
		fault("caller burst is %d, want at least 0", c.CallerBurst)
	}
	if !(c.CallerShare >= 0 && c.CallerShare <= 1) {
		fault("caller share is %v, want 0 to 1", c.CallerShare)
	}
	return errors.Join(errs...)
}

package worker

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// Config says how a worker process behaves. Start from [DefaultConfig].
type Config struct {
	// ID names the process and is unique among all that ever were; it is seen in
	// heartbeats. Default: the name of the host and a random part.
	ID string `env:"WORKER_ID"`

	// DrainTimeout is how long batches that run may go on after the worker was
	// told to stop. What is not finished by then is given back. Default: 25s, to
	// fit into the 30s that Kubernetes grants.
	DrainTimeout time.Duration `env:"WORKER_DRAIN_TIMEOUT"`
}

// DefaultConfig returns the configuration that most workers run with.
func DefaultConfig() Config {
	return Config{ID: newID(), DrainTimeout: 25 * time.Second}
}

// newID is the name of the host and 8 random characters.
func newID() string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "worker"
	}
	return host + "-" + strings.ToLower(rand.Text()[:8])
}

// validate reports everything that is wrong.
func (c Config) validate() error {
	var errs []error
	if c.ID == "" || strings.ContainsAny(c.ID, "/ \r\n") {
		errs = append(errs, fmt.Errorf("worker id is %q, want one without slashes and spaces", c.ID))
	}
	if c.DrainTimeout <= 0 {
		errs = append(errs, fmt.Errorf("drain timeout is %s, want more than 0", c.DrainTimeout))
	}
	return errors.Join(errs...)
}

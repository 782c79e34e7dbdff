package ekiben

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"

	"github.com/ekiben/ekiben/gateway"
	"github.com/ekiben/ekiben/internal/variables"
	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/queue/tasks"
	"github.com/ekiben/ekiben/queue/tasks/bulk"
	"github.com/ekiben/ekiben/worker"
)

// Settings are what a process reads from its environment. docs/configuration.md
// is generated from this and the structs in it.
type Settings struct {
	// RedisURL is the Redis server, as redis://, rediss:// or unix://. If it is
	// empty, `serve` brings a Redis of its own, and other processes look for one
	// at redis://127.0.0.1:6379.
	RedisURL string `env:"EKIBEN_REDIS_URL"`

	// RedisPrefix comes before all keys; deployments that share a Redis differ in it.
	RedisPrefix string `env:"EKIBEN_REDIS_PREFIX"`

	// Config is the runners file. If empty, ekiben.yaml in the working directory
	// is read if it is there.
	Config string `env:"EKIBEN_CONFIG"`

	// Python is the interpreter of runners in Python that do not name one, a path or
	// a name. Empty means python3.
	Python string `env:"EKIBEN_PYTHON"`

	// Lease is how long calls stay with a worker that shows no sign of life.
	Lease time.Duration `env:"EKIBEN_LEASE"`

	// Retention is how long the result of a job is kept.
	Retention time.Duration `env:"EKIBEN_RETENTION"`

	// OpsAddr is where a process that is no gateway serves /livez, /readyz and
	// /metrics. Port 0 takes a free one, which is logged.
	OpsAddr string `env:"EKIBEN_OPS_ADDR"`

	// WebhookSecret signs what webhooks are told: whsec_ and base64 of 24 to 64
	// bytes, or two of these separated by a comma while receivers change from one to
	// the next. Gateways and processes of tasks need it; without it no job with a
	// webhook is taken.
	WebhookSecret gateway.Secret `env:"EKIBEN_WEBHOOK_SECRET"`

	// WebhookAllow lists receivers of webhooks that may be private and plain http:
	// networks such as 10.0.0.0/8, addresses, names, or name:port. All others must
	// be https on port 443 of public addresses.
	WebhookAllow []string `env:"EKIBEN_WEBHOOK_ALLOW"`

	// LogLevel is debug, info, warn or error.
	LogLevel slog.Level `env:"EKIBEN_LOG_LEVEL"`

	// LogFormat is text or json; empty is text on a terminal and json elsewhere.
	LogFormat string `env:"EKIBEN_LOG_FORMAT"`

	// Gateway is how gateways behave.
	Gateway gateway.Config

	// Tasks is how what has time is run.
	Tasks tasks.Config

	// Bulk is how batches are stored and run.
	Bulk bulk.Config

	// Worker is how workers behave.
	Worker worker.Config `envPrefix:"EKIBEN_"`
}

// DefaultSettings returns what holds where the environment says nothing.
func DefaultSettings() Settings {
	q := queue.DefaultConfig()
	return Settings{
		RedisPrefix: q.Prefix, Lease: q.Lease, Retention: q.Retention,
		OpsAddr: "127.0.0.1:0",
		Gateway: gateway.DefaultConfig(), Tasks: tasks.DefaultConfig(), Worker: worker.DefaultConfig(), Bulk: bulk.DefaultConfig(),
	}
}

// minLease is the shortest lease: workers renew a quarter of it ahead.
const minLease = time.Second

// readSettings reads the environment. It returns the variables that begin like
// ours and are not.
func readSettings() (Settings, []string, error) {
	s := DefaultSettings()
	known := map[string]bool{"EKIBEN_URL": true}
	var errs []error
	for _, v := range variables.Of(s) {
		known[v.Name] = true
		// One at a time, so that an error names the variable.
		value, set := os.LookupEnv(v.Name)
		if set && env.ParseWithOptions(&s, env.Options{Environment: map[string]string{v.Name: value}}) != nil {
			errs = append(errs, fmt.Errorf("%s is %q, want %s", v.Name, value, v.Wants()))
		}
	}
	if !slices.Contains([]string{"", "text", "json"}, s.LogFormat) {
		errs = append(errs, fmt.Errorf("EKIBEN_LOG_FORMAT is %q, want text or json", s.LogFormat))
	}
	if s.Lease < minLease {
		errs = append(errs, fmt.Errorf("EKIBEN_LEASE is %s, want at least %s", s.Lease, minLease))
	}
	if err := errors.Join(errs...); err != nil {
		return s, nil, fmt.Errorf("environment: %w", err)
	}
	var unknown []string
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "EKIBEN_") && !known[name] {
			unknown = append(unknown, name)
		}
	}
	return s, unknown, nil
}

// queueConfig is the part of the settings that concerns the queue.
func (s Settings) queueConfig() queue.Config {
	c := queue.DefaultConfig()
	c.URL, c.Prefix, c.Lease, c.Retention = cmp.Or(s.RedisURL, "redis://127.0.0.1:6379"), s.RedisPrefix, s.Lease, s.Retention
	c.CrashBackoff = s.Lease / 15
	return c
}

// logger writes to standard error.
func (s Settings) logger() *slog.Logger {
	options := &slog.HandlerOptions{Level: s.LogLevel, ReplaceAttr: readable}
	if s.LogFormat == "text" || (s.LogFormat == "" && isTerminal(os.Stderr)) {
		return slog.New(slog.NewTextHandler(os.Stderr, options))
	}
	return slog.New(slog.NewJSONHandler(os.Stderr, options))
}

// readable writes durations as people do: in JSON they would be nanoseconds.
func readable(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

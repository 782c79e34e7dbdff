package ekiben

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"

	"github.com/ekiben/ekiben/gateway"
	"github.com/ekiben/ekiben/internal/runnerfile"
	"github.com/ekiben/ekiben/internal/variables"
	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/queue/tasks"
	"github.com/ekiben/ekiben/queue/tasks/bulk"
	"github.com/ekiben/ekiben/runnables"
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

// defaultFile is read if no runners file is named.
const defaultFile = "ekiben.yaml"

// runners returns the runners that the binary and the file define, those of
// only if it is not empty.
func (app App) runners(s Settings, only []string, log *slog.Logger) ([]runnables.Runner, error) {
	all := make([]runnables.Runner, 0, len(app.Runners))
	for _, r := range app.Runners {
		r = r.WithDefaults()
		if err := r.Validate(); err != nil {
			return nil, fmt.Errorf("a runner of this binary: %w", err)
		}
		if strings.HasPrefix(r.Name, runnables.ReservedPrefix) {
			return nil, fmt.Errorf("runner %q of this binary: names that begin with %s are those of services", r.Name, runnables.ReservedPrefix)
		}
		all = append(all, r)
	}
	path := s.Config
	if path == "" {
		path = defaultFile
	}
	fromFile, warnings, err := runnerfile.Read(path)
	if err != nil && (s.Config != "" || !errors.Is(err, fs.ErrNotExist)) {
		return nil, err
	}
	for _, w := range warnings {
		log.Warn("runners file", "runner", w.Runner, "warning", w.Message)
	}
	for _, r := range fromFile {
		same := func(other runnables.Runner) bool { return other.Name == r.Name }
		all = append(slices.DeleteFunc(all, same), r)
	}
	return app.choose(all, only)
}

// choose returns the runners named in only, or all, and checks that this binary
// can run them.
func (app App) choose(all []runnables.Runner, only []string) ([]runnables.Runner, error) {
	names := make([]string, len(all))
	for i, r := range all {
		names[i] = r.Name
	}
	for _, name := range only {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("there is no runner %q; there are: %s", name, strings.Join(names, ", "))
		}
	}
	var chosen []runnables.Runner
	for _, r := range all {
		if len(only) > 0 && !slices.Contains(only, r.Name) {
			continue
		}
		if _, ok := app.Runnables[r.Runnable]; !ok {
			return nil, fmt.Errorf("runner %q: this binary has no runnable %q; it has: %s", r.Name, r.Runnable, strings.Join(app.kinds(), ", "))
		}
		chosen = append(chosen, r)
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("no runners: name some in %s, or in the file that EKIBEN_CONFIG names, for example\n\n"+
			"runners:\n  - name: hello\n    runnable: echo\n\nThis binary has the runnables %s", defaultFile, strings.Join(app.kinds(), ", "))
	}
	return chosen, nil
}

// kinds are the names of the runnables of this binary, sorted.
func (app App) kinds() []string { return slices.Sorted(maps.Keys(app.Runnables)) }

package tasks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ekiben/ekiben/internal/webhook"
	"github.com/ekiben/ekiben/queue"
)

// Config says how a process runs tasks. Start from [DefaultConfig].
type Config struct {
	// Concurrency is how many webhooks a process tells at once, 1 to 1000. A quarter of
	// them may be of one receiver, which is told by host and port.
	Concurrency int `env:"EKIBEN_TASKS_CONCURRENCY"`
}

// maxConcurrency bounds the tasks of a process.
const maxConcurrency = 1000

// DefaultConfig returns the configuration that most processes run with.
func DefaultConfig() Config { return Config{Concurrency: 16} }

func (c Config) validate() error {
	if c.Concurrency < 1 || c.Concurrency > maxConcurrency {
		return fmt.Errorf("concurrency is %d, want 1 to %d", c.Concurrency, maxConcurrency)
	}
	return nil
}

// Deps is what a server works with.
type Deps struct {
	// URL is the Redis server and Prefix begins the names in it, as those of
	// [queue.Config]. Required.
	URL, Prefix string

	// Errands are what is to be done. Required.
	Errands errands

	// Hooks are the webhooks of jobs. Required.
	Hooks hooks

	// View is a job as GET /v1/jobs/{id} shows it, in JSON, with its attempts and how
	// its webhook went so far. It is the data of messages. Required.
	View func(ctx context.Context, id string) ([]byte, error)

	// Sender tells webhooks. While it is nil, they wait for a process that has one.
	Sender poster

	// Registry is where metrics are kept. Required.
	Registry prometheus.Registerer

	// Log is slog.Default() if nil.
	Log *slog.Logger
}

// errands is *[queue.Queue].
type errands interface {
	Runners(ctx context.Context) ([]string, error)
	Errands(ctx context.Context, runner string, limit int) ([]queue.Errand, error)
	ErrandDone(ctx context.Context, e queue.Errand) error
	Ripen(ctx context.Context, e queue.Errand) error
}

// hooks is *[queue.Queue].
type hooks interface {
	Job(ctx context.Context, id string) (queue.Job, error)
	Hook(ctx context.Context, id string) (queue.Hook, error)
	NoteHook(ctx context.Context, id string, h queue.Hook) error
	Now(ctx context.Context) (time.Time, error)
}

// poster is *[webhook.Sender].
type poster interface {
	Post(ctx context.Context, to, id string, body []byte) webhook.Outcome
}

func (d Deps) validate() error {
	var errs []error
	for name, missing := range map[string]bool{
		"redis url": d.URL == "", "prefix": d.Prefix == "", "errands": d.Errands == nil,
		"hooks": d.Hooks == nil, "view": d.View == nil, "registry": d.Registry == nil,
	} {
		if missing {
			errs = append(errs, fmt.Errorf("%s is missing", name))
		}
	}
	return errors.Join(errs...)
}

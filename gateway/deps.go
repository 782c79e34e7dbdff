package gateway

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/queue/tasks/schedule"
)

// Deps is what a gateway works with. It is usually one *[queue.Queue] many
// times over; tests put fakes in.
type Deps struct {
	// Producer sends calls. The gateway runs it. Required.
	Producer producer

	// Jobs looks after jobs. Required.
	Jobs jobs

	// Keeper keeps jobs by more than their id. Required.
	Keeper jobKeeper

	// DeadLetters keeps the calls that were given up. Required.
	DeadLetters deadLetters

	// Gates pauses, resumes and drains the queues of runners. Required.
	Gates gates

	// Directory knows the runners. Required.
	Directory directory

	// Health tells whether the queue can be used. Required.
	Health health

	// Later knows what becomes of jobs in the course of time. Required.
	Later slowPath

	// Webhooks says why a URL may not be told about jobs, or nil if it may. If
	// Webhooks is nil no jobs with webhooks are taken.
	Webhooks func(url string) error

	// Tasks shows background work; nil: there is none to show.
	Tasks taskBoard

	// Schedules keeps schedules; nil: there are none here.
	Schedules schedule.Store

	// Bulk takes batches in; nil: none are taken here.
	Bulk *Bulk

	// Services are the Go services of this binary.
	Services []Service

	// Background makes what runs the jobs of the services in this process, as a
	// worker does its runners: as instances of runnables. What it makes is run by
	// [Gateway.Serve]; told to stop it must end within the drain timeout. If
	// Background is nil, other gateways that have the services run the jobs.
	Background background

	// Checks must all pass for /readyz to say yes, by name.
	Checks map[string]func(context.Context) error

	// Registry is where metrics are kept, and what /metrics serves. Required.
	Registry *prometheus.Registry

	// Log is slog.Default() if nil.
	Log *slog.Logger
}

// producer is *[queue.Producer].
type producer interface {
	Run(ctx context.Context) error
	Do(ctx context.Context, call queue.Call) (queue.Reply, error)
	Submit(ctx context.Context, call queue.Call) (queue.Job, error)
	Wait(ctx context.Context, id string, wait time.Duration) (queue.Job, error)
}

// jobs is *[queue.Queue].
type jobs interface {
	Job(ctx context.Context, id string) (queue.Job, error)
	Result(ctx context.Context, id string) (queue.Reply, error)
	Cancel(ctx context.Context, id string) (queue.Job, error)
}

// jobKeeper is *[queue.Queue].
type jobKeeper interface {
	Jobs(ctx context.Context, query queue.JobQuery) (queue.JobPage, error)
	Retry(ctx context.Context, id string, a queue.Admission) (queue.Job, error)
	Claim(ctx context.Context, a queue.Alias, digest, id string, ttl time.Duration) (owner string, err error)
	Resolve(ctx context.Context, a queue.Alias) (id string, err error)
	Retention() time.Duration
}

// slowPath is *[queue.Queue].
type slowPath interface {
	// Now is the queue's clock.
	Now(ctx context.Context) (time.Time, error)
	Tries(ctx context.Context, id string) ([]queue.Try, error)
	Hook(ctx context.Context, id string) (queue.Hook, error)
	Redeliver(ctx context.Context, id string) error
}

// deadLetters is *[queue.Queue].
type deadLetters interface {
	DeadLetters(ctx context.Context, runner, cursor string, limit int) (letters []queue.DeadLetter, next string, err error)
	DeadLetter(ctx context.Context, runner, id string) (queue.DeadLetter, error)
	Redrive(ctx context.Context, runner, letter string, a queue.Admission) (queue.Job, error)
	DropDead(ctx context.Context, runner, id string) error
}

// gates is *[queue.Queue].
type gates interface {
	SetGate(ctx context.Context, runner string, g queue.Gate) error
}

// directory is *[queue.Queue].
type directory interface {
	Runners(ctx context.Context) ([]string, error)
	Spec(ctx context.Context, runner string) ([]byte, error)
	Stats(ctx context.Context, runners ...string) ([]queue.Stats, error)
	Workers(ctx context.Context, runner string) ([]queue.Heartbeat, error)
	Sweep(ctx context.Context, runner string) (queue.Swept, error)
}

// health is *[queue.Queue].
type health interface {
	Ping(ctx context.Context) error
	Durability(ctx context.Context) (queue.Durability, error)
}

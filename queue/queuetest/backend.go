package queuetest

import (
	"context"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// Backend is a queue under test. Each test has one of its own.
type Backend struct {
	Queue

	// NewProducer returns a gateway's end. It runs until the test ends.
	NewProducer func(gateway string) Producer

	// NewConsumer returns an instance's end.
	NewConsumer func(runner, worker string, instance int) Consumer

	// Abandon makes it look as if nothing had been heard of an instance for a
	// lease.
	Abandon func(worker string, instance int)

	// Plant puts an entry of these fields and values into the normal lane of a
	// runner, as a foreign hand would, and returns its id.
	Plant func(runner string, fields ...string) string

	// Assign makes an entry of the normal lane the one of a job. Snatch takes the
	// entry of a job off its lane, Forget drops its record.
	Assign         func(job, entry string)
	Snatch, Forget func(job string)

	// Leftovers names what is left of a runner that should not be when nothing is
	// queued or running.
	Leftovers func(runner string) []string
}

// Queue is what both ends have.
type Queue interface {
	directory
	clients
	upkeep
	hooks
	switches
}

// clients is what clients ask for.
type clients interface {
	jobs
	keeper
	morgue
}

type directory interface {
	Announce(ctx context.Context, runner string, spec []byte) error
	Spec(ctx context.Context, runner string) ([]byte, error)
	Runners(ctx context.Context) ([]string, error)
	Stats(ctx context.Context, runners ...string) ([]queue.Stats, error)
	Workers(ctx context.Context, runner string) ([]queue.Heartbeat, error)
}

type jobs interface {
	Job(ctx context.Context, id string) (queue.Job, error)
	Result(ctx context.Context, id string) (queue.Reply, error)
	Cancel(ctx context.Context, id string) (queue.Job, error)
}

// keeper is what clients ask for about jobs beside their outcome.
type keeper interface {
	Retry(ctx context.Context, id string, a queue.Admission) (queue.Job, error)
	Jobs(ctx context.Context, query queue.JobQuery) (queue.JobPage, error)
	Claim(ctx context.Context, a queue.Alias, digest, id string, ttl time.Duration) (string, error)
	Resolve(ctx context.Context, a queue.Alias) (string, error)
	Tries(ctx context.Context, id string) ([]queue.Try, error)
}

// switches are for operators.
type switches interface {
	SetGate(ctx context.Context, runner string, g queue.Gate) error
}

// errands are what is to be done by other means.
type errands interface {
	Errands(ctx context.Context, runner string, limit int) ([]queue.Errand, error)
	Outstanding(ctx context.Context, runner string, which queue.Outstanding, offset, limit int) ([]queue.Errand, error)
	ErrandDone(ctx context.Context, e queue.Errand) error
	Ripen(ctx context.Context, e queue.Errand) error
}

// hooks are webhooks.
type hooks interface {
	Hook(ctx context.Context, id string) (queue.Hook, error)
	NoteHook(ctx context.Context, id string, h queue.Hook) error
	Redeliver(ctx context.Context, id string) error
}

// morgue has the dead letters.
type morgue interface {
	DeadLetters(ctx context.Context, runner, cursor string, limit int) ([]queue.DeadLetter, string, error)
	DeadLetter(ctx context.Context, runner, id string) (queue.DeadLetter, error)
	Redrive(ctx context.Context, runner, letter string, a queue.Admission) (queue.Job, error)
	DropDead(ctx context.Context, runner, id string) error
}

type upkeep interface {
	errands
	Beat(ctx context.Context, runner string, beat queue.Heartbeat) (known bool, err error)
	Leave(ctx context.Context, runner, worker string) error
	Sweep(ctx context.Context, runner string) (queue.Swept, error)
}

// Producer is [queue.Producer].
type Producer interface {
	Run(ctx context.Context) error
	Do(ctx context.Context, call queue.Call) (queue.Reply, error)
	Submit(ctx context.Context, call queue.Call) (queue.Job, error)
	Wait(ctx context.Context, id string, wait time.Duration) (queue.Job, error)
}

// Consumer is [queue.Consumer].
type Consumer interface {
	source
	sink
	Renew(ctx context.Context) (queue.Renewal, error)
	Crashed(ctx context.Context, ds []queue.Delivery, how queue.Crash) (buried int, err error)
	Leave(ctx context.Context) error
}

type source interface {
	Cut(ctx context.Context, ask queue.Ask) (queue.Cut, error)
	Wait(ctx context.Context, d time.Duration) (bool, error)
	Ring(ctx context.Context) error
}

type sink interface {
	Finish(ctx context.Context, outcomes []queue.Outcome) (queue.Finished, error)
	Release(ctx context.Context, ds []queue.Delivery) error
}

var (
	_ Queue    = (*queue.Queue)(nil)
	_ Producer = (*queue.Producer)(nil)
	_ Consumer = (*queue.Consumer)(nil)
	_ Queue    = (*Model)(nil)
	_ Producer = (*ModelProducer)(nil)
	_ Consumer = (*ModelConsumer)(nil)
)

package worker

import (
	"context"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// Queue is what a worker needs of the queue; [On] makes one.
type Queue interface {
	registry
	// Sweep ends what is past its deadline and takes back what dead workers hold.
	Sweep(ctx context.Context, runner string) (queue.Swept, error)
	// Lease is how long a delivery stays with a worker that shows no sign of life.
	Lease() time.Duration
	// NewConsumer returns one instance's end of the queue of a runner.
	NewConsumer(runner, worker string, instance int) Consumer
}

// registry is where runners and workers are known.
type registry interface {
	Announce(ctx context.Context, runner string, spec []byte) error
	Spec(ctx context.Context, runner string) ([]byte, error)
	Beat(ctx context.Context, runner string, beat queue.Heartbeat) (known bool, err error)
	Workers(ctx context.Context, runner string) ([]queue.Heartbeat, error)
	Leave(ctx context.Context, runner, worker string) error
}

// Consumer is one instance's end of a queue, such as a [queue.Consumer]. Its
// methods are called by several goroutines: Cut, Wait and Ring by one, and
// once Ring by another; Finish, Release and Crashed by a third, Renew by a fourth;
// Leave when none of the first three are used any more.
type Consumer interface {
	source
	sink
	// Renew renews the leases on all that the consumer holds.
	Renew(ctx context.Context) (queue.Renewal, error)
	// Leave gives back all that it holds.
	Leave(ctx context.Context) error
}

// source is where calls come from.
type source interface {
	Cut(ctx context.Context, ask queue.Ask) (queue.Cut, error)
	Wait(ctx context.Context, d time.Duration) (bool, error)
	Ring(ctx context.Context) error
}

// sink is where calls end.
type sink interface {
	Finish(ctx context.Context, outcomes []queue.Outcome) (queue.Finished, error)
	Release(ctx context.Context, ds []queue.Delivery) error
	Crashed(ctx context.Context, ds []queue.Delivery, how queue.Crash) (buried int, err error)
}

// On makes a worker's Queue of a connection.
func On(q *queue.Queue) Queue { return connection{q} }

type connection struct{ *queue.Queue }

func (c connection) NewConsumer(runner, worker string, instance int) Consumer {
	return c.Queue.NewConsumer(runner, worker, instance)
}

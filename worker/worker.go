package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/runnables"
)

// ErrDrained means that a worker stopped before all that it had taken was ended.
// The rest was given back, or goes to other workers when its leases end.
var ErrDrained = errors.New("drain timeout is over")

// grace is how long after the drain timeout the worker may still write to the
// queue: what has ended is finished, what has not is given back.
const grace = 2 * time.Second

// Telemetry is where a worker tells how it does.
type Telemetry struct {
	// Log gets what happens, never what calls contain. Default: slog.Default().
	Log *slog.Logger

	// Metrics gets the worker's metrics. Default: none.
	Metrics prometheus.Registerer

	// Devices tells how the devices of the machine do now, by the ids that places
	// have; heartbeats carry those that have instances. It is called by several
	// goroutines, and returns soon. Default: nobody knows.
	Devices func() []queue.Device
}

// Worker serves runners in one process.
type Worker struct {
	config  Config
	queue   Queue
	runners []*runner
	log     *slog.Logger
	meters  *meters
	devices func() []queue.Device // nil: nobody knows how they do
}

// New returns a worker that has yet to [Worker.Run]. It does not talk to the
// queue, and makes no instances. The error names everything that is wrong.
func New(c Config, q Queue, kinds runnables.Kinds, runners []Deployment, t Telemetry) (*Worker, error) {
	w := &Worker{config: c, queue: q, log: t.Log, devices: t.Devices}
	if w.log == nil {
		w.log = slog.Default()
	}
	reg := t.Metrics
	if reg == nil {
		reg = prometheus.NewRegistry()
	}
	errs := []error{c.validate(), w.addRunners(kinds, runners)}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("worker: %w", err)
	}
	var err error
	if w.meters, err = newMeters(reg); err == nil {
		err = errors.Join(reg.Register(instances{w.runners}), reg.Register(deviceInstances{w.runners}))
	}
	if err != nil {
		return nil, fmt.Errorf("worker: metrics: %w", err)
	}
	for _, r := range w.runners {
		r.meters = w.meters
	}
	return w, nil
}

// addRunners prepares the runners, or reports all that is wrong with them.
func (w *Worker) addRunners(kinds runnables.Kinds, runners []Deployment) error {
	var errs []error
	if len(runners) == 0 {
		errs = append(errs, errors.New("no runner to serve"))
	}
	seen := map[string]bool{}
	for _, d := range runners {
		d.Runner = d.Runner.WithDefaults()
		options := d.Runner
		if err := options.Validate(); err != nil {
			errs = append(errs, err)
		}
		kind, ok := kinds.Of(options)
		if !ok && options.Runnable != "" {
			errs = append(errs, fmt.Errorf("runner %q: this binary was built without runnable %q", options.Name, options.Runnable))
		}
		if seen[options.Name] {
			errs = append(errs, fmt.Errorf("runner %q is there twice", options.Name))
		}
		seen[options.Name] = true
		if len(d.Places) == 0 {
			errs = append(errs, fmt.Errorf("runner %q has no place for an instance", options.Name))
		}
		w.runners = append(w.runners, newRunner(d, kind, w))
	}
	return errors.Join(errs...)
}

// Run makes the instances and serves until ctx is done. It then takes nothing
// more, ends what it has taken, and returns nil, or [ErrDrained] if that takes
// longer than the drain timeout. A method that does not return even though its
// context is done is left behind: the process should end then. Run returns any
// other error if an instance cannot be made. It may be called once.
func (w *Worker) Run(ctx context.Context) error {
	serving, pull := errgroup.WithContext(ctx)
	work, stopWork := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stopWork(nil)
	io, stopIO := context.WithCancel(context.WithoutCancel(ctx))
	defer stopIO()

	var upkeep sync.WaitGroup
	upkeep.Go(func() { w.keepRenewing(io) })
	upkeep.Go(func() {
		<-pull.Done()
		if sleep(io, w.config.DrainTimeout) {
			stopWork(ErrDrained)
		}
		if sleep(io, grace) {
			stopIO()
		}
	})
	served := make(chan error, 1)
	for _, r := range w.runners {
		serving.Go(func() error { return r.serve(pull, work, io) })
	}
	go func() { served <- serving.Wait() }()
	var err error
	select {
	case err = <-served:
	case <-io.Done():
		w.leave(io)
		err = fmt.Errorf("worker: %w: a method does not return", ErrDrained)
	}
	stopIO()
	upkeep.Wait()
	return err
}

// leave gives back what a method holds that does not return.
func (w *Worker) leave(ctx context.Context) {
	for _, r := range w.runners {
		r.leave(ctx)
	}
}

// keepRenewing renews the leases of all that the worker holds, until ctx is done.
// It is how a worker learns what was canceled, so it does not wait for long.
func (w *Worker) keepRenewing(ctx context.Context) {
	for sleep(ctx, jitter(min(w.queue.Lease()/4, renewEvery))) {
		for _, r := range w.runners {
			r.renew(ctx)
		}
	}
}

// Ready reports whether all runners are warm, announced and not draining.
func (w *Worker) Ready() bool { return len(w.NotReady()) == 0 }

// NotReady says of each runner that is not ready why, by name.
func (w *Worker) NotReady() map[string]string {
	reasons := map[string]string{}
	for _, r := range w.runners {
		switch {
		case r.draining.Load():
			reasons[r.options.Name] = "draining"
		case r.ready.Load() && r.live.Load() > 0:
		case r.ready.Load():
			reasons[r.options.Name] = "no instance is left"
			if why := r.absent.Load(); why != nil {
				reasons[r.options.Name] = "no instance: " + *why
			}
		case r.spec.Load() != nil:
			reasons[r.options.Name] = "not announced yet: the queue is not available"
		default:
			reasons[r.options.Name] = "making instances and warming up"
		}
	}
	return reasons
}

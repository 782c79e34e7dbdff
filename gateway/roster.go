package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/runnables"
)

const (
	// refreshEvery is how often specs and stats are read, and queues swept.
	refreshEvery = time.Second

	// refreshTimeout bounds one round of that.
	refreshTimeout = 5 * time.Second

	// workersFor is how old a list of workers may be before somebody who asks for
	// it has it read again. Every refresh does it.
	workersFor = 2 * refreshEvery

	// lookTimeout bounds that.
	lookTimeout = time.Second
)

// roster is what a gateway knows of all runners. Reading it takes no lock.
type roster struct {
	directory directory
	metrics   *metrics
	log       *slog.Logger

	// known is replaced as a whole; mu is held by whoever does.
	known atomic.Pointer[map[string]*runner]
	mu    sync.Mutex

	lookups lookups

	// fault is why the last round failed, or nil. Written by round.
	fault atomic.Pointer[error]
}

func newRoster(d directory, m *metrics, log *slog.Logger) *roster {
	r := &roster{directory: d, metrics: m, log: log}
	r.known.Store(&map[string]*runner{})
	return r
}

// runners are the known runners by name. The caller must not change the map.
func (r *roster) runners() map[string]*runner { return *r.known.Load() }

// sorted are the known runners in order of their names.
func (r *roster) sorted() []*runner {
	return slices.SortedFunc(maps.Values(r.runners()), func(a, b *runner) int {
		if a.spec.Runner < b.spec.Runner {
			return -1
		}
		return 1
	})
}

// callable are those that clients call by their names.
func (r *roster) callable() []*runner {
	return slices.DeleteFunc(r.sorted(), func(found *runner) bool { return isService(found.spec.Runner) })
}

// runner finds a runner. One that is not known yet is looked up, within limits
// that keep a flood of unknown names from the queue.
func (r *roster) runner(ctx context.Context, name string) (*runner, error) {
	if found := r.runners()[name]; found != nil {
		return found, nil
	}
	if runnables.ValidName(name) != nil {
		return nil, unknownRunner(name)
	}
	return r.lookups.find(ctx, name, r.lookup)
}

// method finds a method of a runner.
func (r *roster) method(ctx context.Context, name, method string) (*method, error) {
	found, err := r.runner(ctx, name)
	if err != nil {
		return nil, err
	}
	return found.method(method)
}

// methodOf is the method that a job ran, or [unknownMethod] if it is not there any
// more. That it cannot be looked up now is an error: a result is to have the form that
// it has at other times.
func (r *roster) methodOf(ctx context.Context, name, method string) (*method, error) {
	m, err := r.method(ctx, name, method)
	if p, told := errors.AsType[*Problem](err); told && p.Code == CodeNotFound {
		return unknownMethod(), nil
	}
	return m, err
}

// lookup asks the queue for a runner that is not known.
func (r *roster) lookup(ctx context.Context, name string) (*runner, error) {
	raw, err := r.directory.Spec(ctx, name)
	if errors.Is(err, queue.ErrUnknownRunner) {
		// Workers beat before they announce what they serve.
		if workers, err := r.directory.Workers(ctx, name); err == nil && len(workers) > 0 {
			return nil, &Problem{Code: CodeNoWorker, Retryable: true, Detail: "runner " + quote(name) + " is starting for the first time: its workers are making their instances"}
		}
		return nil, unknownRunner(name)
	}
	if err != nil {
		return nil, fmt.Errorf("look up runner %q: %w", name, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if found := r.runners()[name]; found != nil {
		return found, nil
	}
	found, err := newRunner(raw, r.newWatch(name))
	if err != nil {
		return nil, fmt.Errorf("runner %q: %w", name, err)
	}
	next := maps.Clone(r.runners())
	next[name] = found
	r.known.Store(&next)
	return found, nil
}

// newWatch begins to watch a runner.
func (r *roster) newWatch(name string) *watch {
	return &watch{metrics: r.metrics.forRunner(name)}
}

// run refreshes the roster and sweeps the queues until ctx is done.
func (r *roster) run(ctx context.Context) {
	ticker := time.NewTicker(refreshEvery)
	defer ticker.Stop()
	for {
		r.round(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// round is one refresh and sweep. Failures are logged once until it works again.
func (r *roster) round(ctx context.Context) {
	bounded, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	err := r.refresh(bounded)
	if err == nil {
		err = r.sweep(bounded)
	}
	if ctx.Err() != nil {
		return
	}
	if err == nil {
		if r.fault.Swap(nil) != nil {
			r.log.InfoContext(ctx, "runners are refreshed again")
		}
		return
	}
	if r.fault.Swap(&err) == nil {
		r.log.WarnContext(ctx, "runners cannot be refreshed, the last known are used", "err", err)
	}
}

// lastFault is why the last round failed, or nil.
func (r *roster) lastFault() error {
	if fault := r.fault.Load(); fault != nil {
		return *fault
	}
	return nil
}

// refresh reads names, specs, stats and workers.
func (r *roster) refresh(ctx context.Context) error {
	names, err := r.directory.Runners(ctx)
	if err != nil {
		return fmt.Errorf("list runners: %w", err)
	}
	var faults []error
	specs := make(map[string][]byte, len(names))
	for _, name := range names {
		raw, err := r.directory.Spec(ctx, name)
		switch {
		case err == nil:
			specs[name] = raw
		case !errors.Is(err, queue.ErrUnknownRunner):
			return fmt.Errorf("read spec of runner %q: %w", name, err)
		}
	}
	faults = append(faults, r.replace(specs))
	return errors.Join(append(faults, r.measure(ctx))...)
}

// measure reads the stats and the workers of the known runners.
func (r *roster) measure(ctx context.Context) error {
	known := slices.Sorted(maps.Keys(r.runners()))
	if len(known) == 0 {
		return nil
	}
	stats, err := r.directory.Stats(ctx, known...)
	if err != nil {
		return fmt.Errorf("read stats: %w", err)
	}
	for _, s := range stats {
		if found := r.runners()[s.Runner]; found != nil {
			found.watch.sample(s)
		}
	}
	for _, found := range r.runners() {
		if err := r.readWorkers(ctx, found); err != nil {
			return err
		}
		found.learn()
	}
	return nil
}

// replace makes the runners with these specs the known ones. A spec that cannot
// be read leaves its runner as it was.
func (r *roster) replace(specs map[string][]byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var faults []error
	known := r.runners()
	next := make(map[string]*runner, len(specs))
	for name, raw := range specs {
		old := known[name]
		if old != nil && old.raw == string(raw) {
			next[name] = old
			continue
		}
		w := r.watchOf(old, name)
		found, err := newRunner(raw, w)
		if err != nil {
			faults = append(faults, fmt.Errorf("runner %q: %w", name, err))
			if found = old; found == nil {
				continue
			}
		}
		next[name] = found
	}
	r.known.Store(&next)
	return errors.Join(faults...)
}

func (r *roster) watchOf(old *runner, name string) *watch {
	if old != nil {
		return old.watch
	}
	return r.newWatch(name)
}

// sweep ends what is past its deadline or held by the dead, for all runners.
func (r *roster) sweep(ctx context.Context) error {
	for name := range r.runners() {
		if _, err := r.directory.Sweep(ctx, name); err != nil {
			return fmt.Errorf("sweep runner %q: %w", name, err)
		}
	}
	return nil
}

// readWorkers reads the living workers of a runner.
func (r *roster) readWorkers(ctx context.Context, found *runner) error {
	workers, err := r.directory.Workers(ctx, found.spec.Runner)
	if err != nil {
		return fmt.Errorf("list workers of runner %q: %w", found.spec.Runner, err)
	}
	found.watch.meet(workers)
	return nil
}

// look has the workers of runners read that were not for a while. It gives up
// at the first error, and asks nothing while the queue is away anyway: then what
// is known has to do. The error is why it may be old.
func (r *roster) look(ctx context.Context, runners []*runner) error {
	if err := r.lastFault(); errors.Is(err, queue.ErrUnavailable) {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	for _, found := range runners {
		if _, since, known := found.watch.crew(); known && since < workersFor {
			continue
		}
		if err := r.readWorkers(bounded, found); err != nil {
			return err
		}
	}
	return nil
}

func unknownRunner(name string) *Problem {
	return &Problem{Code: CodeNotFound, Detail: "there is no runner " + quote(name)}
}

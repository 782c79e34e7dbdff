package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ekiben/ekiben/batching"
	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/runnables"
)

// runner is a runner that a worker serves.
type runner struct {
	worker  string // the worker's id
	options runnables.Runner
	places  []runnables.Place     // of the instances
	devices func() []queue.Device // how they do; may be nil
	kind    runnables.Kind
	queue   Queue
	log     *slog.Logger
	link    *link
	meters  *meters

	// consumers are the instances' ends of the queue, claims what each holds.
	consumers []Consumer
	claims    []*claims

	// spec is set once the instances are made, ready once it is announced. Both
	// are written by serve alone.
	spec     atomic.Pointer[[]byte]
	ready    atomic.Bool
	draining atomic.Bool
	cutShort atomic.Bool   // calls that ran when the drain timeout was over went back
	beatNow  chan struct{} // holds one: a heartbeat is due now

	// foreign counts heartbeats in a row that found a spec published that no
	// living worker serves. Only keepBeating touches it.
	foreign int

	// For heartbeats, written by all instances.
	live, busy                   atomic.Int64
	absent                       atomic.Pointer[string] // why the last instance that went away did
	batches, rows, calls, failed atomic.Int64
	costs                        []atomic.Pointer[batching.Cost] // one an instance
	latency                      *latency
}

func newRunner(d Deployment, kind runnables.Kind, w *Worker) *runner {
	options := d.Runner
	log := w.log.With("runner", options.Name)
	r := &runner{
		worker: w.config.ID, options: options, places: d.Places, devices: w.devices, kind: kind, queue: w.queue, log: log,
		link: &link{log: log}, beatNow: make(chan struct{}, 1), latency: newLatency(time.Now()),
	}
	for i := range d.Places {
		r.consumers = append(r.consumers, w.queue.NewConsumer(options.Name, w.config.ID, i))
		r.claims = append(r.claims, newClaims(w.queue.Lease(), log.With("instance", i)))
	}
	r.costs = make([]atomic.Pointer[batching.Cost], len(r.consumers))
	return r
}

// serve makes the instances, announces the runner, and serves until pull is done
// and what had been taken is ended. work stops what then still runs, which is
// ErrDrained; io is for talking to the queue.
func (r *runner) serve(pull, work, io context.Context) error {
	defer context.AfterFunc(pull, func() {
		r.draining.Store(true)
		r.beatSoon()
	})()
	beating, stopBeating := context.WithCancel(io)
	sweeping, stopSweeping := context.WithCancel(pull)
	var keepers sync.WaitGroup
	keepers.Go(func() { r.keepBeating(beating) })
	keepers.Go(func() { r.keepSweeping(sweeping) })
	err := r.runInstances(pull, work, io)
	stopBeating()
	stopSweeping()
	keepers.Wait()
	r.leave(io)
	if err == nil && r.cutShort.Load() {
		err = ErrDrained
	}
	if err != nil {
		return fmt.Errorf("worker: runner %q: %w", r.options.Name, err)
	}
	return nil
}

// runInstances returns when all instances have drained, or an error if one
// cannot be made.
func (r *runner) runInstances(pull, work, io context.Context) error {
	all, err := r.makeInstances(pull)
	defer r.closeInstances(all)
	if err != nil {
		if pull.Err() != nil {
			return nil // told to stop before it was ready
		}
		return err
	}
	if !r.announce(pull) {
		return nil
	}
	r.ready.Store(true)
	r.log.InfoContext(pull, "runner is ready", "instances", len(all))
	var running sync.WaitGroup
	for _, i := range all {
		running.Go(func() { i.serve(pull, work, io) })
	}
	running.Wait()
	return nil
}

// announce publishes the spec, trying until it succeeds or ctx is done.
func (r *runner) announce(ctx context.Context) bool {
	var pause backoff
	for {
		err := r.announceOnce(ctx)
		r.link.report(ctx, "announce", err)
		if err == nil {
			return true
		}
		if !sleep(ctx, pause.next()) {
			return false
		}
	}
}

// announceOnce publishes the spec, and says that the worker lives: who learns of
// the runner may call it at once. The newest wins: one that is there already is
// replaced.
func (r *runner) announceOnce(ctx context.Context) error {
	ours := *r.spec.Load()
	stored, err := r.queue.Spec(ctx, r.options.Name)
	switch {
	case errors.Is(err, queue.ErrUnknownRunner):
	case err != nil:
		return err
	case !sameSignatures(stored, ours):
		r.log.WarnContext(ctx, "runner has a new signature, calls made for the old one will fail", "old", string(stored), "new", string(ours))
	}
	if err := r.queue.Announce(ctx, r.options.Name, ours); err != nil {
		return err
	}
	_, err = r.queue.Beat(ctx, r.options.Name, r.heartbeat(time.Now()))
	return err
}

// leave gives back what is still held and says goodbye, even if ctx is done.
func (r *runner) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	for _, c := range r.consumers {
		r.link.report(ctx, "leave", c.Leave(ctx))
	}
	r.link.report(ctx, "leave", r.queue.Leave(ctx, r.options.Name, r.worker))
}

package worker

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"slices"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// How often a worker says that it lives, and looks for what others left behind.
// The queue counts a worker as alive for several heartbeats.
const (
	beatEvery  = 3 * time.Second
	sweepEvery = time.Second // or every eighth of a lease if that is shorter
	renewEvery = time.Second // or every quarter of a lease if that is shorter
)

// keepBeating sends heartbeats until ctx is done: now, every few seconds, and
// when one is due at once.
func (r *runner) keepBeating(ctx context.Context) {
	for ctx.Err() == nil {
		// Asked before the instances are counted, which are there when it is announced;
		// and before the queue is asked whether it knows the spec.
		announced := r.ready.Load()
		b := r.heartbeat(time.Now())
		if announced && b.Instances == 0 && !b.Draining {
			// Nobody is here to run anything: calls are for other workers.
			r.link.report(ctx, "leave", r.queue.Leave(ctx, r.options.Name, r.worker))
		} else {
			r.beat(ctx, b, announced)
		}
		timer := time.NewTimer(jitter(beatEvery))
		select {
		case <-timer.C:
		case <-r.beatNow:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// beat sends a heartbeat. announced is whether the runner was before that, so that
// the queue must know its spec.
func (r *runner) beat(ctx context.Context, b queue.Heartbeat, announced bool) {
	known, err := r.queue.Beat(ctx, r.options.Name, b)
	r.link.report(ctx, "beat", err)
	if err == nil && announced {
		r.mindSpec(ctx, known)
	}
}

// mindSpec announces the runner again if the queue has lost its spec, or has one
// that no living worker serves: that of a worker that was started by mistake and
// is gone. Such a one must be seen twice, because a new worker announces its spec
// before its first heartbeat with it.
func (r *runner) mindSpec(ctx context.Context, known bool) {
	switch {
	case !known:
		r.log.WarnContext(ctx, "queue has lost the runner, announcing it again")
	case r.published(ctx):
		r.foreign = 0
		return
	default:
		if r.foreign++; r.foreign < 2 {
			return
		}
		r.log.WarnContext(ctx, "no living worker serves the published signature, announcing ours again")
	}
	r.foreign = 0
	r.link.report(ctx, "announce", r.announceOnce(ctx))
}

// published reports whether the published spec is ours or that of another worker
// that lives. It says yes if it cannot find out.
func (r *runner) published(ctx context.Context) bool {
	stored, err := r.queue.Spec(ctx, r.options.Name)
	if err != nil || bytes.Equal(stored, *r.spec.Load()) {
		return true
	}
	workers, err := r.queue.Workers(ctx, r.options.Name)
	theirs := digest(stored)
	return err != nil || slices.ContainsFunc(workers, func(w queue.Heartbeat) bool { return w.Spec == theirs })
}

// digest is what heartbeats carry of a spec.
func digest(spec []byte) string {
	sum := sha256.Sum256(spec)
	return hex.EncodeToString(sum[:8])
}

// beatSoon asks for a heartbeat now.
func (r *runner) beatSoon() {
	select {
	case r.beatNow <- struct{}{}:
	default:
	}
}

// heartbeat is what the worker says about this runner. Costs are the mean of
// those instances that know theirs.
func (r *runner) heartbeat(now time.Time) queue.Heartbeat {
	host, _ := os.Hostname() // no name is no reason to stop
	b := queue.Heartbeat{
		Worker: r.worker, Host: host, PID: os.Getpid(), Instances: int(r.live.Load()), Busy: int(r.busy.Load()),
		Draining: r.draining.Load(), Batches: r.batches.Load(), Rows: r.rows.Load(), Calls: r.calls.Load(),
		Failed: r.failed.Load(), Latency: r.latency.counts(now), Devices: r.placed(),
	}
	if spec := r.spec.Load(); spec != nil {
		b.Spec = digest(*spec)
	}
	known := 0.0
	for i := range r.costs {
		if c := r.costs[i].Load(); c != nil {
			known++
			b.FixedMS += (c.Fixed.Seconds()*1000 - b.FixedMS) / known
			b.PerRowMS += (c.PerRow.Seconds()*1000 - b.PerRowMS) / known
		}
	}
	return b
}

// keepSweeping sweeps the queue of the runner about every second, or more often
// where that would be much of a lease, until ctx is done.
func (r *runner) keepSweeping(ctx context.Context) {
	for sleep(ctx, jitter(min(sweepEvery, r.queue.Lease()/8))) {
		swept, err := r.queue.Sweep(ctx, r.options.Name)
		r.link.report(ctx, "sweep", err)
		if swept.Reclaimed > 0 || swept.Buried > 0 || swept.Missing > 0 || swept.Orphans > 0 {
			r.log.WarnContext(ctx, "took care of calls that were left behind",
				"reclaimed", swept.Reclaimed, "buried", swept.Buried, "missing", swept.Missing, "orphans", swept.Orphans)
		}
	}
}

// renew renews the leases of all instances, and tells them which calls are not
// theirs to execute any more.
func (r *runner) renew(ctx context.Context) {
	for i, c := range r.consumers {
		round, asked := r.claims[i].ask(), time.Now()
		renewal, err := c.Renew(ctx)
		r.claims[i].settle(round, asked, renewal, err)
		r.link.report(ctx, "renew", err)
		if lost := renewal.Lost; len(lost) > 0 {
			r.meters.lostLeases.WithLabelValues(r.options.Name).Add(float64(len(lost)))
			r.log.WarnContext(ctx, "lost leases: the calls went to other workers", "calls", lost)
		}
	}
}

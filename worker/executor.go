package worker

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/ekiben/ekiben/batching"
	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/runnables"
)

// ending is what the executor hands to the finisher: calls that have ended, and
// calls to give back, be it for good or after a crash.
type ending struct {
	meters   endings
	asked    time.Time
	outcomes []queue.Outcome
	back     []queue.Delivery
	crashes  []crash
	releases []func() // of the memory of the outcomes, once they are written
}

func (e *ending) empty() bool { return len(e.outcomes)+len(e.back)+len(e.crashes)+len(e.releases) == 0 }

// span is how long an execution of so many rows took.
type span struct {
	rows int
	took time.Duration
}

// executor runs loads, one at a time. Its run method is the only goroutine that
// calls the runnable.
type executor struct {
	runner  *runner
	claims  *claims
	loads   <-chan *load
	done    chan<- []span
	ended   chan<- ending
	present attendance
	cost    *atomic.Pointer[batching.Cost]

	unknown endings // of calls of methods that do not exist
}

// run executes what comes out of loads until that is closed. Loads that it finds
// when pull is done are given back, as are those of an instance that stays away;
// work stops the one that runs.
func (e *executor) run(pull, work context.Context) {
	defer close(e.ended)
	for l := range e.loads {
		if pull.Err() != nil || e.present.here(pull, absence) != nil {
			e.claims.drop(l)
			e.done <- nil
			e.ended <- ending{back: l.deliveries}
			continue
		}
		e.runner.busy.Add(1)
		e.execute(pull, work, l)
		e.runner.busy.Add(-1)
	}
}

// execute runs the batches of a load. The puller learns that they are done
// before the finisher takes the last of them, so that the next cut is under way
// while replies are written.
func (e *executor) execute(pull, work context.Context, l *load) {
	var spans []span
	end := ending{meters: e.unknown, asked: l.asked, outcomes: l.refused}
	reason := l.reason
	for n, b := range l.batches {
		if !end.empty() {
			e.ended <- end
		}
		if n > 0 && work.Err() == nil && e.present.here(work, absence) != nil {
			end = e.surrender(l.batches[n:])
			break
		}
		if pull.Err() != nil {
			reason = batching.Drain
		}
		var spent span
		end, spent = e.batch(work, l, b, reason)
		if spent.rows > 0 {
			spans = append(spans, spent)
		}
		reason = batching.Shape
	}
	e.claims.drop(l)
	e.done <- spans
	if !end.empty() {
		e.ended <- end
	}
}

// surrender gives batches back whose instance stays away.
func (e *executor) surrender(bs []batch) ending {
	end := ending{}
	for _, b := range bs {
		end.meters = b.method.meters.endings
		end.back = appendDeliveries(end.back, b.items)
	}
	return end
}

// batch runs one batch. The span is zero unless it ran at once, in one piece and
// without an error: others say nothing of what a batch costs.
func (e *executor) batch(work context.Context, l *load, b batch, reason batching.Reason) (ending, span) {
	x := execution{
		method: b.method, claims: e.claims, cost: e.cost.Load(), asked: l.asked,
		outcomes: make([]queue.Outcome, 0, len(b.items)),
	}
	began := time.Now()
	x.run(work, b.items)
	if x.rows > 0 {
		b.method.meters.batch(l, b, reason, began, time.Since(began))
		e.runner.batches.Add(1)
		e.runner.rows.Add(int64(x.rows))
	}
	e.tell(work, b, &x)
	end := ending{
		meters: b.method.meters.endings, asked: l.asked,
		outcomes: x.outcomes, back: append(x.back, x.lost...), crashes: x.crashes, releases: x.releases,
	}
	if x.failed || x.timing.Rows != x.rows || x.rows > b.method.maxRows {
		return end, span{}
	}
	return end, span{x.rows, x.timing.Execute}
}

// tell tells operators what they should know of an execution.
func (e *executor) tell(ctx context.Context, b batch, x *execution) {
	if x.err != nil {
		e.runner.log.WarnContext(ctx, "calls failed", "method", b.method.Name, "calls", len(b.items), "err", x.err)
	}
	if x.stopped {
		e.runner.log.DebugContext(ctx, "an execution was stopped", "method", b.method.Name, "calls", len(b.items), "err", errUnwanted)
	}
	for _, c := range x.crashes {
		if errors.Is(c.err, runnables.ErrHung) {
			e.runner.log.WarnContext(ctx, "an execution hung and its instance was stopped, its calls run again alone", c.story(b.method)...)
		} else {
			e.runner.log.WarnContext(ctx, "the instance crashed, its calls run again alone", c.story(b.method)...)
		}
	}
	for _, c := range x.hung {
		e.runner.log.WarnContext(ctx, "a call hung and its instance was stopped", c.story(b.method)...)
	}
	if n := len(x.crashes) + len(x.hung); n > 0 {
		e.runner.meters.crashes.WithLabelValues(e.runner.options.Name).Add(float64(n))
	}
	if len(x.back) > 0 {
		e.runner.cutShort.Store(true)
	}
}

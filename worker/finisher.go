package worker

import (
	"context"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// finisher writes the outcomes of calls. Its run method is the only goroutine
// that does.
type finisher struct {
	runner *runner
	sink   sink
	lease  time.Duration
	ended  <-chan ending
}

// run ends calls until ended is closed. io is for talking to the queue.
func (f *finisher) run(io context.Context) {
	for e := range f.ended {
		if len(e.outcomes) > 0 {
			f.finish(io, e)
		}
		if len(e.back) > 0 {
			f.release(io, e.back)
		}
	}
}

// finish tries until it succeeds, or until the leases would have been over: the
// queue then gives the calls to others.
func (f *finisher) finish(io context.Context, e ending) {
	giveUp := time.Now().Add(f.lease)
	var pause backoff
	for {
		finished, err := f.sink.Finish(io, e.outcomes)
		f.runner.link.report(io, "finish", err)
		if err == nil {
			f.record(e, finished, time.Now())
			return
		}
		if !time.Now().Before(giveUp) || !sleep(io, pause.next()) {
			f.runner.log.ErrorContext(io, "gave up finishing calls", "calls", len(e.outcomes), "err", err)
			break
		}
	}
	ds := make([]queue.Delivery, len(e.outcomes))
	for i := range e.outcomes {
		ds[i] = e.outcomes[i].Delivery
	}
	f.release(io, ds)
}

// release gives calls back. If it fails they go back when their leases end, or
// when the consumer leaves.
func (f *finisher) release(io context.Context, ds []queue.Delivery) {
	err := f.sink.Release(io, ds)
	f.runner.link.report(io, "release", err)
}

// record counts calls that have ended.
func (f *finisher) record(e ending, finished queue.Finished, now time.Time) {
	failed := e.meters.finish(e.outcomes, finished)
	f.runner.calls.Add(int64(len(e.outcomes)))
	f.runner.failed.Add(int64(failed))
	local := now.Sub(e.asked)
	f.runner.latency.add(now, len(e.outcomes), func(i int) time.Duration {
		return e.outcomes[i].Delivery.Waited + local
	})
}

package worker

import (
	"context"
	"errors"
	"time"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/runnables"
)

// finisher writes the outcomes of calls. Its run method is the only goroutine
// that does.
type finisher struct {
	runner *runner
	sink   sink
	lease  time.Duration
	ended  <-chan ending
}

// run ends calls until ended is closed. io is for talking to the queue, and
// outlives pull.
func (f *finisher) run(pull, io context.Context) {
	for e := range f.ended {
		if len(e.outcomes) > 0 && !f.finish(io, e) {
			f.release(pull, io, deliveries(e.outcomes))
		}
		for _, release := range e.releases {
			release()
		}
		for _, c := range e.crashes {
			if !f.crash(io, e, c) {
				f.release(pull, io, c.calls)
			}
		}
		if len(e.back) > 0 {
			f.release(pull, io, e.back)
		}
	}
}

// finish ends calls and reports whether it could.
func (f *finisher) finish(io context.Context, e ending) bool {
	return f.insist(io, "finish", len(e.outcomes), func() error {
		finished, err := f.sink.Finish(io, e.outcomes)
		if err == nil {
			f.record(e, finished, time.Now())
		}
		return err
	})
}

// crash is one of the instance, while it ran these calls together; or a hang, which
// ended it as well, and of whose calls some may have ended themselves.
type crash struct {
	calls []queue.Delivery
	err   error
}

// pid is the number that the instance's process had, 0 if that is not known.
func (c crash) pid() int {
	if e, ok := errors.AsType[*runnables.CrashError](c.err); ok {
		return e.PID
	}
	if e, ok := errors.AsType[*runnables.HungError](c.err); ok {
		return e.PID
	}
	return 0
}

// mostTold is how many calls are named where all of a batch are meant.
const mostTold = 8

// story is what the log is told of it.
func (c crash) story(m *method) []any {
	ids := make([]string, 0, mostTold)
	for _, d := range c.calls[:min(len(c.calls), mostTold)] {
		ids = append(ids, d.ID)
	}
	return []any{"method", m.Name, "calls", len(c.calls), "ids", ids, "pid", c.pid(), "err", c.err}
}

// known is what the queue is told of it.
func (c crash) known() queue.Crash {
	e, ok := errors.AsType[*runnables.CrashError](c.err)
	if !ok {
		return queue.Crash{}
	}
	return queue.Crash{How: e.How, Wrote: e.Wrote}
}

// crash says that calls crashed the instance together, and reports whether it
// could.
func (f *finisher) crash(io context.Context, e ending, c crash) bool {
	return f.insist(io, "report a crash", len(c.calls), func() error {
		buried, err := f.sink.Crashed(io, c.calls, c.known())
		if buried > 0 {
			f.runner.log.WarnContext(io, "a call was given up: it crashed its instance alone, again and again", "call", c.calls[0].ID, "method", c.calls[0].Method, "err", c.err)
		}
		e.meters.failed.Add(float64(buried))
		f.runner.calls.Add(int64(buried))
		f.runner.failed.Add(int64(buried))
		return err
	})
}

// insist tries a step until it succeeds, or until the leases would have been
// over: the queue then gives the calls to others.
func (f *finisher) insist(io context.Context, step string, calls int, try func() error) bool {
	giveUp := time.Now().Add(f.lease)
	var pause backoff
	for {
		err := try()
		f.runner.link.report(io, step, err)
		if err == nil {
			return true
		}
		if !time.Now().Before(giveUp) || !sleep(io, pause.next()) {
			f.runner.log.ErrorContext(io, "gave up on calls", "step", step, "calls", calls, "err", err)
			return false
		}
	}
}

// release gives calls back. It tries until it succeeds, because the leases on
// what is not given back would be renewed for ever; or until pull is done, when
// the consumer is about to leave anyway.
func (f *finisher) release(pull, io context.Context, ds []queue.Delivery) {
	var pause backoff
	for {
		err := f.sink.Release(io, ds)
		f.runner.link.report(io, "release", err)
		if err == nil || !sleep(pull, pause.next()) {
			return
		}
	}
}

func deliveries(outcomes []queue.Outcome) []queue.Delivery {
	ds := make([]queue.Delivery, len(outcomes))
	for i := range outcomes {
		ds[i] = outcomes[i].Delivery
	}
	return ds
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

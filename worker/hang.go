package worker

import (
	"context"
	"time"

	"github.com/ekiben/ekiben/queue"
)

const (
	// leastPatience is how long an execution may go on, at least, when the time of the
	// first of its calls is over: those whose time is not may still have their results.
	leastPatience = time.Second

	// usually is how many times as long as such a batch usually takes it may, if that
	// is more.
	usually = 3

	// mostStart bounds the patience that comes from how long the instance took to start.
	mostStart = 20 * time.Second
)

// patience is how long an execution may go on when the time of the first of its calls
// is over, before it counts as hung. To stop what would have ended costs a start, and
// all other calls: so it is what an execution of the method is known to take, and no
// less than a start.
func (x *execution) patience(rows int) time.Duration {
	m := x.method
	patience := max(leastPatience, m.longest, min(m.started, mostStart))
	if x.cost != nil {
		patience = max(patience, usually*x.cost.Of(rows))
	}
	return patience
}

// limit is the deadline of an execution. When it has come nobody waits for any of the
// calls; or, where the execution can be stopped, one of them has been late for so long
// that it hangs, and the others had better run without it.
func (x *execution) limit(items []item, rows int) time.Time {
	first, last := deadlines(items)
	if !x.method.stoppable {
		return last
	}
	if soon := first.Add(x.patience(rows)); soon.Before(last) {
		return soon
	}
	return last
}

// hang is what becomes of calls whose execution was stopped: those whose time is over
// have ended, and so has one that ran alone. The others run again, each by itself, as
// after a crash in company; that all of them were in it tells the queue that it was
// one.
func (x *execution) hang(items []item, err error) {
	c := crash{appendDeliveries(nil, items), err}
	if len(items) == 1 {
		x.hung = append(x.hung, c)
		x.fail(&items[0], err)
		return
	}
	x.crashes = append(x.crashes, c)
	now := time.Now()
	for i := range items {
		if late := items[i].late(now); late != nil {
			x.end(&items[i], queue.Reply{Err: late})
		}
	}
}

// watch warns of an execution that goes on when its own time, or that of one of its
// calls, has been over for a while, where nothing can stop it. The function that it
// returns ends that.
func (x *execution) watch(ctx context.Context, items []item) (stop func()) {
	if x.method.stoppable {
		return func() {}
	}
	first, _ := deadlines(items)
	began, id := time.Now(), items[0].delivery.ID
	if most := x.method.options.MaxExecution; most > 0 && began.Add(most).Before(first) {
		first = began.Add(most)
	}
	told := make(chan struct{})
	timer := time.AfterFunc(time.Until(first)+leastPatience, func() {
		defer close(told)
		x.method.log.WarnContext(ctx, "an execution goes on though its time is over, and cannot be stopped: isolation: process would make that possible",
			"method", x.method.Name, "calls", len(items), "first", id, "after", time.Since(began))
	})
	return func() {
		if !timer.Stop() {
			<-told
		}
	}
}

// deadlines are the first and the last of the calls'.
func deadlines(items []item) (first, last time.Time) {
	first, last = items[0].deadline, items[0].deadline
	for i := range items[1:] {
		d := items[i+1].deadline
		if d.Before(first) {
			first = d
		}
		if d.After(last) {
			last = d
		}
	}
	return first, last
}

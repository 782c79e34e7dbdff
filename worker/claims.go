package worker

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/runnables"
)

// fate is what became of a call in hand.
type fate int

const (
	held     fate = iota // it is ours to execute
	canceled             // nobody wants it any more
	lost                 // others execute it, or may do so by now
)

// errUnwanted is why an execution is stopped of which each call is canceled or
// lost. It is no failure of the runner.
var errUnwanted = fmt.Errorf("%w: all calls of the batch are canceled or lost", runnables.ErrUnwanted)

// claims are the loads that an instance has yet to execute, or executes, and
// those of their calls that are not its own to execute any more. The puller adds
// loads, the executor asks and drops them, and the renewer says what it learns
// from the queue.
type claims struct {
	log *slog.Logger

	// patience is how long a load is held without a renewal, until its calls are
	// taken for lost.
	patience time.Duration

	// mu guards what follows.
	mu    sync.Mutex
	round int // counts renewals
	loads []*load
	gone  map[*queue.Delivery]fate // of calls of loads; none is held

	// running are the calls that are being executed, and stop stops that; nil if
	// there are none.
	running []item
	stop    context.CancelCauseFunc

	// alarm is set, if there are loads, to when the first of them might have been
	// held for too long.
	alarm *time.Timer
}

// newClaims makes the claims of an instance whose leases last so long.
func newClaims(lease time.Duration, log *slog.Logger) *claims {
	return &claims{log: log, patience: lease * 4 / 5, gone: map[*queue.Delivery]fate{}}
}

// hold adds a load that was cut just now.
func (c *claims) hold(l *load) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l.round, l.fresh = c.round, l.asked
	c.loads = append(c.loads, l)
	if c.alarm == nil {
		c.alarm = time.AfterFunc(time.Until(l.fresh.Add(c.patience)), c.mindSilence)
	}
}

// drop removes a load whose calls have ended here, or are given back.
func (c *claims) drop(l *load) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.loads = slices.DeleteFunc(c.loads, func(other *load) bool { return other == l })
	if len(c.gone) > 0 {
		for i := range l.deliveries {
			delete(c.gone, &l.deliveries[i])
		}
	}
}

// close ends what hold has begun.
func (c *claims) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.alarm != nil {
		c.alarm.Stop()
	}
}

// fates tells what became of each of the calls, or nil if all are held.
func (c *claims) fates(items []item) []fate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.gone) == 0 {
		return nil
	}
	fs := make([]fate, len(items))
	for i := range items {
		fs[i] = c.gone[items[i].delivery]
	}
	return fs
}

// begin says that the calls are being executed until end. stop is called with
// errUnwanted when none of them is held any more.
func (c *claims) begin(items []item, stop context.CancelCauseFunc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running, c.stop = items, stop
	c.stopUnwanted()
}

func (c *claims) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running, c.stop = nil, nil
}

// stopUnwanted stops the execution if none of its calls is held. The lock is
// held.
func (c *claims) stopUnwanted() {
	for i := range c.running {
		if c.gone[c.running[i].delivery] == held {
			return
		}
	}
	if c.stop != nil {
		c.stop(errUnwanted)
	}
}

// ask begins a renewal. What is held from now on is not affected by its answer.
func (c *claims) ask() (round int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.round++
	return c.round
}

// settle takes the answer to a renewal that was asked for at that time. After an
// error it says only part of the truth.
func (c *claims) settle(round int, asked time.Time, answer queue.Renewal, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var fates map[string]fate
	if len(answer.Lost)+len(answer.Canceled) > 0 {
		fates = map[string]fate{}
		for _, id := range answer.Canceled {
			fates[id] = canceled
		}
		for _, id := range answer.Lost {
			fates[id] = lost
		}
	}
	for _, l := range c.loads {
		if l.round >= round {
			continue
		}
		if err == nil {
			l.fresh = asked
		}
		for i := 0; fates != nil && i < len(l.deliveries); i++ {
			if f := fates[l.deliveries[i].ID]; f != held {
				c.gone[&l.deliveries[i]] = f
			}
		}
	}
	c.stopUnwanted()
}

// mindSilence takes the calls for lost whose leases were not renewed for too
// long: others may execute them by now.
func (c *claims) mindSilence() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.alarm = nil
	now, given := time.Now(), 0
	var next time.Time
	for _, l := range c.loads {
		due := l.fresh.Add(c.patience)
		if now.Before(due) {
			if next.IsZero() || due.Before(next) {
				next = due
			}
			continue
		}
		given += c.abandon(l)
	}
	if given > 0 {
		c.log.Warn("leases could not be renewed in time: other workers may run the calls", "calls", given)
	}
	c.stopUnwanted()
	if !next.IsZero() {
		c.alarm = time.AfterFunc(next.Sub(now), c.mindSilence)
	}
}

// abandon takes all calls of a load for lost, and returns how many of them were
// held until now. The lock is held.
func (c *claims) abandon(l *load) (given int) {
	for i := range l.deliveries {
		if d := &l.deliveries[i]; c.gone[d] == held {
			c.gone[d] = lost
			given++
		}
	}
	return given
}

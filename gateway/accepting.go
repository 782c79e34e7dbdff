package gateway

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// acceptFloor is how many calls may always wait to be accepted.
	acceptFloor = 64

	// acceptTarget is how long that may take. It is far more than a Redis that
	// keeps up needs, wherever on the continent it is.
	acceptTarget = 100 * time.Millisecond

	// acceptWindow is how long the limiter looks before it acts.
	acceptWindow = 100 * time.Millisecond

	// acceptRest is how long nothing must have happened for what was learnt to be
	// out of date.
	acceptRest = time.Second
)

// limiter bounds how many calls of a gateway wait to be accepted, so that a way
// to Redis that does not keep up refuses at once instead of slowly. It looks at
// the shortest time to acceptance in a window, as CoDel does (RFC 8289): while
// even that is beyond the target a queue stands, and the limit shrinks; else it
// grows. Waiting in the runner's queue is not its concern. It has no clock; its
// owner guards it.
type limiter struct {
	floor, ceiling int

	// limit is how many calls may wait, pending how many do.
	limit, pending int

	// began is when the window did, least the shortest time in it, of samples
	// many, and peak the most calls that waited.
	began   time.Time
	least   time.Duration
	samples int
	peak    int
	// last is when a call came or was accepted last.
	last time.Time
}

func newLimiter(ceiling int) limiter {
	return limiter{floor: min(acceptFloor, ceiling), ceiling: ceiling, limit: ceiling}
}

// enter lets a call in, or says no.
func (l *limiter) enter(now time.Time) bool {
	if l.pending == 0 && now.Sub(l.last) >= acceptRest {
		l.limit, l.samples = l.ceiling, 0
	}
	l.last = now
	if l.pending >= l.limit {
		return false
	}
	l.pending++
	l.peak = max(l.peak, l.pending)
	return true
}

// leave notes that a call was answered after so long, or, if it was not heard,
// that it is no longer waited for.
func (l *limiter) leave(now time.Time, took time.Duration, heard bool) {
	l.last = now
	l.pending--
	if !heard && took < acceptTarget {
		return // it says nothing about Redis
	}
	if l.samples == 0 {
		l.began, l.least = now, took
	}
	l.least = min(l.least, took)
	l.samples++
	if now.Sub(l.began) < acceptWindow {
		return
	}
	switch {
	case l.least <= acceptTarget:
		l.limit = min(l.limit+l.limit/8+1, l.ceiling)
	case l.peak > l.floor:
		l.limit = max(min(l.limit, l.peak)*4/5, l.floor)
	}
	l.samples, l.peak = 0, l.pending
}

// accepting is the limiter of a gateway. It is safe for concurrent use.
type accepting struct {
	mu      sync.Mutex
	limiter limiter // guarded by mu
}

func newAccepting(ceiling int) *accepting { return &accepting{limiter: newLimiter(ceiling)} }

// enter lets a call in, or returns nil.
func (a *accepting) enter() *permit {
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.limiter.enter(now) {
		return nil
	}
	return &permit{from: a, since: now}
}

// state is the limit and how many calls wait.
func (a *accepting) state() (limit, pending int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.limiter.limit, a.limiter.pending
}

// register makes gauges of the limit and of how many calls wait.
func (a *accepting) register(registry prometheus.Registerer) error {
	return errors.Join(
		registry.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "ekiben_accepting_limit", Help: "Calls that may wait for Redis to accept them; it shrinks while Redis does not keep up.",
		}, func() float64 {
			limit, _ := a.state()
			return float64(limit)
		})),
		registry.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "ekiben_accepting_calls", Help: "Calls that wait for Redis to accept them.",
		}, func() float64 {
			_, pending := a.state()
			return float64(pending)
		})),
	)
}

// permit is one call that waits to be accepted. It is given back once.
type permit struct {
	from  *accepting
	since time.Time
	back  atomic.Bool
}

// answered gives it back: Redis has answered, whatever it said.
func (p *permit) answered() { p.end(true) }

// over gives it back if Redis has not answered.
func (p *permit) over() { p.end(false) }

func (p *permit) end(heard bool) {
	if p.back.Swap(true) {
		return
	}
	now := time.Now()
	p.from.mu.Lock()
	defer p.from.mu.Unlock()
	p.from.limiter.leave(now, now.Sub(p.since), heard)
}

package gateway

import (
	"net/http"
	"time"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/runnables"
)

// What tests see of how callers are told apart and load is limited.

// CallerOf is whose request it is.
func CallerOf(c Config, r *http.Request) string {
	callers, err := newCallers(c)
	if err != nil {
		panic(err)
	}
	return callers.of(r)
}

// Buckets are buckets.
type Buckets struct{ *buckets }

// NewBuckets makes at most so many.
func NewBuckets(perSecond float64, burst, most int) Buckets {
	b := newBuckets(perSecond, burst)
	b.most = most
	return Buckets{b}
}

// Take is take.
func (b Buckets) Take(now time.Time, caller string) time.Duration { return b.take(now, caller) }

// Len is how many callers are remembered.
func (b Buckets) Len() int { return b.recent.Len() }

// RowTime is the time per row that calls of a runner are let in by whose largest
// batch has so many rows, and the wait of a call with so many calls before it.
func RowTime(batch, ahead int, samples []queue.Stats, workers []queue.Heartbeat) (perRow, wait time.Duration, known bool) {
	spec := runnables.Spec{Methods: []runnables.MethodSpec{{}, {MaxBatchSize: batch}}}
	e := estimateOf(&spec, samples, workers)
	wait, known = e.wait(ahead)
	return e.admitted, wait, known
}

// Limiter is the limiter of acceptance.
type Limiter struct{ limiter }

// NewLimiter begins at its ceiling.
func NewLimiter(ceiling int) *Limiter { return &Limiter{newLimiter(ceiling)} }

// Enter lets a call in, or says no.
func (l *Limiter) Enter(now time.Time) bool { return l.enter(now) }

// Leave notes what became of it.
func (l *Limiter) Leave(now time.Time, took time.Duration, heard bool) { l.leave(now, took, heard) }

// Limit is how many may wait, Pending how many do.
func (l *Limiter) Limit() int   { return l.limit }
func (l *Limiter) Pending() int { return l.pending }

// Accepting is the limiter of a gateway.
type Accepting struct{ *accepting }

// NewAccepting begins at its ceiling.
func NewAccepting(ceiling int) Accepting { return Accepting{newAccepting(ceiling)} }

// One lets a call in and has it answered.
func (a Accepting) One() {
	p := a.enter()
	answered := p.answered
	answered()
	p.over()
}

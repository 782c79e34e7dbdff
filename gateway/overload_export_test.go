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

// RowTime is the time per row that is expected of a runner whose largest batch
// has so many rows, and the wait of a call with so many calls before it.
func RowTime(batch, ahead int, samples []queue.Stats, workers []queue.Heartbeat) (perRow, wait time.Duration, known bool) {
	spec := runnables.Spec{Methods: []runnables.MethodSpec{{}, {MaxBatchSize: batch}}}
	e := estimateOf(&spec, samples, workers)
	wait, known = e.wait(ahead)
	return e.rowTime, wait, known
}

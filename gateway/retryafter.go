package gateway

import (
	"math"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// Bounds of Retry-After.
const (
	minRetryAfter = 1 * time.Second
	maxRetryAfter = 60 * time.Second

	// unknownRetryAfter is for a full queue of which the rate is not known.
	unknownRetryAfter = 5 * time.Second
	// stuckRetryAfter is for a full queue that nobody drains.
	stuckRetryAfter = 30 * time.Second
	// briefRetryAfter is for what usually passes quickly.
	briefRetryAfter = 2 * time.Second
)

// drainWindow is the time constant that the drain rate is smoothed with.
const drainWindow = 5 * time.Second

// drain learns how many calls a second a runner finishes while it has calls to
// finish, from stats in order of time. Times are those of Redis's clock. It is
// a value without clock; its owner guards it.
type drain struct {
	last  queue.Stats
	seen  bool
	rate  float64
	known bool
}

// observe takes the next stats. Intervals that ended with an empty queue do not
// count: they tell the rate of arrival, not that of draining. Counters that
// went back, as they do when Redis is flushed, start over.
func (d *drain) observe(s queue.Stats) {
	last, seen := d.last, d.seen
	if seen && s.At <= last.At {
		return
	}
	d.last, d.seen = s, true
	ended := endedCalls(s) - endedCalls(last)
	if !seen || ended < 0 || last.Depth == 0 || s.Depth == 0 {
		return
	}
	seconds := (s.At - last.At).Seconds()
	rate := float64(ended) / seconds
	if !d.known {
		d.rate, d.known = rate, true
		return
	}
	weight := 1 - math.Exp(-seconds/drainWindow.Seconds())
	d.rate += weight * (rate - d.rate)
}

// endedCalls counts what left the queue for good.
func endedCalls(s queue.Stats) int64 { return s.Finished + s.Expired + s.Canceled + s.Buried }

// retryAfter is when a client that met a full queue should come back: when half
// of the backlog will be gone. chance, in [0,1), spreads clients by ±20 %, so
// that they do not come back together. The result is whole seconds, 1 to 60.
func (d *drain) retryAfter(chance float64) time.Duration {
	wait := unknownRetryAfter
	switch {
	case d.seen && d.last.Workers == 0:
		wait = stuckRetryAfter
	case d.known && d.rate > 0:
		seconds := float64(d.last.Depth) / 2 / d.rate
		wait = time.Duration(min(seconds, maxRetryAfter.Seconds()) * float64(time.Second))
	case d.known:
		wait = stuckRetryAfter
	}
	return spread(wait, chance)
}

// spread moves wait by up to a fifth, down or up, as chance in [0,1) says, and
// rounds it up to seconds within the bounds.
func spread(wait time.Duration, chance float64) time.Duration {
	wait = min(wait, 2*maxRetryAfter) // far beyond it would not fit
	seconds := math.Ceil(wait.Seconds() * (0.8 + 0.4*chance))
	return min(max(time.Duration(seconds)*time.Second, minRetryAfter), maxRetryAfter)
}

package worker

import (
	"context"
	"math/rand/v2"
	"time"
)

// Bounds of the pause between two tries.
const (
	minPause = 50 * time.Millisecond
	maxPause = 2 * time.Second
)

// backoff is how long to pause between tries that fail: twice as long each
// time, with jitter so that the workers of an outage do not return in step. The
// zero backoff is ready to use.
type backoff struct{ pause time.Duration }

// next is how long to pause now, between minPause and maxPause.
func (b *backoff) next() time.Duration {
	b.pause = min(max(2*b.pause, minPause), maxPause)
	return max(minPause, b.pause/2+rand.N(b.pause/2+1))
}

// reset starts over, after a success.
func (b *backoff) reset() { b.pause = 0 }

// jitter is d, give or take a fifth.
func jitter(d time.Duration) time.Duration { return d - d/5 + rand.N(2*(d/5)+1) }

// sleep pauses for d and reports whether ctx is still not done.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

package gateway

import (
	lru "container/list"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxBuckets is how many callers are remembered. Beyond it those that were heard
// of least recently are forgotten, and begin anew with a full bucket.
const maxBuckets = 100_000

// buckets is a token bucket for every caller. Buckets that are full again are
// forgotten: they are like new ones. It is safe for concurrent use.
type buckets struct {
	rate  rate.Limit
	burst int
	most  int
	// fill is how long an empty bucket takes to be full.
	fill time.Duration

	mu sync.Mutex
	// of finds buckets by their callers, recent has them in order of their last
	// use, the latest first. Both are guarded by mu.
	of     map[string]*lru.Element
	recent *lru.List
}

// bucket is that of one caller.
type bucket struct {
	caller string
	tokens *rate.Limiter
	used   time.Time
}

func newBuckets(perSecond float64, burst int) *buckets {
	return &buckets{
		rate: rate.Limit(perSecond), burst: burst, most: maxBuckets,
		fill: time.Duration(min(float64(burst)/perSecond, longestTimeout.Seconds()) * float64(time.Second)),
		of:   map[string]*lru.Element{}, recent: lru.New(),
	}
}

// take takes a token of the caller and returns 0. If there is none it takes
// nothing, and returns when there will be.
func (b *buckets) take(now time.Time, caller string) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	element, known := b.of[caller]
	if known {
		b.recent.MoveToFront(element)
	} else {
		element = b.recent.PushFront(&bucket{caller: caller, tokens: rate.NewLimiter(b.rate, b.burst)})
		b.of[caller] = element
		b.forget(now)
	}
	mine := element.Value.(*bucket) //nolint:forcetypeassert // the list has nothing else
	mine.used = now
	reservation := mine.tokens.ReserveN(now, 1)
	wait := reservation.DelayFrom(now)
	if wait > 0 {
		reservation.CancelAt(now)
	}
	return wait
}

// forget drops the buckets that are full, up to two, so that there are ever fewer
// of them, and the oldest if there are too many.
func (b *buckets) forget(now time.Time) {
	for range 2 {
		oldest := b.recent.Back()
		last := oldest.Value.(*bucket) //nolint:forcetypeassert // the list has nothing else
		if oldest == b.recent.Front() || (now.Sub(last.used) < b.fill && b.recent.Len() <= b.most) {
			return
		}
		delete(b.of, last.caller)
		b.recent.Remove(oldest)
	}
}

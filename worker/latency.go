package worker

import (
	"sort"
	"sync"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// The last minute is kept as slots, of which the oldest is dropped every ten
// seconds.
const (
	latencySlots = 6
	latencySlot  = 10 * time.Second
)

// latency counts how long calls took from acceptance to end, for about the last
// minute. It is safe for concurrent use.
type latency struct {
	start  time.Time
	bounds [queue.LatencyBuckets - 1]time.Duration // never change

	// mu guards what follows.
	mu    sync.Mutex
	slots [latencySlots]struct {
		epoch  int64
		counts [queue.LatencyBuckets]int64
	}
}

func newLatency(now time.Time) *latency {
	l := &latency{start: now}
	for i := range l.bounds {
		l.bounds[i] = queue.LatencyBound(i)
	}
	return l
}

// add counts calls that ended now. total is how long the i-th of n took.
func (l *latency) add(now time.Time, n int, total func(i int) time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	epoch := int64(now.Sub(l.start) / latencySlot)
	slot := &l.slots[epoch%latencySlots]
	if slot.epoch != epoch {
		slot.epoch = epoch
		clear(slot.counts[:])
	}
	for i := range n {
		d := total(i)
		slot.counts[sort.Search(len(l.bounds), func(b int) bool { return d <= l.bounds[b] })]++
	}
}

// counts are those of about the last minute, by [queue.LatencyBound]; nil if
// there are none.
func (l *latency) counts(now time.Time) []int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	oldest := int64(now.Sub(l.start)/latencySlot) - latencySlots + 1
	counts, some := make([]int64, queue.LatencyBuckets), false
	for s := range l.slots {
		if l.slots[s].epoch < oldest {
			continue
		}
		for i, n := range l.slots[s].counts {
			counts[i] += n
			some = some || n > 0
		}
	}
	if !some {
		return nil
	}
	return counts
}

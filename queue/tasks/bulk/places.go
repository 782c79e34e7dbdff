package bulk

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// places are the batches that run in a process, and the order of those that wait
// for it. One that comes no further, because its runner is paused, say, gives its
// place to one that waits, and waits behind the others. It knows no clock.
type places struct {
	// most is how many batches run at a time, patience how long one may come no
	// further while others wait.
	most     int
	patience time.Duration

	// mu guards the rest: those that run, and since when the others have waited,
	// counted in batches that came before.
	mu      sync.Mutex
	running map[string]*place
	waiting map[string]int
	came    int
}

func newPlaces(c *Config) *places {
	return &places{most: c.Concurrency, patience: c.Patience, running: map[string]*place{}, waiting: map[string]int{}}
}

// place is that of a batch that runs. Its run moves it, and is told to leave.
type place struct {
	moved  atomic.Int64 // when, in ns since 1970
	leaves atomic.Bool
}

// move notes that the batch has come further.
func (p *place) move(now time.Time) { p.moved.Store(now.UnixNano()) }

// line puts batches that do not run in order: the one that has waited for the
// longest first. open are all that have not ended, the oldest first.
func (p *places) line(open []string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	since := make(map[string]int, len(open))
	var ids []string
	for _, id := range open {
		if p.running[id] != nil {
			continue
		}
		n, known := p.waiting[id]
		if !known {
			p.came++
			n = p.came
		}
		since[id], ids = n, append(ids, id)
	}
	p.waiting = since
	slices.SortStableFunc(ids, func(a, b string) int { return since[a] - since[b] })
	return ids
}

// room reports whether one more batch can be taken now.
func (p *places) room(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	stuck, staying := p.stuck(now)
	return len(p.running) < 2*p.most && (staying < p.most || stuck != nil)
}

// take gives a batch a place, of one that is stuck if there is no other.
func (p *places) take(now time.Time, id string) *place {
	p.mu.Lock()
	defer p.mu.Unlock()
	if stuck, staying := p.stuck(now); staying >= p.most && stuck != nil {
		stuck.leaves.Store(true)
	}
	taken := &place{}
	taken.move(now)
	p.running[id] = taken
	delete(p.waiting, id)
	return taken
}

// stuck is the batch that has come no further for the longest, if that is too long,
// and how many are not about to leave. mu is held.
func (p *places) stuck(now time.Time) (stuck *place, staying int) {
	last := now.Add(-p.patience).UnixNano()
	for _, at := range p.running {
		if at.leaves.Load() {
			continue
		}
		staying++
		if moved := at.moved.Load(); moved <= last {
			stuck, last = at, moved
		}
	}
	return stuck, staying
}

// leave frees the place of a batch.
func (p *places) leave(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.running, id)
}

package batching

import (
	"math"
	"time"
)

const (
	// paceMemory is the time after which what was seen of the arrivals counts 1/e.
	paceMemory = 2 * time.Second

	// sizeMemory is what the mean size of calls keeps of itself when calls are seen.
	sizeMemory = 0.8
)

// pace learns how fast rows arrive and how many come in a call. It sees the queue only when its instance asks, so it
// compares the queue's counter with the queue's clock: what other instances took is counted too.
type pace struct {
	seen    bool
	now     time.Duration
	arrived int64

	rows float64 // that arrived, decayed by age
	span float64 // nanoseconds in which they did, decayed alike
	size float64 // mean rows of a call, 0 while unknown
}

// observe takes facts in. A clock that stood still or went back, or a counter that restarted, teaches nothing: the
// next facts are compared with these.
func (p *pace) observe(f Facts) {
	if f.Calls > 0 {
		size := float64(max(f.Rows, f.Calls)) / float64(f.Calls)
		if p.size == 0 {
			p.size = size
		}
		p.size = sizeMemory*p.size + (1-sizeMemory)*size
	}
	rows, span, known := f.Arrived-p.arrived, f.Now-p.now, p.seen
	p.seen, p.now, p.arrived = true, f.Now, f.Arrived
	if !known || rows < 0 || span <= 0 {
		return
	}
	keep := math.Exp(-float64(span) / float64(paceMemory))
	p.rows = keep*p.rows + float64(rows)
	p.span = keep*p.span + float64(span)
}

// gap is the mean time between calls in nanoseconds, infinite while unknown.
func (p *pace) gap() float64 {
	if p.rows <= 0 {
		return math.Inf(1)
	}
	return p.span / p.rows * p.callSize()
}

// callSize is the mean number of rows of a call, 1 while unknown.
func (p *pace) callSize() float64 { return max(p.size, 1) }

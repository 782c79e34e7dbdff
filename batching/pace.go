package batching

import (
	"math"
	"time"
)

// paceMemory is the time after which an observation of the arrival rate counts 1/e.
const paceMemory = 2 * time.Second

// pace learns how fast rows arrive, from the queue's clock and its counter.
type pace struct {
	seen    bool
	now     time.Duration
	arrived int64

	rows float64 // decayed
	span float64 // nanoseconds, decayed alike
}

func (p *pace) observe(f Facts) {
	rows, span := f.Arrived-p.arrived, f.Now-p.now
	known := p.seen
	p.seen, p.now, p.arrived = true, f.Now, f.Arrived
	if !known || rows < 0 || span <= 0 {
		return
	}
	keep := math.Exp(-float64(span) / float64(paceMemory))
	p.rows = keep*p.rows + float64(rows)
	p.span = keep*p.span + float64(span)
}

// gap is the mean time between rows in nanoseconds, infinite while unknown.
func (p *pace) gap() float64 {
	if p.rows <= 0 {
		return math.Inf(1)
	}
	return p.span / p.rows
}

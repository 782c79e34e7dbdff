package batching

import (
	"math"
	"time"
)

const (
	// roundTrip is about what one question to the queue costs.
	roundTrip = 60 * time.Microsecond

	// little is the part of a saving that may be spent on finding out whether there is one to be made.
	little = 20

	// longestLinger bounds the time that a lone call is given to find company.
	longestLinger = 2 * time.Millisecond
)

// worthwhile reports whether saving the fixed cost of a batch is worth asking twice.
func (f *Former) worthwhile() bool {
	cost, known := f.costs.cost()
	return known && cost.Fixed >= little*roundTrip
}

// enough is the smallest number of rows for which waiting for one more call does not pay when calls are gap
// nanoseconds apart: the n that solves (n + r)·gap = r·Fixed, r being the rows of a call.
func (f *Former) enough(gap float64) int {
	if !f.worthwhile() || math.IsInf(gap, 1) {
		return 1
	}
	cost, _ := f.costs.cost()
	rows := math.Ceil(f.pace.callSize() * (float64(cost.Fixed)/max(gap, 1) - 1))
	return int(max(1, min(rows, float64(f.limits.Rows))))
}

// company is the adaptive rule: for how many rows to wait, and how long until the next look at the facts. A wait of 0
// means that waiting does not pay.
//
// Let n rows wait at a free instance, let the next call have r rows and come after a time g, and let a batch take
// a·rows + b. If the n go now, the next call needs a batch of its own and pays b again, as all behind it do. If they
// wait, n rows wait g longer, and the r rows that come g after them start later by that much as well; but their b is
// saved. Waiting pays if and only if
//
//	(n + r)·g < r·b
//
// (a does not matter: every row's a has to be worked off either way.) If it does not pay to wait for one call it does
// not pay to wait for several: k of them cost (n + k·r)·k·g for k·r·b. As long as nothing comes, the time since the
// newest arrival is the best guess at g, once it exceeds the estimate; so waiting ends at the latest after a silence
// of r·b / (n + r).
func (f *Former) company(facts Facts) (enough int, wait time.Duration) {
	if !f.worthwhile() {
		return 1, 0
	}
	cost, _ := f.costs.cost()
	size := f.pace.callSize()
	silence := time.Duration(size * float64(cost.Fixed) / (float64(facts.Rows) + size))
	linger := min(cost.Fixed/little, longestLinger)

	gap, usual := f.pace.gap(), true
	if facts.Calls > 1 {
		if within := float64(facts.Oldest-facts.Newest) / float64(facts.Calls-1); within < gap {
			usual = gap < float64(silence)
			gap = within
		}
	}
	switch {
	case gap < float64(silence):
		if !usual && !f.hope.worth(facts) {
			return 1, 0
		}
		if facts.Newest >= silence {
			return 1, 0
		}
		enough = f.enough(gap)
		fill := time.Duration(float64(enough-facts.Rows) / size * gap)
		return enough, max(min(silence-facts.Newest, fill), linger, 4*roundTrip)
	case facts.Calls == 1 && facts.Newest < linger && f.hope.worth(facts):
		return f.limits.Rows, linger - facts.Newest
	default:
		return 1, 0
	}
}

const (
	// courage is after how many waits in vain hope is lost, and retry how many chances then pass for one that is taken.
	courage = 4
	retry   = 8
)

// hope remembers whether waiting for company without statistics to support it has brought any. It is what makes a
// single client that sends one call after the other pay nothing for the bursts of others.
type hope struct {
	waiting bool
	arrived int64 // the queue's counter when the wait began
	vain    int   // waits in a row without company
	passed  int   // chances let pass since hope was lost
}

// worth reports whether to wait in hope, and notes that it is done.
func (h *hope) worth(facts Facts) bool {
	if h.waiting {
		return true
	}
	if h.vain >= courage {
		h.passed++
		if h.passed < retry {
			return false
		}
		h.passed = 0
	}
	h.waiting, h.arrived = true, facts.Arrived
	return true
}

// settle ends a wait in hope and learns whether anything came.
func (h *hope) settle(facts Facts) {
	if !h.waiting {
		return
	}
	h.waiting = false
	if facts.Arrived != h.arrived {
		h.vain = 0
		return
	}
	h.vain++
}

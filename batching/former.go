package batching

import (
	"math"
	"time"
)

// roundTrip is about what one question to the queue costs.
const roundTrip = 60 * time.Microsecond

// worthAsking is the fixed cost of a batch below which saving one is not worth a second question.
const worthAsking = 20 * roundTrip

// Former decides for one instance of a runnable. It belongs to one goroutine. The zero Former is not usable; call
// [NewFormer].
type Former struct {
	limits Limits
	policy Policy
	costs  costs
	pace   pace

	// why is the reason of a batch that goes because its oldest call has reached the age asked for.
	why Reason
}

// NewFormer returns a Former that has learnt nothing yet. The error wraps [ErrLimits] and names every fault.
func NewFormer(limits Limits, policy Policy) (*Former, error) {
	if err := limits.validate(policy); err != nil {
		return nil, err
	}
	if limits.Wait == 0 {
		policy = None
	}
	return &Former{limits: limits, policy: policy}, nil
}

// Ask is the first question of an instance that has become free.
func (f *Former) Ask() Ask {
	f.why = Wait
	switch {
	case f.policy == None:
		f.why = Idle
		return Ask{Rows: f.limits.Rows, Enough: 1}
	case f.policy == Fixed:
		return f.upTo(f.limits.Rows)
	default:
		return f.upTo(f.enough(f.pace.gap()))
	}
}

// Decide says what a free instance does when the queue answered facts instead of a batch.
func (f *Former) Decide(facts Facts) Decision {
	f.pace.observe(facts)
	f.why = Wait
	if facts.Calls == 0 {
		return Decision{Wait: MaxIdle, Ask: f.peek()}
	}
	bound := f.limits.Wait - facts.Oldest
	if slack, known := f.slack(facts); known && slack < bound {
		bound, f.why = slack, Deadline
	}
	enough, wait := f.limits.Rows, bound
	if f.policy == Adaptive {
		enough, wait = f.patience(facts)
	}
	if f.policy == None || facts.Rows >= enough || wait <= 0 && bound > 0 {
		f.why = Idle
		return Decision{Ask: Ask{Rows: f.limits.Rows, Enough: max(1, min(facts.Rows, f.limits.Rows)), Age: facts.Oldest}}
	}
	if bound <= 0 {
		return Decision{Ask: Ask{Rows: f.limits.Rows, Enough: f.limits.Rows, Age: facts.Oldest}}
	}
	return Decision{
		Wait: min(wait, bound, MaxIdle),
		Ask:  Ask{Rows: f.limits.Rows, Enough: enough, Age: facts.Oldest + bound},
	}
}

// Took says why a batch went, and learns how fast rows arrive.
func (f *Former) Took(c Cut) Reason {
	f.pace.observe(c.Facts)
	switch {
	case c.Rows >= c.Asked.Rows, c.More && c.Facts.Rows > c.Asked.Rows:
		return Full
	case c.More:
		return Shape
	case c.Facts.Rows >= c.Asked.Enough:
		return Idle
	default:
		return f.why
	}
}

// Executed tells that a batch of so many rows took d. The cost model learns from it.
func (f *Former) Executed(rows int, d time.Duration) {
	if rows > 0 && d > 0 {
		f.costs.add(rows, d)
	}
}

// Cost is what batches are expected to take. It reports false until one has been executed.
func (f *Former) Cost() (Cost, bool) { return f.costs.cost() }

// upTo asks for a batch as soon as enough rows wait or the oldest call has waited its time.
func (f *Former) upTo(enough int) Ask {
	return Ask{Rows: f.limits.Rows, Enough: enough, Age: f.limits.Wait}
}

// peek is the question after an idle time.
func (f *Former) peek() Ask {
	cost, known := f.costs.cost()
	switch {
	case f.policy == None:
		f.why = Idle
		return Ask{Rows: f.limits.Rows, Enough: 1}
	case f.policy == Adaptive && (!known || cost.Fixed < worthAsking):
		return f.upTo(1)
	default:
		return f.upTo(f.limits.Rows)
	}
}

// slack is how long the waiting calls can still wait and meet the nearest deadline.
func (f *Former) slack(facts Facts) (time.Duration, bool) {
	if facts.Left == 0 {
		return 0, false
	}
	cost, known := f.costs.cost()
	if !known {
		return facts.Left / 2, true
	}
	expected := cost.Of(min(max(facts.Rows, 1), f.limits.Rows))
	return facts.Left - expected - expected/4 - time.Millisecond, true
}

// enough is the smallest number of rows for which waiting for one more does not pay when rows are gap apart.
func (f *Former) enough(gap float64) int {
	cost, known := f.costs.cost()
	if !known || cost.Fixed < worthAsking || math.IsInf(gap, 1) {
		return 1
	}
	return int(min(max(math.Ceil(float64(cost.Fixed)/gap-1), 1), float64(f.limits.Rows)))
}

// patience is how many rows are enough, and how long to wait for them at most.
func (f *Former) patience(facts Facts) (int, time.Duration) {
	cost, known := f.costs.cost()
	if !known {
		return 1, 0
	}
	gap := f.pace.gap()
	if facts.Calls > 1 {
		gap = min(gap, float64(facts.Oldest-facts.Newest)/float64(max(facts.Rows-1, 1)))
	}
	enough := f.enough(max(gap, float64(facts.Newest), 1))
	return enough, cost.Fixed/time.Duration(facts.Rows+1) - facts.Newest
}

package batching

import "time"

// Former decides for one instance of a runnable. It belongs to one goroutine and allocates nothing. The zero Former is
// not usable; call [NewFormer].
type Former struct {
	limits Limits
	policy Policy
	costs  costs
	pace   pace
	hope   hope

	// why is the reason of a batch that goes because its oldest call has the age asked for.
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

// Ask is the first question of an instance that has become free. Calls have come meanwhile, or have not: what is worth
// taking is computed from the rate alone, so that under load one question is one batch.
func (f *Former) Ask() Ask {
	switch f.policy {
	case None:
		return f.whatever()
	case Fixed:
		return f.upTo(f.limits.Rows)
	default:
		return f.upTo(f.enough(f.pace.gap()))
	}
}

// Decide says what a free instance does when the queue answered facts instead of a batch: ask again at once, or wait
// for the bell and then ask. The wait ends before the oldest call has waited Limits.Wait, and early enough for the
// nearest deadline.
func (f *Former) Decide(facts Facts) Decision {
	f.pace.observe(facts)
	if facts.Calls == 0 {
		f.hope.settle(facts)
		return Decision{Wait: MaxIdle, Ask: f.peek()}
	}
	if f.policy == None {
		return Decision{Ask: f.whatever()}
	}
	facts.Oldest = max(facts.Oldest, 0)
	facts.Newest = max(0, min(facts.Newest, facts.Oldest))
	left, why := f.left(facts)
	if left <= 0 {
		return f.goNow(facts, f.limits.Rows, why)
	}
	enough, wait := f.limits.Rows, left
	if f.policy == Adaptive {
		enough, wait = f.company(facts)
	}
	if facts.Rows >= enough || wait <= 0 {
		return f.goNow(facts, max(1, min(facts.Rows, f.limits.Rows)), Idle)
	}
	f.why = why
	return Decision{
		Wait: min(wait, left, MaxIdle),
		Ask:  Ask{Rows: f.limits.Rows, Enough: enough, Age: facts.Oldest + left},
	}
}

// Took says why a batch went, and learns from what had been waiting.
func (f *Former) Took(c Cut) Reason {
	f.pace.observe(c.Facts)
	f.hope.settle(c.Facts)
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

// Executed tells that a batch of so many rows took d. The cost model learns from it; numbers that cannot be are
// ignored.
func (f *Former) Executed(rows int, d time.Duration) { f.costs.add(rows, d) }

// Cost is what batches are expected to take. It reports false until one has been executed.
func (f *Former) Cost() (Cost, bool) { return f.costs.cost() }

// goNow asks at once for what the facts showed. If another instance was faster, what is left is neither that much nor
// that old, and the queue answers facts again.
func (f *Former) goNow(facts Facts, enough int, why Reason) Decision {
	f.why = why
	return Decision{Ask: Ask{Rows: f.limits.Rows, Enough: enough, Age: facts.Oldest}}
}

// whatever asks for what waits, be it little or much.
func (f *Former) whatever() Ask {
	f.why = Idle
	return Ask{Rows: f.limits.Rows, Enough: 1}
}

// upTo asks for a batch as soon as enough rows wait or the oldest call has waited its time.
func (f *Former) upTo(enough int) Ask {
	f.why = Wait
	return Ask{Rows: f.limits.Rows, Enough: enough, Age: f.limits.Wait}
}

// peek is the question after an idle time. Where batching is worth a question it asks for a full batch, to see the
// facts: of several idle instances that a burst wakes, each looks before it takes.
func (f *Former) peek() Ask {
	switch {
	case f.policy == None:
		return f.whatever()
	case f.policy == Adaptive && !f.worthwhile():
		return f.upTo(1)
	default:
		return f.upTo(f.limits.Rows)
	}
}

// left is how long the waiting calls may still wait for company, and what ends it.
//
// A deadline is for the start of execution, but a reply that comes after it is worth little. So what is left of it must
// hold the wait w, and a quarter more than what the batch is expected to take then, with the rows that come meanwhile:
// Left ≥ w + 5/4·(a·(n + rate·w) + b). Without a cost model half of it is kept.
func (f *Former) left(facts Facts) (time.Duration, Reason) {
	left := f.limits.Wait - facts.Oldest
	if facts.Left == 0 {
		return left, Wait
	}
	slack := facts.Left / 2
	if cost, known := f.costs.cost(); known {
		expected := cost.Of(max(1, min(facts.Rows, f.limits.Rows)))
		growth := float64(cost.PerRow) * f.pace.callSize() / f.pace.gap()
		slack = time.Duration(float64(facts.Left-expected-expected/4-time.Millisecond) / (1 + 1.25*growth))
	}
	if slack < left {
		return slack, Deadline
	}
	return left, Wait
}

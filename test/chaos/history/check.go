package history

import (
	"fmt"
	"time"
)

// Rules are what a run may and may not do.
type Rules struct {
	// Slack is how long after a deadline an execution may be noted: the step from
	// the last look at the clock to the first line of the runnable.
	Slack time.Duration

	// Lease is how long a worker that shows no life keeps its calls; 0 if it is not
	// known.
	Lease time.Duration
}

// Violation is an invariant that does not hold. Call is negative where it is not
// about one.
type Violation struct {
	Invariant string
	Call      int
	What      string
}

// String is one line.
func (v Violation) String() string {
	if v.Call < 0 {
		return fmt.Sprintf("%s: %s", v.Invariant, v.What)
	}
	return fmt.Sprintf("%s: call %d: %s", v.Invariant, v.Call, v.What)
}

// Check says what a run did, and which invariants do not hold. Events must be in
// the order in which they were recorded; those of the probe's log may follow.
func Check(events []Event, final Final, rules Rules) Report {
	calls := fold(events, final)
	k := checker{rules: rules}
	k.look(events)
	for _, c := range calls {
		k.call = c
		k.ends()
		k.isRight()
		k.wasTried()
		k.endsOnce()
		k.isMonotone()
		k.beginsInTime()
		k.staysCanceled()
		k.isGuilty()
		k.isTold()
		k.isToldTruly()
		k.waitsForItsTime()
		k.isTriedAgain()
		k.hasOneOutcome()
		k.isNotRunAgain()
	}
	k.call = nil
	k.idsDiffer(calls)
	k.acceptsAddUp(calls, events, final)
	k.batchesEnd(calls, events)
	k.isAtRest(final)
	return newReport(calls, events, k.violations)
}

// checker looks at one call after the other.
type checker struct {
	rules      Rules
	call       *call
	violations []Violation

	// lived is when processes noted something last, outages are when Redis was
	// killed, and ended which batches have.
	lived   map[int]time.Time
	outages []time.Time
	ended   map[int]bool
}

func (k *checker) violated(invariant, format string, args ...any) {
	number := -1
	if k.call != nil {
		number = k.call.number
	}
	k.violations = append(k.violations, Violation{invariant, number, fmt.Sprintf(format, args...)})
}

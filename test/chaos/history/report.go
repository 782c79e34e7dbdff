package history

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Report is what a run did.
type Report struct {
	Submitted, Accepted, Refused, Unknown int

	// Failed awaited calls are ordinary ones that got no result.
	Failed int

	// Lost calls have no end, Late ones were given up for want of time although
	// they had more than any fault takes.
	Lost, Late, Wrong, Doubled int

	// Poison calls that were given up, and others.
	PoisonDead, InnocentsDead int

	Expired, Canceled int

	// Executions that came to their end, and those beyond the one of a call and
	// those that it is meant to fail in.
	Executions, Duplicates int

	// Repeats are executions that began beyond these, whether they came to their end
	// or not.
	Repeats int

	// Later is about delays and webhooks.
	Later Later

	// Bulk is about batches, whose lines are calls too.
	Bulk Bulk

	// Faults by kind, and how long ordinary calls took that were in flight at one.
	Faults   map[string]int
	Recovery map[string]Spread

	Violations []Violation
}

// Spread sums up durations.
type Spread struct {
	N             int
	P50, P99, Max time.Duration
}

// SpreadOf sums up durations.
func SpreadOf(ds []time.Duration) Spread {
	if len(ds) == 0 {
		return Spread{}
	}
	ds = slices.Sorted(slices.Values(ds))
	at := func(q float64) time.Duration { return ds[min(int(q*float64(len(ds))), len(ds)-1)] }
	return Spread{len(ds), at(0.5), at(0.99), ds[len(ds)-1]}
}

// worst is the worse of two, of all that both are of.
func (s Spread) worst(other Spread) Spread {
	return Spread{s.N + other.N, max(s.P50, other.P50), max(s.P99, other.P99), max(s.Max, other.Max)}
}

func newReport(calls []*call, events []Event, violations []Violation) Report {
	r := Report{Faults: map[string]int{}, Violations: violations}
	for _, v := range violations {
		switch v.Invariant {
		case "I1":
			if v.Call < 0 {
				r.Doubled++
			} else {
				r.Lost++ // or late, see count
			}
		case "I2":
			r.Wrong++
		case "I4":
			r.Doubled++
		}
	}
	for _, c := range calls {
		r.count(c)
	}
	r.Later = newLater(calls)
	r.Bulk = newBulk(calls, events)
	r.Recovery = recovery(calls, events, r.Faults)
	return r
}

func (r *Report) count(c *call) {
	r.Submitted++
	switch {
	case c.refused:
		r.Refused++
	case c.exists():
		r.Accepted++
	case c.unknown:
		r.Unknown++
	}
	if !c.plan.Job && c.plan.ordinary() && !c.succeeded() {
		r.Failed++
	}
	switch {
	case c.plan.Poison && c.code() == CodeWorkerLost:
		r.PoisonDead++
	case c.code() == CodeWorkerLost:
		r.InnocentsDead++
	case c.code() == CodeDeadline:
		r.Expired++
	case c.canceled:
		r.Canceled++
	}
	if c.late() {
		r.Late++
		r.Lost--
	}
	r.Executions += len(c.ends)
	r.Duplicates += max(len(c.ends)-1-c.plan.Fails, 0)
	r.Repeats += max(len(c.began)-1-c.plan.Fails, 0)
}

// recovery is how long calls took that were in flight at a fault, by the kind of
// the first such fault. It counts the faults.
func recovery(calls []*call, events []Event, faults map[string]int) map[string]Spread {
	took := map[string][]time.Duration{}
	ordinary := slices.DeleteFunc(slices.Clone(calls), func(c *call) bool {
		return !c.plan.ordinary() || c.excused || !c.exists() || c.end().IsZero()
	})
	slices.SortFunc(ordinary, func(a, b *call) int { return cmp.Compare(a.start().UnixNano(), b.start().UnixNano()) })
	for _, e := range events {
		if e.Kind != Fault {
			continue
		}
		faults[e.Fault]++
		// The calls that began before the fault go: to it, if they were in flight.
		for len(ordinary) > 0 && !ordinary[0].start().After(e.At) {
			if c := ordinary[0]; c.end().After(e.At) {
				took[e.Fault] = append(took[e.Fault], c.end().Sub(c.start()))
			}
			ordinary = ordinary[1:]
		}
	}
	spreads := map[string]Spread{}
	for fault, ds := range took {
		spreads[fault] = SpreadOf(ds)
	}
	return spreads
}

// Sum is a report of several runs; of recoveries it keeps the worst.
func (r Report) Sum(other Report) Report {
	r.Submitted, r.Accepted = r.Submitted+other.Submitted, r.Accepted+other.Accepted
	r.Refused, r.Unknown, r.Failed = r.Refused+other.Refused, r.Unknown+other.Unknown, r.Failed+other.Failed
	r.Lost, r.Late, r.Wrong, r.Doubled = r.Lost+other.Lost, r.Late+other.Late, r.Wrong+other.Wrong, r.Doubled+other.Doubled
	r.PoisonDead, r.InnocentsDead = r.PoisonDead+other.PoisonDead, r.InnocentsDead+other.InnocentsDead
	r.Expired, r.Canceled = r.Expired+other.Expired, r.Canceled+other.Canceled
	r.Executions, r.Duplicates = r.Executions+other.Executions, r.Duplicates+other.Duplicates
	r.Repeats += other.Repeats
	r.Later = r.Later.sum(other.Later)
	r.Bulk = r.Bulk.sum(other.Bulk)
	r.Violations = append(slices.Clone(r.Violations), other.Violations...)
	faults, spreads := map[string]int{}, map[string]Spread{}
	maps.Copy(faults, r.Faults)
	maps.Copy(spreads, r.Recovery)
	for fault, n := range other.Faults {
		faults[fault] += n
	}
	for fault, s := range other.Recovery {
		spreads[fault] = spreads[fault].worst(s)
	}
	r.Faults, r.Recovery = faults, spreads
	return r
}

// Table is the report for people. Recoveries are given in leases.
func (r Report) Table(lease time.Duration) string {
	var b strings.Builder
	share := 0.0
	if r.Executions > 0 {
		share = 100 * float64(r.Duplicates) / float64(r.Executions)
	}
	fmt.Fprintf(&b, "calls      submitted %d, accepted %d, refused %d, unknown %d, awaited and failed %d\n",
		r.Submitted, r.Accepted, r.Refused, r.Unknown, r.Failed)
	fmt.Fprintf(&b, "outcomes   lost %d, late %d, wrong %d, doubled %d, innocents dead %d, poison dead %d, expired %d, canceled %d\n",
		r.Lost, r.Late, r.Wrong, r.Doubled, r.InnocentsDead, r.PoisonDead, r.Expired, r.Canceled)
	fmt.Fprintf(&b, "executions %d, of which duplicates %d (%.2f %%); begun again %d\n", r.Executions, r.Duplicates, share, r.Repeats)
	b.WriteString(r.Later.table())
	b.WriteString(r.Bulk.table())
	leases := func(d time.Duration) float64 { return float64(d) / float64(lease) }
	for _, fault := range slices.Sorted(maps.Keys(r.Faults)) {
		s := r.Recovery[fault]
		fmt.Fprintf(&b, "%-22s %4d times; %4d calls in flight took p50 %.2f, p99 %.2f, max %.2f leases\n",
			fault, r.Faults[fault], s.N, leases(s.P50), leases(s.P99), leases(s.Max))
	}
	return b.String()
}

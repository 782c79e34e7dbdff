package batching_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ekiben/ekiben/batching"
)

func TestLimitsThatCannotBeFollowedAreRefusedAllAtOnce(t *testing.T) {
	t.Parallel()
	_, err := batching.NewFormer(batching.Limits{Rows: 0, Wait: -1}, batching.Adaptive+1)
	if !errors.Is(err, batching.ErrLimits) {
		t.Fatalf("NewFormer() = %v, want ErrLimits", err)
	}
	for _, part := range []string{"rows is 0", "wait is -1ns", "policy(3)"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
}

func TestNamesAreThoseOfConfigurationAndMetrics(t *testing.T) {
	t.Parallel()
	for p, want := range map[batching.Policy]string{batching.None: "none", batching.Fixed: "fixed", batching.Adaptive: "adaptive"} {
		if got := p.String(); got != want {
			t.Errorf("%d is called %q, want %q", p, got, want)
		}
		if got, err := batching.ParsePolicy(want); err != nil || got != p {
			t.Errorf("ParsePolicy(%q) = %v, %v", want, got, err)
		}
	}
	if _, err := batching.ParsePolicy("Adaptive"); !errors.Is(err, batching.ErrLimits) {
		t.Errorf("ParsePolicy of an unknown name: %v", err)
	}
	names := []string{"full", "wait", "idle", "deadline", "shape", "drain", "reason(6)"}
	for r, want := range names {
		if got := batching.Reason(r).String(); got != want {
			t.Errorf("reason %d is called %q, want %q", r, got, want)
		}
	}
}

//nolint:paralleltest // AllocsPerRun counts the allocations of everything that runs.
func TestDecidingAllocatesNothing(t *testing.T) {
	for _, policy := range []batching.Policy{batching.None, batching.Fixed, batching.Adaptive} {
		f := newFormer(t, batching.Limits{Rows: 32, Wait: time.Second}, policy)
		facts := batching.Facts{Rows: 3, Calls: 3, Oldest: 2 * ms, Newest: ms}
		n := testing.AllocsPerRun(1000, func() {
			facts.Now += 10 * ms
			facts.Arrived += 3
			d := f.Decide(facts)
			f.Took(batching.Cut{Facts: facts, Rows: 3, Calls: 3, Asked: d.Ask})
			f.Executed(3, 26*ms)
			f.Ask()
		})
		if n != 0 {
			t.Errorf("%v: %v allocations a batch", policy, n)
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	f, err := batching.NewFormer(batching.Limits{Rows: 32, Wait: time.Second}, batching.Adaptive)
	if err != nil {
		b.Fatal(err)
	}
	facts := batching.Facts{Rows: 3, Calls: 3, Oldest: 2 * ms, Newest: ms}
	b.ReportAllocs()
	for b.Loop() {
		facts.Now += 10 * ms
		facts.Arrived += 3
		f.Decide(facts)
		f.Executed(3, 26*ms)
	}
}

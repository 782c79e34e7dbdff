package loadtest_test

import (
	"iter"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ekiben/ekiben/loadtest"
)

const ms = time.Millisecond

func first(n int, seq iter.Seq[time.Duration]) []time.Duration {
	next, stop := iter.Pull(seq)
	defer stop()
	out := make([]time.Duration, 0, n)
	for range n {
		at, ok := next()
		if !ok {
			break
		}
		out = append(out, at)
	}
	return out
}

func TestPacersSayWhenRequestsAreDue(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		pacer loadtest.Pacer
		want  []time.Duration
	}{
		{"constant is even", loadtest.Constant{Rate: 100}, []time.Duration{0, 10 * ms, 20 * ms, 30 * ms}},
		{"constant may be slower than one a second", loadtest.Constant{Rate: 0.5}, []time.Duration{0, 2 * time.Second, 4 * time.Second}},
		{"a burst is due at once", loadtest.Burst{Size: 3, Every: 50 * ms}, []time.Duration{0, 0, 0, 50 * ms, 50 * ms, 50 * ms, 100 * ms}},
		{"a burst of one is constant", loadtest.Burst{Size: 1, Every: 10 * ms}, []time.Duration{0, 10 * ms, 20 * ms}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := first(len(tc.want), tc.pacer.Due()); !slices.Equal(got, tc.want) {
				t.Errorf("due at %v, want %v", got, tc.want)
			}
		})
	}
}

func TestAConstantPacerDoesNotDrift(t *testing.T) {
	t.Parallel()
	// 3 does not divide a second: summing rounded gaps would be 1 ms off here.
	got := first(3_000_001, loadtest.Constant{Rate: 3}.Due())
	if last, want := got[len(got)-1], 1_000_000*time.Second; last != want {
		t.Errorf("request 3,000,000 at 3/s is due at %v, want %v", last, want)
	}
}

func TestEveryPacerIsMonotoneRepeatableAndKeepsItsRate(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Float64Range(0.1, 100_000).Draw(t, "rate")
		seed := rapid.Uint64().Draw(t, "seed")
		size := rapid.IntRange(1, 50).Draw(t, "size")
		const n = 2000
		for name, pacer := range map[string]loadtest.Pacer{
			"constant": loadtest.Constant{Rate: rate},
			"poisson":  loadtest.Poisson{Rate: rate, Seed: seed},
			"burst":    loadtest.Burst{Size: size, Every: time.Duration(float64(size) / rate * float64(time.Second))},
		} {
			due := first(n, pacer.Due())
			if len(due) != n {
				t.Fatalf("%s ended after %d requests", name, len(due))
			}
			if !slices.IsSorted(due) || due[0] < 0 {
				t.Fatalf("%s goes back in time", name)
			}
			if !slices.Equal(due, first(n, pacer.Due())) {
				t.Fatalf("%s differs when it is asked again", name)
			}
			// A sum of 2,000 exponential gaps has a deviation of 1/sqrt(2000),
			// 2.2 %: 15 % is out of reach for every seed that will be drawn.
			mean := due[n-1].Seconds() / (n - 1)
			if got := mean * rate; math.Abs(got-1) > 0.15 {
				t.Fatalf("%s at %g/s: mean gap is %.3f of what it should be", name, rate, got)
			}
		}
	})
}

func TestPoissonGapsAreExponential(t *testing.T) {
	t.Parallel()
	due := first(100_001, loadtest.Poisson{Rate: 1000, Seed: 7}.Due())
	var sum, squares float64
	long := 0
	for i := 1; i < len(due); i++ {
		gap := (due[i] - due[i-1]).Seconds() * 1000 // in mean gaps
		sum += gap
		squares += gap * gap
		if gap > 1 {
			long++
		}
	}
	n := float64(len(due) - 1)
	mean := sum / n
	if sd := math.Sqrt(squares/n - mean*mean); math.Abs(mean-1) > 0.02 || math.Abs(sd-1) > 0.03 {
		t.Errorf("mean %.3f and deviation %.3f of the gaps, want 1 and 1", mean, sd)
	}
	if share := float64(long) / n; math.Abs(share-1/math.E) > 0.01 {
		t.Errorf("%.3f of the gaps are longer than the mean, want 1/e = 0.368", share)
	}
}

func TestSeedsGiveDifferentArrivals(t *testing.T) {
	t.Parallel()
	a := first(10, loadtest.Poisson{Rate: 10, Seed: 1}.Due())
	b := first(10, loadtest.Poisson{Rate: 10, Seed: 2}.Due())
	if slices.Equal(a, b) {
		t.Error("two seeds give the same arrivals")
	}
}

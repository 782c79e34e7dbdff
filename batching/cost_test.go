package batching_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ekiben/ekiben/batching"
)

const ms = time.Millisecond

func newFormer(t interface {
	Helper()
	Fatal(args ...any)
}, limits batching.Limits, policy batching.Policy,
) *batching.Former {
	t.Helper()
	f, err := batching.NewFormer(limits, policy)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// learner is a Former and a machine that it learns about.
type learner struct {
	*batching.Former
	random *rand.Rand
	noise  float64
}

func newLearner(t *testing.T, noise float64) *learner {
	t.Helper()
	return &learner{newFormer(t, batching.Limits{Rows: 32, Wait: time.Second}, batching.Adaptive), rand.New(rand.NewPCG(1, 2)), noise}
}

// run executes batches of the sizes on a machine of that cost.
func (l *learner) run(truth batching.Cost, sizes ...int) {
	for _, rows := range sizes {
		d := float64(truth.Of(rows)) * (1 + l.noise*(2*l.random.Float64()-1))
		l.Executed(rows, time.Duration(d))
	}
}

func (l *learner) sizes(n int) []int {
	sizes := make([]int, n)
	for i := range sizes {
		sizes[i] = 1 + l.random.IntN(32)
	}
	return sizes
}

// worst is how far predictions of batches of 1, 16 and 32 rows are off the truth, short ones as a part of a quarter of
// the longest: a fixed part cannot be read off more finely than the noise of large batches.
func (l *learner) worst(truth batching.Cost) float64 {
	got, known := l.Cost()
	if !known {
		return math.Inf(1)
	}
	worst := 0.0
	for _, rows := range []int{1, 16, 32} {
		off := float64(got.Of(rows)-truth.Of(rows)) / float64(max(truth.Of(rows), truth.Of(32)/4))
		worst = max(worst, math.Abs(off))
	}
	return worst
}

func (l *learner) wantNear(t *testing.T, truth batching.Cost, tolerance float64) {
	t.Helper()
	if worst := l.worst(truth); worst > tolerance {
		got, _ := l.Cost()
		t.Errorf("learnt %+v, want %+v: off by %.0f %%", got, truth, 100*worst)
	}
}

func constant(rows, n int) []int {
	sizes := make([]int, n)
	for i := range sizes {
		sizes[i] = rows
	}
	return sizes
}

func TestNothingIsKnownBeforeTheFirstExecution(t *testing.T) {
	t.Parallel()
	l := newLearner(t, 0)
	if c, known := l.Cost(); known {
		t.Errorf("a new former knows %+v", c)
	}
	l.Executed(0, ms)
	l.Executed(3, 0)
	l.Executed(-1, -ms)
	if c, known := l.Cost(); known {
		t.Errorf("numbers that cannot be taught %+v", c)
	}
}

func TestOneExecutionIsEnoughToKnowItsOwnSize(t *testing.T) {
	t.Parallel()
	l := newLearner(t, 0)
	l.Executed(8, 40*ms)
	got, known := l.Cost()
	if !known || got.PerRow <= 0 || got.Fixed <= 0 || (got.Of(8)-40*ms).Abs() > time.Microsecond {
		t.Errorf("Cost() = %+v, %t after 8 rows in 40ms", got, known)
	}
}

func TestThreeSizesTellBothParts(t *testing.T) {
	t.Parallel()
	l := newLearner(t, 0)
	truth := batching.Cost{PerRow: 2 * ms, Fixed: 20 * ms}
	l.run(truth, 1, 2, 16, 32)
	l.wantNear(t, truth, 0.1)
}

func TestTheCostOfAnyMachineIsLearntFromTwentyBatches(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		truth := batching.Cost{
			PerRow: time.Duration(rapid.IntRange(1_000, 50_000_000).Draw(rt, "per row")),
			Fixed:  time.Duration(rapid.IntRange(0, 500_000_000).Draw(rt, "fixed")),
		}
		l := newLearner(t, 0.05)
		l.random = rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		l.run(truth, l.sizes(20)...)
		got, _ := l.Cost()
		for _, rows := range []int{8, 16, 32} {
			off := (got.Of(rows) - truth.Of(rows)).Abs()
			if off > truth.Of(rows)/5+20*time.Microsecond {
				rt.Fatalf("%d rows are expected to take %v (%+v), want %v", rows, got.Of(rows), got, truth.Of(rows))
			}
		}
		if got.PerRow < 0 || got.Fixed < 0 {
			rt.Fatalf("a part of %+v is negative", got)
		}
	})
}

func TestBatchesOfOneSizeKeepTheLevelAndTheDivision(t *testing.T) {
	t.Parallel()
	l := newLearner(t, 0.1)
	truth := batching.Cost{PerRow: 2 * ms, Fixed: 20 * ms}
	l.run(truth, l.sizes(30)...)
	l.run(truth, constant(32, 5_000)...)
	l.wantNear(t, truth, 0.3)
	got, _ := l.Cost()
	if off := float64(got.Of(32))/float64(truth.Of(32)) - 1; math.Abs(off) > 0.1 {
		t.Errorf("the size that was seen all the time is off by %.0f %%", 100*off)
	}
}

func TestASlowerMachineIsSlowerInBothParts(t *testing.T) {
	t.Parallel()
	l := newLearner(t, 0.02)
	l.run(batching.Cost{PerRow: 2 * ms, Fixed: 20 * ms}, l.sizes(30)...)
	l.run(batching.Cost{PerRow: 6 * ms, Fixed: 60 * ms}, constant(16, 20)...)
	l.wantNear(t, batching.Cost{PerRow: 6 * ms, Fixed: 60 * ms}, 0.35)
}

func TestAnotherMachineIsLearntWithinTwentyBatches(t *testing.T) {
	t.Parallel()
	machines := []batching.Cost{
		{PerRow: 2 * ms, Fixed: 20 * ms},
		{PerRow: 10 * time.Microsecond, Fixed: 50 * ms},
		{PerRow: 8 * ms, Fixed: 100 * time.Microsecond},
		{PerRow: 100 * time.Microsecond, Fixed: 2 * ms},
	}
	const runs = 50
	for _, from := range machines {
		for _, to := range machines {
			bad := 0
			for seed := range runs {
				l := newLearner(t, 0.05)
				l.random = rand.New(rand.NewPCG(uint64(seed), 0))
				l.run(from, l.sizes(200)...)
				l.run(to, l.sizes(20)...)
				if l.worst(to) > 0.35 {
					bad++
				}
			}
			if bad > runs/20 {
				t.Errorf("%d of %d changes from %+v to %+v were not learnt", bad, runs, from, to)
			}
		}
	}
}

func TestAnOutlierHardlyMovesTheExpectation(t *testing.T) {
	t.Parallel()
	l := newLearner(t, 0.02)
	truth := batching.Cost{PerRow: 2 * ms, Fixed: 20 * ms}
	l.run(truth, l.sizes(30)...)
	l.Executed(16, 2*time.Second)
	l.wantNear(t, truth, 0.2)
	l.run(truth, l.sizes(4)...)
	l.Executed(16, 100*time.Microsecond)
	l.run(truth, l.sizes(4)...)
	l.Executed(1, 2*time.Second)
	l.wantNear(t, truth, 0.25)
	l.run(truth, l.sizes(10)...)
	l.wantNear(t, truth, 0.15)
}

func TestASlowFirstExecutionIsForgotten(t *testing.T) {
	t.Parallel()
	l := newLearner(t, 0.02)
	truth := batching.Cost{PerRow: 2 * ms, Fixed: 20 * ms}
	l.Executed(1, 3*time.Second)
	l.run(truth, 1, 1, 4, 2, 8)
	l.wantNear(t, truth, 0.25)
}

func TestAPartThatWouldBeNegativeIsMadeUpByTheOther(t *testing.T) {
	t.Parallel()
	for first := 2 * time.Second; first < 8*time.Second; first += time.Second {
		l := newLearner(t, 0)
		l.Executed(32, first)
		for range 3 {
			l.Executed(1, 22*ms)
		}
		got, _ := l.Cost()
		if got.PerRow <= 0 || got.Fixed < 0 || got.Of(1) < 15*ms || got.Of(1) > 30*ms {
			t.Errorf("32 rows took %v at first, then one row 22ms, which is expected to take %v (%+v)", first, got.Of(1), got)
		}
	}
}

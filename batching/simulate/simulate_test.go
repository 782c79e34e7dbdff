package simulate_test

import (
	"errors"
	"math"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ekiben/ekiben/batching"
	"github.com/ekiben/ekiben/batching/simulate"
)

const ms = time.Millisecond

// model is the machine that the system which inspired this one was measured with: 20 ms and 2 ms a row, at most 32
// rows and 500 ms. One instance of it executes 32 rows in 84 ms, 381 a second.
func model() simulate.Scenario {
	return simulate.Scenario{
		Cost:      batching.Cost{PerRow: 2 * ms, Fixed: 20 * ms},
		Noise:     0.05,
		Limits:    batching.Limits{Rows: 32, Wait: 500 * ms},
		Policy:    batching.Adaptive,
		RoundTrip: 60 * time.Microsecond,
		Length:    time.Minute,
		Seed:      1,
	}
}

func poisson(rate float64) simulate.Scenario {
	s := model()
	s.Arrivals = simulate.Arrivals{Process: simulate.Poisson, Rate: rate}
	s.Depth = 256
	return s
}

// bursts are 32 calls within 2 ms, every period.
func bursts(period time.Duration, instances int) simulate.Scenario {
	s := model()
	s.Arrivals = simulate.Arrivals{Process: simulate.Burst, Rate: 32 / period.Seconds(), Burst: 32, Spread: 2 * ms}
	s.Instances = instances
	s.Length = max(s.Length, 200*period)
	return s
}

func run(t interface {
	Helper()
	Fatal(args ...any)
}, s simulate.Scenario,
) simulate.Result {
	t.Helper()
	r, err := simulate.Run(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// batches are the rows of the calls of each batch, as 1+1+2.
func batches(t *testing.T, s simulate.Scenario) string {
	t.Helper()
	var all []string
	s.Watch = func(b simulate.Batch) { all = append(all, sizes(b)) }
	r := run(t, s)
	if r.Served != r.Offered {
		t.Errorf("served %d of %d calls", r.Served, r.Offered)
	}
	return strings.Join(all, ", ")
}

func TestBelowCapacityNothingIsRefusedAndLatencyIsBelowThatOfTheInspiration(t *testing.T) {
	t.Parallel()
	// p50 and p99 are those of the inspiration, v1.1.11, measured; see docs/batching.md. It gives no p50 for 349.
	for _, tc := range []struct {
		rate     float64
		p50, p99 time.Duration
	}{{51, 35 * ms, 79 * ms}, {196, 55 * ms, 92 * ms}, {349, time.Hour, 233 * ms}} {
		for seed := range uint64(5) {
			s := poisson(tc.rate)
			s.Seed = seed
			r := run(t, s)
			if r.Refused != 0 || r.Served != r.Offered {
				t.Errorf("%v a second, seed %d: refused %d of %d", tc.rate, seed, r.Refused, r.Offered)
			}
			if r.P50 > tc.p50 || r.P99 > tc.p99 {
				t.Errorf("%v a second, seed %d: p50 %v, p99 %v, want at most %v and %v", tc.rate, seed, r.P50, r.P99, tc.p50, tc.p99)
			}
		}
	}
}

func TestAboveCapacityAllOfItIsUsedAndTheRestIsRefused(t *testing.T) {
	t.Parallel()
	for _, policy := range []batching.Policy{batching.None, batching.Fixed, batching.Adaptive} {
		s := poisson(0)
		s.Policy = policy
		s.Depth = 96
		s.Arrivals.Rate = 1.6 * s.Capacity()
		r := run(t, s)
		if r.Throughput < 0.97*s.Capacity() {
			t.Errorf("%v: %.0f rows a second, want at least 0.97 of %.0f", policy, r.Throughput, s.Capacity())
		}
		if r.Served+r.Refused != r.Offered {
			t.Errorf("%v: served %d and refused %d of %d", policy, r.Served, r.Refused, r.Offered)
		}
		bound := time.Duration(float64(s.Depth)/s.Capacity()*1.1*float64(time.Second)) + 100*ms
		if policy == batching.Fixed { // the last calls wait for company that does not come any more
			bound = max(bound, s.Limits.Wait+100*ms)
		}
		if r.Max > bound {
			t.Errorf("%v: the slowest took %v, a queue of %d calls allows %v", policy, r.Max, s.Depth, bound)
		}
	}
}

func TestACallAloneGoesAtOnce(t *testing.T) {
	t.Parallel()
	s := poisson(2)
	s.Noise = 0
	if r := run(t, s); r.P50 > 22*ms+500*time.Microsecond {
		t.Errorf("p50 is %v, of which the execution is 22ms", r.P50)
	}
}

func TestOneInstanceUnderLoadAsksOnceABatch(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{196, 349} {
		if r := run(t, poisson(rate)); float64(r.Asks) > 1.2*float64(r.Batches) {
			t.Errorf("%v a second: %d questions for %d batches", rate, r.Asks, r.Batches)
		}
	}
}

func TestIdleInstancesDoNotShredABurst(t *testing.T) {
	t.Parallel()
	for _, period := range []time.Duration{120 * ms, 500 * ms, 3 * time.Second} {
		one := run(t, bursts(period, 1)).MeanBatch
		if one < 25 {
			t.Errorf("every %v: one instance forms batches of %.1f rows of 32", period, one)
		}
		for _, n := range []int{2, 4, 16} {
			if r := run(t, bursts(period, n)); r.MeanBatch < 0.8*one {
				t.Errorf("every %v: %d instances form batches of %.1f rows, one forms %.1f", period, n, r.MeanBatch, one)
			}
		}
	}
}

func TestTwoGroupsShareBatches(t *testing.T) {
	t.Parallel()
	one := run(t, bursts(200*ms, 1)).MeanBatch
	for _, n := range []int{1, 2, 4, 16} {
		s := bursts(200*ms, n)
		s.Arrivals.Groups = 2
		r := run(t, s)
		if r.MeanBatch < 0.7*one || r.MeanRun < 0.7*r.MeanBatch/2 {
			t.Errorf("%d instances: batches of %.1f and executions of %.1f rows, with one group %.1f", n, r.MeanBatch, r.MeanRun, one)
		}
	}
}

func TestInstancesAddUp(t *testing.T) {
	t.Parallel()
	one, four := poisson(600), poisson(4*600)
	four.Instances, four.Depth = 4, 4*one.Depth
	if a, b := run(t, one), run(t, four); b.Throughput < 3.9*a.Throughput {
		t.Errorf("four instances execute %.0f rows a second, one %.0f", b.Throughput, a.Throughput)
	}
}

func TestAdaptiveBatchesAtLeastAsMuchAsNoneAndAnswersSoonerThanFixed(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{5, 51, 196, 349} {
		of := func(p batching.Policy) simulate.Result {
			s := poisson(rate)
			s.Policy = p
			return run(t, s)
		}
		none, fixed, adaptive := of(batching.None), of(batching.Fixed), of(batching.Adaptive)
		if adaptive.MeanBatch < 0.99*none.MeanBatch || float64(adaptive.Mean) > 1.03*float64(none.Mean) {
			t.Errorf("%v a second: adaptive %.2f rows and %v, none %.2f and %v", rate, adaptive.MeanBatch, adaptive.Mean, none.MeanBatch, none.Mean)
		}
		if adaptive.Mean > fixed.Mean {
			t.Errorf("%v a second: adaptive %v, fixed %v", rate, adaptive.Mean, fixed.Mean)
		}
	}
}

func TestADeadlineEndsTheWaitForCompany(t *testing.T) {
	t.Parallel()
	s := poisson(10)
	s.Policy = batching.Fixed
	s.Arrivals.Deadline = 100 * ms
	r := run(t, s)
	if r.Expired != 0 || r.P99 > 100*ms {
		t.Errorf("%d of %d calls expired, p99 is %v", r.Expired, r.Offered, r.P99)
	}
	if r.Reasons[batching.Deadline] == 0 || r.Reasons[batching.Wait] != 0 {
		t.Errorf("batches went because of %v", r.Reasons)
	}
}

func TestCallsThatCannotBeInTimeExpireAndCostNothing(t *testing.T) {
	t.Parallel()
	s := poisson(600)
	s.Arrivals.Deadline = 150 * ms
	s.Depth = 0
	r := run(t, s)
	if r.Expired == 0 || r.Served+r.Expired != r.Offered {
		t.Errorf("served %d, expired %d of %d", r.Served, r.Expired, r.Offered)
	}
	if r.Throughput < 0.97*s.Capacity() {
		t.Errorf("%.0f rows a second of %.0f", r.Throughput, s.Capacity())
	}
}

// once is a single burst of the sizes, all at the same moment.
func once(most int, sizes ...int) simulate.Scenario {
	s := model()
	s.Limits.Rows = most
	s.Arrivals = simulate.Arrivals{Process: simulate.Burst, Rate: 1, Burst: len(sizes), Rows: sizes}
	s.Length = 500 * ms
	return s
}

func TestSizesThatTheInspirationGetsWrong(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		most  int
		sizes []int
		want  string
	}{
		{"a call as large as the limit", 4, []int{4}, "4"},
		{"a limit of one row", 1, []int{1, 1, 1}, "1, 1, 1"},
		{"a call above the limit goes alone", 4, []int{1, 5, 1}, "1, 5, 1"},
		{"twelve of one row at a limit of four", 4, ones(12), "1+1+1+1, 1+1+1+1, 1+1+1+1"},
		{"mixed sizes", 10, []int{1, 1, 1, 8, 8, 8}, "1+1+1, 8, 8, 8"},
		{"mixed sizes that fill", 10, []int{7, 3, 6, 4, 10, 1}, "7+3, 6+4, 10, 1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := batches(t, once(tc.most, tc.sizes...)); got != tc.want {
				t.Errorf("batches %s, want %s", got, tc.want)
			}
		})
	}
}

func TestAColdBurstIsServed(t *testing.T) {
	t.Parallel()
	s := once(32, ones(20)...)
	s.Arrivals.Spread = 2 * ms
	r := run(t, s)
	if r.Served != 20 || r.Max > 150*ms {
		t.Errorf("served %d of 20, the slowest in %v", r.Served, r.Max)
	}
}

func ones(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = 1
	}
	return s
}

func TestARunIsAFunctionOfItsScenario(t *testing.T) {
	t.Parallel()
	s := poisson(300)
	s.Instances = 3
	a, b := run(t, s), run(t, s)
	if !reflect.DeepEqual(a, b) {
		t.Errorf("%+v, then %+v", a, b)
	}
	s.Seed++
	if reflect.DeepEqual(a, run(t, s)) {
		t.Error("another seed makes no difference")
	}
}

func TestAScenarioThatCannotBePlayedIsRefused(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*simulate.Scenario){
		"no rate":           func(s *simulate.Scenario) { s.Arrivals.Rate = 0 },
		"rate not a number": func(s *simulate.Scenario) { s.Arrivals.Rate = math.NaN() },
		"unknown process":   func(s *simulate.Scenario) { s.Arrivals.Process = 9 },
		"burst of nothing":  func(s *simulate.Scenario) { s.Arrivals.Process = simulate.Burst },
		"no rows":           func(s *simulate.Scenario) { s.Arrivals.Rows = []int{1, 0} },
		"free batches":      func(s *simulate.Scenario) { s.Cost = batching.Cost{} },
		"noise":             func(s *simulate.Scenario) { s.Noise = 1 },
		"instances":         func(s *simulate.Scenario) { s.Instances = -1 },
		"length":            func(s *simulate.Scenario) { s.Length = 0 },
	} {
		s := poisson(1)
		spoil(&s)
		if _, err := simulate.Run(s); !errors.Is(err, simulate.ErrScenario) {
			t.Errorf("%s: %v, want ErrScenario", name, err)
		}
	}
	s := poisson(1)
	s.Limits.Rows = 0
	if _, err := simulate.Run(s); !errors.Is(err, batching.ErrLimits) {
		t.Errorf("limits: %v, want ErrLimits", err)
	}
}

// Whatever the scenario: every accepted call is in one batch, in the order of accept; no batch of several calls is
// above the limit; and no call waits longer than the limit of time for company at a free instance, but for the time that
// it takes to wake it and ask.
func TestWhateverTheScenarioNothingIsLostDoubledLateOrTooLarge(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawScenario(t)
		// A wait and a question take a round trip each, and the bell wakes idle instances one after the other.
		last, taken, late := -1, 0, time.Duration(2+s.Instances)*s.RoundTrip
		s.Watch = func(b simulate.Batch) {
			rows := 0
			for i, call := range b.Calls {
				if call <= last { // those between have expired, or there are too few in the end
					t.Fatalf("call %d after %d, at %v", call, last, b.At)
				}
				last = call
				taken++
				rows += b.Rows[i]
			}
			if rows > s.Limits.Rows && len(b.Calls) > 1 {
				t.Fatalf("%v is more than %d rows", b.Rows, s.Limits.Rows)
			}
			if wait := min(b.Waited, b.At-b.Idle); wait > s.Limits.Wait+late {
				t.Fatalf("a call waited %v at an idle instance, the limit is %v", wait, s.Limits.Wait)
			}
		}
		r := run(t, s)
		if taken != r.Served || r.Served+r.Refused+r.Expired != r.Offered {
			t.Fatalf("%d taken, %d served, %d refused, %d expired of %d", taken, r.Served, r.Refused, r.Expired, r.Offered)
		}
	})
}

func drawScenario(t *rapid.T) simulate.Scenario {
	s := simulate.Scenario{
		Arrivals: simulate.Arrivals{
			Process: simulate.Process(rapid.IntRange(0, 2).Draw(t, "process")),
			Rate:    rapid.Float64Range(1, 2000).Draw(t, "rate"),
			Burst:   rapid.IntRange(1, 50).Draw(t, "burst"),
			Spread:  time.Duration(rapid.IntRange(0, 10).Draw(t, "spread")) * ms,
			Rows:    rapid.SliceOfN(rapid.IntRange(1, 20), 0, 8).Draw(t, "sizes"),
			Groups:  rapid.IntRange(0, 3).Draw(t, "groups"),
		},
		Cost: batching.Cost{
			PerRow: time.Duration(rapid.IntRange(1, 3_000).Draw(t, "per row")) * time.Microsecond,
			Fixed:  time.Duration(rapid.IntRange(0, 50_000).Draw(t, "fixed")) * time.Microsecond,
		},
		Noise:     rapid.Float64Range(0, 0.5).Draw(t, "noise"),
		Instances: rapid.IntRange(1, 8).Draw(t, "instances"),
		Limits: batching.Limits{
			Rows: rapid.IntRange(1, 64).Draw(t, "limit"),
			Wait: time.Duration(rapid.IntRange(0, 200).Draw(t, "wait")) * ms,
		},
		Policy:    batching.Policy(rapid.IntRange(0, 2).Draw(t, "policy")),
		Depth:     rapid.IntRange(1, 200).Draw(t, "depth"),
		RoundTrip: time.Duration(rapid.IntRange(0, 500).Draw(t, "round trip")) * time.Microsecond,
		Length:    2 * time.Second,
		Seed:      rapid.Uint64().Draw(t, "seed"),
	}
	if rapid.Bool().Draw(t, "with deadline") {
		s.Arrivals.Deadline = time.Duration(rapid.IntRange(1, 500).Draw(t, "deadline")) * ms
	}
	return s
}

// sizes are the rows of the calls of a batch, as 1+1+2.
func sizes(b simulate.Batch) string {
	var s strings.Builder
	for i, rows := range b.Rows {
		if i > 0 {
			s.WriteByte('+')
		}
		s.WriteString(strconv.Itoa(rows))
	}
	return s.String()
}

package worker_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/runnables"
)

// Values that make a method misbehave.
const (
	failsBatch = 1000 + iota
	panics
	failsRow
	dropsRow
	ordinary
)

// moody is [double] for values that are ordinary.
func moody(name string) runnables.Method {
	return runnables.Batch(name, "x", func(_ context.Context, in []int64) ([]int64, error) {
		failed := runnables.RowErrors{}
		out := doubled(in)
		for i, v := range in {
			switch v {
			case failsBatch:
				return nil, errBroken
			case panics:
				panic(v)
			case failsRow:
				failed[i] = runnables.InputErrorf("no")
			case dropsRow:
				out = out[1:]
			}
		}
		if len(failed) > 0 {
			return out, failed
		}
		return out, nil
	})
}

// outcomesOf are the outcomes that a call may have: what its values alone lead to.
func outcomesOf(values []int64) []string {
	var codes []string
	for _, v := range values {
		switch v {
		case failsBatch, panics, dropsRow:
			codes = append(codes, queue.CodeRunnerFailed)
		case failsRow:
			codes = append(codes, queue.CodeInvalidInput)
		}
	}
	if len(codes) == 0 {
		codes = append(codes, fmt.Sprint(doubled(values)))
	}
	return codes
}

// Whatever is called in whatever company: every call is answered once, and with
// what it would be answered alone.
func TestCompanyMakesNoDifference(t *testing.T) {
	t.Parallel()

	kind := kindOf(moody("run"), moody("low"))
	oneCall := rapid.Custom(func(t *rapid.T) queue.Delivery {
		value := rapid.OneOf(rapid.Int64Range(0, 9), rapid.Int64Range(0, 9), rapid.Int64Range(failsBatch, ordinary))
		d := callOf(rapid.SampledFrom([]string{"run", "low"}).Draw(t, "method"), 0,
			rapid.SliceOfN(value, 1, rapid.SampledFrom([]int{1, 3, 12}).Draw(t, "most")).Draw(t, "values")...)
		d.Group += rapid.SampledFrom([]string{"a", "b"}).Draw(t, "group")
		d.Suspect = rapid.IntRange(0, 9).Draw(t, "suspect") == 0
		return d
	})
	rapid.Check(t, func(rt *rapid.T) {
		calls := rapid.SliceOfN(oneCall, 1, 20).Draw(rt, "calls")
		values := make([][]int64, len(calls))
		for i := range calls {
			calls[i].ID = fmt.Sprint(i)
			values[i] = ints(calls[i])
		}
		pause := time.Duration(rapid.IntRange(0, 3).Draw(rt, "pause")) * time.Millisecond
		replicas := rapid.IntRange(1, 3).Draw(rt, "replicas")

		var q *fakeQueue
		synctest.Test(t, func(t *testing.T) {
			q = newFakeQueue()
			r := options()
			r.Replicas, r.Methods = replicas, []runnables.MethodLimits{{Name: "low", MaxBatchSize: 3}}
			s := play(t, q, r, kind)
			for _, d := range calls {
				q.put(d)
				time.Sleep(pause)
			}
			time.Sleep(3 * time.Second)
			s.end()
		})
		if len(q.replies) != len(calls) || len(q.released) > 0 {
			rt.Fatalf("%d of %d calls were answered, %v given back", len(q.replies), len(calls), q.released)
		}
		if len(q.doubled) > 0 {
			rt.Fatalf("calls %v were ended twice", q.doubled)
		}
		for i := range calls {
			r, ok := q.replies[calls[i].ID]
			if got := valuesOf(r, ok); !slices.Contains(outcomesOf(values[i]), got) {
				rt.Fatalf("call %d of %v was answered %s, want one of %v", i, values[i], got, outcomesOf(values[i]))
			}
		}
	})
}

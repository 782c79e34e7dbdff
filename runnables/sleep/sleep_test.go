package sleep_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/runnables/runnablestest"
	"github.com/ekiben/ekiben/runnables/sleep"
	"github.com/ekiben/ekiben/tensor"
)

func sample(method string, shape []int, rows ...string) runnablestest.Sample {
	return runnablestest.Sample{
		Method: method,
		Inputs: []tensor.Named{runnablestest.Strings("input", shape, rows...)},
		Want:   []tensor.Named{runnablestest.Strings(runnables.ResultName, shape, rows...)},
	}
}

func TestSleepConforms(t *testing.T) {
	t.Parallel()
	runnablestest.Conform(t, sleep.Kind(), runnables.Init{"fixed": "2ms", "per_row": "100us"},
		sample("run", []int{3}, "a", "", "c"), sample("run", []int{1}, "b"), sample("solo", []int{}, "d"))
}

// took is how long a method with the given rows takes, and its error.
func took(ctx context.Context, t *testing.T, init runnables.Init, method string, rows int) (time.Duration, error) {
	t.Helper()
	instance, err := sleep.Kind().New(ctx, runnables.Setup{Runner: runnables.Runner{Init: init}})
	if err != nil {
		t.Fatal(err)
	}
	shape := []int{rows}
	if method == "solo" {
		shape = nil
	}
	in := runnablestest.Strings("input", shape, make([]string, rows)...)
	start := time.Now()
	for _, m := range instance.Methods() {
		if m.Name == method {
			_, err = m.Run(ctx, []tensor.Tensor{in.Tensor})
		}
	}
	return time.Since(start), err
}

func TestABatchCostsAFixedTimeAndATimeForEachRow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		init := runnables.Init{"fixed": "5ms", "per_row": "1500us"}
		for _, c := range []struct {
			init   runnables.Init
			method string
			rows   int
			want   time.Duration
		}{
			{nil, "run", 1, 22 * time.Millisecond},
			{nil, "run", 32, 84 * time.Millisecond},
			{nil, "solo", 1, 22 * time.Millisecond},
			{init, "run", 4, 11 * time.Millisecond},
			{runnables.Init{"fixed": "0s", "per_row": "0s"}, "run", 32, 0},
		} {
			if got, err := took(t.Context(), t, c.init, c.method, c.rows); err != nil || got != c.want {
				t.Errorf("%v %s of %d rows took %v, %v; want %v", c.init, c.method, c.rows, got, err, c.want)
			}
		}
	})
}

func TestSleepEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("the client has gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(30*time.Millisecond, func() { cancel(cause) })
		if got, err := took(ctx, t, runnables.Init{"fixed": "1h"}, "run", 1); got != 30*time.Millisecond || !errors.Is(err, cause) {
			t.Errorf("took %v and gave %v", got, err)
		}
	})
}

func TestSleepRefusesParametersThatAreNoDurations(t *testing.T) {
	t.Parallel()
	for fault, init := range map[string]runnables.Init{
		"negative":                     {"fixed": "-1ms"},
		"invalid duration":             {"per_row": "fast"},
		"fixed is a number, want text": {"fixed": 20},
		"there is no \"fixd\"":         {"fixd": "1ms"},
	} {
		if _, err := sleep.Kind().New(t.Context(), runnables.Setup{Runner: runnables.Runner{Init: init}}); err == nil || !strings.Contains(err.Error(), fault) {
			t.Errorf("%v gave %v, want a complaint with %q", init, err, fault)
		}
	}
}

func TestRunTakesWhatItIsToldTo(t *testing.T) {
	t.Parallel()

	matrix := runnablestest.Sample{
		Method: "run",
		Inputs: []tensor.Named{runnablestest.Values("input", []int{2, 2}, float32(1), 2, 3, 4)},
		Want:   []tensor.Named{runnablestest.Values(runnables.ResultName, []int{2, 2}, float32(1), 2, 3, 4)},
	}
	runnablestest.Conform(t, sleep.Kind(), runnables.Init{
		"fixed": "2ms", "per_row": "0s", "datatype": "FP32", "shape": []int{-1, -1},
	}, matrix, sample("solo", []int{}, "d"))
}

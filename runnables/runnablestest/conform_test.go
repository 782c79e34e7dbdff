package runnablestest_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/runnables/runnablestest"
	"github.com/ekiben/ekiben/tensor"
)

// lengths is a sound function: every row's length.
func lengths(_ context.Context, in []string) ([]int, error) {
	out := make([]int, len(in))
	for i, s := range in {
		out[i] = len(s)
	}
	return out, nil
}

// kindOf makes instances of one method.
func kindOf(m runnables.Method) runnables.Kind {
	return runnables.Kind{New: func(context.Context, runnables.Setup) (runnables.Runnable, error) { return runnables.New(m) }}
}

func sample(rows ...string) runnablestest.Sample {
	return runnablestest.Sample{
		Method: "m",
		Inputs: []tensor.Named{runnablestest.Strings("x", []int{len(rows)}, rows...)},
	}
}

func TestASoundRunnableConforms(t *testing.T) {
	t.Parallel()
	kind := kindOf(runnables.Batch("m", "x", lengths))
	kind.Resources.Concurrent = true
	s := sample("a", "bcd", "")
	s.Want = []tensor.Named{runnablestest.Values("result", []int{3}, int64(1), int64(3), int64(0))}
	runnablestest.Conform(t, kind, nil, s, sample("zz"))
	if err := runnablestest.Check(t.Context(), kind, nil, s); err != nil {
		t.Error(err)
	}
}

func TestOutputsOfEveryTypeAreCompared(t *testing.T) {
	t.Parallel()
	type document struct {
		Values []float64      `json:"values"`
		Names  map[string]any `json:"names"`
	}
	same := func(_ context.Context, in []float64) ([]document, error) {
		out := make([]document, len(in))
		for i, v := range in {
			out[i] = document{[]float64{v}, map[string]any{"v": fmt.Sprint(v), "ok": true, "none": nil}}
		}
		return out, nil
	}
	s := runnablestest.Sample{
		Method: "m",
		Inputs: []tensor.Named{runnablestest.Values("x", []int{2}, 1.5, 2.5)},
		Want: []tensor.Named{runnablestest.Strings("result", []int{2},
			`{"values":[1.5000001],"names":{"v":"1.5","none":null,"ok":true}}`,
			`{"names":{"v":"2.5","ok":true,"none":null},"values":[2.5]}`)},
	}
	kind := kindOf(runnables.Batch("m", "x", same))
	if err := runnablestest.Check(t.Context(), kind, nil, s); err != nil {
		t.Error(err)
	}
	for _, wrong := range []string{
		`{"values":[1.6],"names":{"v":"1.5","none":null,"ok":true}}`,
		`{"values":[1.5],"names":{"v":"1.6","none":null,"ok":true}}`,
		`{"values":[1.5],"names":{"v":"1.5","ok":true}}`,
		`{"values":[1.5,1],"names":{"v":"1.5","none":null,"ok":true}}`,
		`{"values":1.5,"names":{"v":"1.5","none":null,"ok":true}}`,
		`[]`,
	} {
		s.Want[0] = runnablestest.Strings("result", []int{2}, wrong, s.Want[0].Tensor.Strings()[1])
		if err := runnablestest.Check(t.Context(), kind, nil, s); err == nil {
			t.Errorf("%s was taken for what the method gives", wrong)
		}
	}
}

// bad is a runnable that breaks one promise.
type bad struct {
	name string
	kind runnables.Kind
	want string // part of the complaint
}

func badFunctions() []bad {
	var calls atomic.Int64
	broken := errors.New("broken")
	batch := func(fn func(ctx context.Context, in []string) ([]int, error)) runnables.Kind {
		return kindOf(runnables.Batch("m", "x", fn))
	}
	vectors := func(fn func(ctx context.Context, in []string) ([]float64, error)) runnables.Kind {
		return kindOf(runnables.Batch("m", "x", fn))
	}
	return []bad{
		{"fails", batch(func(context.Context, []string) ([]int, error) { return nil, broken }), "broken"},
		{"panics", batch(func(context.Context, []string) ([]int, error) { panic("oh no") }), "oh no"},
		{"drops a row", batch(func(_ context.Context, in []string) ([]int, error) { return make([]int, len(in)-1), nil }), "wrong number of rows"},
		{"fails large batches", batch(func(ctx context.Context, in []string) ([]int, error) {
			if len(in) > 4 {
				return nil, broken
			}
			return lengths(ctx, in)
		}), "batch of 6 rows"},
		{"shifts its rows", batch(func(ctx context.Context, in []string) ([]int, error) {
			out, _ := lengths(ctx, in)
			return append(out[1:], out[0]), nil
		}), "differs from that row in its sample"},
		{"sorts its rows", batch(func(ctx context.Context, in []string) ([]int, error) {
			out, _ := lengths(ctx, in)
			if len(in) > 4 && out[0] > out[len(out)-1] {
				out[0], out[len(out)-1] = out[len(out)-1], out[0]
			}
			return out, nil
		}), "differs from its rows alone"},
		{"depends on its batch", vectors(func(_ context.Context, in []string) ([]float64, error) {
			out := make([]float64, len(in))
			for i := range out {
				out[i] = float64(len(in[i])) / float64(len(in))
			}
			return out, nil
		}), "differs"},
		{"counts its calls", batch(func(_ context.Context, in []string) ([]int, error) {
			out := make([]int, len(in))
			for i := range out {
				out[i] = int(calls.Add(1))
			}
			return out, nil
		}), "differs"},
		{"forgets its context", batch(func(ctx context.Context, in []string) ([]int, error) {
			if ctx.Err() != nil {
				time.Sleep(time.Hour) // of virtual time
			}
			return lengths(ctx, in)
		}), "still running"},
		{"is broken by a context", batch(poisoned()), "after a call whose context ended"},
	}
}

// poisoned fails for ever once its context was done.
func poisoned() func(context.Context, []string) ([]int, error) {
	var dead atomic.Bool
	return func(ctx context.Context, in []string) ([]int, error) {
		if ctx.Err() != nil || dead.Load() {
			dead.Store(true)
			return nil, errors.New("dead")
		}
		return lengths(ctx, in)
	}
}

func badInstances() []bad {
	sound := runnables.Batch("m", "x", lengths)
	shaped := sound
	shaped.Outputs = []runnables.ValueSpec{{Name: "result", DType: tensor.FP32, Shape: []int{-1}}}
	writes := sound
	writes.Run = func(ctx context.Context, in []tensor.Tensor) ([]tensor.Tensor, error) {
		out, err := sound.Run(ctx, in)
		data := in[0].Data()
		data[len(data)-1]++
		return out, err
	}
	noted := func(edit func(*runnables.Instance)) runnables.Kind {
		return runnables.Kind{New: func(context.Context, runnables.Setup) (runnables.Runnable, error) {
			in, err := runnables.New(sound)
			edit(in)
			return in, err
		}}
	}
	failing := func(context.Context) error { return errors.New("cold") }
	var shared atomic.Bool
	return []bad{
		{"cannot be made", runnables.Kind{New: func(context.Context, runnables.Setup) (runnables.Runnable, error) {
			return nil, errors.New("no memory")
		}}, "no memory"},
		{"has a bad name", kindOf(runnables.Batch("No Name", "x", lengths)), "must match"},
		{"has another data type", kindOf(shaped), "has data type INT64, want FP32"},
		{"writes into its arguments", kindOf(writes), "changed its argument"},
		{"cannot warm up", noted(func(in *runnables.Instance) { in.OnWarmup = failing }), "cold"},
		{"cannot close", noted(func(in *runnables.Instance) { in.OnClose = func() error { return errors.New("stuck") } }), "stuck"},
		{"panics when closed", noted(func(in *runnables.Instance) { in.OnClose = func() error { panic("stuck") } }), "Close panics"},
		{"shares what Close frees", runnables.Kind{New: func(context.Context, runnables.Setup) (runnables.Runnable, error) {
			shared.Store(true)
			in, err := runnables.New(runnables.Batch("m", "x", func(ctx context.Context, in []string) ([]int, error) {
				if !shared.Load() {
					return nil, errors.New("freed")
				}
				return lengths(ctx, in)
			}))
			in.OnClose = func() error { shared.Store(false); return nil }
			return in, err
		}}, "after a second instance was closed"},
		{"is not concurrent", concurrentOnlyInName(), "somebody else is here"},
	}
}

// concurrentOnlyInName gives something else when it is called twice at once.
func concurrentOnlyInName() runnables.Kind {
	var last atomic.Pointer[[]string] // an atomic, so that -race does not find it first
	kind := kindOf(runnables.Batch("m", "x", func(ctx context.Context, in []string) ([]int, error) {
		last.Store(&in)
		for range 100 {
			runtime.Gosched() // gives way to other callers
		}
		if mine := last.Load(); mine != &in {
			return nil, errors.New("somebody else is here")
		}
		return lengths(ctx, in)
	}))
	kind.Resources.Concurrent = true
	return kind
}

func TestARunnableThatBreaksAPromiseIsFound(t *testing.T) {
	t.Parallel()
	for _, b := range append(badFunctions(), badInstances()...) {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				err := runnablestest.Check(t.Context(), b.kind, nil, sample("a", "bcd"), sample("ef"))
				time.Sleep(2 * time.Hour) // lets the method end that does not
				if err == nil || !strings.Contains(err.Error(), b.want) {
					t.Errorf("got %v, want a complaint with %q", err, b.want)
				}
			})
		})
	}
}

func TestSamplesThatDoNotFitAreFound(t *testing.T) {
	t.Parallel()
	kind := kindOf(runnables.Batch("m", "x", lengths))
	unknown, misnamed, wrong, few := sample("a"), sample("a"), sample("a"), sample("a")
	unknown.Method = "n"
	misnamed.Want = []tensor.Named{runnablestest.Values("y", []int{1}, int64(1))}
	wrong.Want = []tensor.Named{runnablestest.Values("result", []int{1}, int64(2))}
	few.Want = []tensor.Named{}
	for complaint, samples := range map[string][]runnablestest.Sample{
		`no method "n"`:             {sample("a"), unknown},
		`method "m" has no sample`:  nil,
		`wants of output "result"`:  {misnamed},
		"element 0 is":              {wrong},
		"wants 0 outputs":           {few},
		`argument "x" has no rows`:  {sample()},
		`there is no argument "xx"`: {{Method: "m", Inputs: []tensor.Named{runnablestest.Strings("xx", []int{1}, "a")}}},
	} {
		if err := runnablestest.Check(t.Context(), kind, nil, samples...); err == nil || !strings.Contains(err.Error(), complaint) {
			t.Errorf("got %v, want a complaint with %q", err, complaint)
		}
	}
}

func TestMethodsThatAKindNamesAreThoseOfItsInstances(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"m": "", "n": "the methods are [n], an instance has [m]"} {
		kind := kindOf(runnables.Batch("m", "x", lengths))
		kind.Resources.Methods = []string{name}
		err := runnablestest.Check(t.Context(), kind, nil, sample("a"))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}

func TestNumbersMayBeAToleranceApart(t *testing.T) {
	t.Parallel()
	constant := kindOf(runnables.Batch("m", "x", func(_ context.Context, in []string) ([]float32, error) {
		out := make([]float32, len(in))
		for i := range out {
			out[i] = 1000
			if in[i] == "nan" {
				out[i] = float32(math.NaN())
			}
		}
		return out, nil
	}))
	check := func(text string, want float32, tolerance float64) error {
		s := sample(text)
		s.Want = []tensor.Named{runnablestest.Values("result", []int{1}, want)}
		s.Tolerance = tolerance
		return runnablestest.Check(t.Context(), constant, nil, s)
	}
	for _, err := range []error{check("", 1000.005, 0), check("", 1009, 0.01), check("nan", float32(math.NaN()), 0)} {
		if err != nil {
			t.Error(err)
		}
	}
	for i, err := range []error{check("", 1001, 0), check("", 1100, 0.01), check("nan", 1, 0), check("", float32(math.Inf(1)), 1)} {
		if err == nil {
			t.Errorf("difference %d was not found", i)
		}
	}
}

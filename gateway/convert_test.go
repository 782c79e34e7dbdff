package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"reflect"
	"slices"
	"testing"

	"github.com/ekiben/ekiben/gateway"
	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

// inService runs fn with the client of a service.
func inService(t *testing.T, q *fakeQueue, fn func(ctx context.Context, c *gateway.Client) error) error {
	t.Helper()
	var got error
	h := withAPI(t, q, func(ctx context.Context, c *gateway.Client, _ string) (string, error) {
		got = fn(ctx, c)
		return "", nil
	})
	wantBody(t, send(t, h, http.MethodPost, "/api", "", "Content-Type", "text/plain"), http.StatusOK, "")
	return got
}

// wantRun runs a method of [everything] that echoes, and wants this result and
// shape of the argument.
func wantRun[T any](method string, want T, shape []int, arg any) func(*testing.T) {
	return func(t *testing.T) {
		t.Parallel()
		q := newFakeQueue(everything())
		err := inService(t, q, func(ctx context.Context, c *gateway.Client) error {
			got, err := gateway.Run[T](ctx, c, "all", method, arg)
			if !reflect.DeepEqual(got, want) {
				return errors.Join(err, fmt.Errorf("got %v, want %v", got, want))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := q.last(t).Inputs[0].Tensor.Shape(); !slices.Equal(got, shape) {
			t.Errorf("shape %v, want %v", got, shape)
		}
	}
}

func TestGoValuesStandForTensors(t *testing.T) {
	t.Parallel()
	type doc struct {
		A int `json:"a"`
	}
	made, err := tensor.Of([]int{1, 2}, []float32{1, float32(math.Inf(1))})
	if err != nil {
		t.Fatal(err)
	}
	t.Run("a text is a row", wantRun("text", "a", []int{1}, "a"))
	t.Run("texts", wantRun("text", []string{"a", "b"}, []int{2}, []string{"a", "b"}))
	t.Run("one of several texts", wantRun("text", []string{"a"}, []int{1}, "a"))
	t.Run("a scalar text", wantRun("one-text", "a", []int{}, "a"))
	t.Run("bytes are a row", wantRun("files", []byte{0, 255}, []int{1}, []byte{0, 255}))
	t.Run("files", wantRun("files", [][]byte{{0}, {255}}, []int{2}, [][]byte{{0}, {255}}))
	t.Run("a struct is a row", wantRun("documents", doc{1}, []int{1}, doc{1}))
	t.Run("structs", wantRun("documents", []doc{{1}, {2}}, []int{2}, []doc{{1}, {2}}))
	t.Run("one struct", wantRun("one-document", doc{1}, []int{}, doc{1}))
	t.Run("numbers of a row", wantRun("rows", []float32{1, 2}, []int{1, 2}, []float64{1, 2}))
	t.Run("an array of ints", wantRun("rows", [2]int{1, 2}, []int{1, 2}, [2]int{1, 2}))
	t.Run("rows", wantRun("rows", [][]float64{{1, 2}, {3, 4}}, []int{2, 2}, [][]float32{{1, 2}, {3, 4}}))
	t.Run("a tensor", wantRun("rows", made, []int{1, 2}, made))
	t.Run("anything", wantRun("rows", any([]any{[]any{1.0, 2.0}}), []int{1, 2}, []int{1, 2}))
}

func TestSlicesOfTheExactTypeMayHoldNaN(t *testing.T) {
	t.Parallel()
	numbers := spec("numbers",
		echoes("f32", true, value("x", tensor.FP32, "", -1)), echoes("f64", true, value("x", tensor.FP64, "", -1)),
		echoes("i64", true, value("x", tensor.Int64, "", -1)), echoes("i32", true, value("x", tensor.Int32, "", -1)))
	err := inService(t, newFakeQueue(numbers), func(ctx context.Context, c *gateway.Client) error {
		f32, err32 := gateway.Run[[]float32](ctx, c, "numbers", "f32", []float32{float32(math.Inf(1)), 1})
		f64, err64 := gateway.Run[[]float64](ctx, c, "numbers", "f64", []float64{math.Inf(-1), 1})
		i64, errI64 := gateway.Run[[]int64](ctx, c, "numbers", "i64", []int64{math.MaxInt64, 1})
		i32, errI32 := gateway.Run[[]int32](ctx, c, "numbers", "i32", []int32{math.MinInt32, 1})
		if !math.IsInf(float64(f32[0]), 1) || !math.IsInf(f64[0], -1) || i64[0] != math.MaxInt64 || i32[0] != math.MinInt32 {
			return fmt.Errorf("got %v %v %v %v", f32, f64, i64, i32)
		}
		return errors.Join(err32, err64, errI64, errI32)
	})
	if err != nil {
		t.Error(err)
	}
}

func TestSeveralArgumentsAndOutputsGoByOrderAndName(t *testing.T) {
	t.Parallel()
	type outputs struct {
		X    int    `json:"x"`
		Text string `json:"text"`
	}
	err := inService(t, newFakeQueue(everything()), func(ctx context.Context, c *gateway.Client) error {
		got, err := gateway.Run[outputs](ctx, c, "all", "two", 7, "seven")
		if got != (outputs{7, "seven"}) {
			return errors.Join(err, fmt.Errorf("got %v", got))
		}
		many, err := gateway.Run[map[string]any](ctx, c, "all", "two", []int{7, 8}, []string{"seven", "eight"})
		if !reflect.DeepEqual(many, map[string]any{"x": []any{7.0, 8.0}, "text": []any{"seven", "eight"}}) {
			return errors.Join(err, fmt.Errorf("got %v", many))
		}
		raw, err := c.Run(ctx, "all", "two", 7, "seven")
		if len(raw) != 2 || raw[1].Name != "text" {
			return errors.Join(err, fmt.Errorf("got %v", raw))
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestValuesThatDoNotFitAreTheServicesFault(t *testing.T) {
	t.Parallel()
	for name, run := range map[string]func(context.Context, *gateway.Client) error{
		"too few arguments": func(ctx context.Context, c *gateway.Client) error {
			_, err := gateway.Run[string](ctx, c, "all", "two", 1)
			return err
		},
		"another type": func(ctx context.Context, c *gateway.Client) error {
			_, err := gateway.Run[string](ctx, c, "all", "text", 1)
			return err
		},
		"what JSON cannot hold": func(ctx context.Context, c *gateway.Client) error {
			_, err := gateway.Run[string](ctx, c, "all", "rows", []float64{math.NaN(), 1})
			return err
		},
		"another result": func(ctx context.Context, c *gateway.Client) error {
			_, err := gateway.Run[int](ctx, c, "all", "text", "a")
			return err
		},
		"another result of two rows": func(ctx context.Context, c *gateway.Client) error {
			_, err := gateway.Run[int](ctx, c, "all", "text", []string{"a", "b"})
			return err
		},
		"another result of a scalar": func(ctx context.Context, c *gateway.Client) error {
			_, err := gateway.Run[int](ctx, c, "all", "one-text", "a")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := withAPI(t, newFakeQueue(everything()), func(ctx context.Context, c *gateway.Client, _ string) (string, error) {
				return "", run(ctx, c)
			})
			wantProblem(t, send(t, h, http.MethodPost, "/api", "", "Content-Type", "text/plain"), http.StatusInternalServerError, "internal")
		})
	}
}

func TestErrorsOfCallsPassThroughTheClient(t *testing.T) {
	t.Parallel()
	err := inService(t, newFakeQueue(everything()), func(ctx context.Context, c *gateway.Client) error {
		_, err := gateway.Run[string](ctx, c, "nobody", "text", "a")
		return err
	})
	if p, ok := errors.AsType[*gateway.Problem](err); !ok || p.Code != gateway.CodeNotFound {
		t.Errorf("unknown runner: %v", err)
	}
	err = inService(t, newFakeQueue(everything()), func(ctx context.Context, c *gateway.Client) error {
		_, err := gateway.Run[string](ctx, c, "all", "text", "\xff")
		return err
	})
	if !errors.Is(err, runnables.ErrInput) {
		t.Errorf("text that is none: %v", err)
	}
	err = inService(t, failing(queue.ErrNoWorker), func(ctx context.Context, c *gateway.Client) error {
		_, err := gateway.Run[string](ctx, c, "all", "text", "a")
		return err
	})
	if !errors.Is(err, queue.ErrNoWorker) {
		t.Errorf("no worker: %v", err)
	}
}

func TestCallsRunAndSubmitForCodeOfTheSameProcess(t *testing.T) {
	t.Parallel()
	q := newFakeQueue(everything())
	calls := newGateway(t, q, setup{}).Calls()
	reply, m, err := calls.Run(t.Context(), "all", "text", []tensor.Named{texts(t, "a")})
	if err != nil || m.Name != "text" || reply.Outputs[0].Tensor.Strings()[0] != "a" {
		t.Errorf("got %v %v %v", reply, m, err)
	}
	j, err := calls.Submit(t.Context(), "all", "text", []tensor.Named{texts(t, "a")})
	if err != nil || j.State != queue.Queued {
		t.Errorf("got %v %v", j, err)
	}
	for _, inputs := range [][]tensor.Named{nil, {{Name: "x"}}} {
		if _, _, err := calls.Run(t.Context(), "all", "text", inputs); !errors.Is(err, runnables.ErrInput) {
			t.Errorf("got %v", err)
		}
		if _, err := calls.Submit(t.Context(), "all", "text", inputs); !errors.Is(err, runnables.ErrInput) {
			t.Errorf("got %v", err)
		}
	}
	if _, err := calls.Submit(t.Context(), "nobody", "text", nil); err == nil {
		t.Error("a runner that is not there")
	}
}

func TestACallHasNoMoreTimeThanItsContext(t *testing.T) {
	t.Parallel()
	q := newFakeQueue(everything())
	calls := newGateway(t, q, setup{}).Calls()
	ctx, cancel := context.WithTimeout(t.Context(), 30e9)
	defer cancel()
	if _, _, err := calls.Run(ctx, "all", "text", []tensor.Named{texts(t, "a")}); err != nil {
		t.Fatal(err)
	}
	if got := q.last(t).Timeout.Seconds(); got > 30 || got < 20 {
		t.Errorf("timeout %vs", got)
	}
}

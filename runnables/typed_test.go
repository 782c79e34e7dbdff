package runnables_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

// texts is a BYTES tensor of one dimension.
func texts(t *testing.T, rows ...string) tensor.Tensor {
	t.Helper()
	return must(tensor.OfStrings([]int{len(rows)}, rows))(t)
}

// must returns a function that returns v, or fails the test that it is given.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestABatchMethodAnswersEachRow(t *testing.T) {
	t.Parallel()
	type score struct {
		Length int `json:"length"`
	}
	m := runnables.Batch("lengths", "texts", func(_ context.Context, in []string) ([]score, error) {
		out := make([]score, len(in))
		for i, s := range in {
			out[i].Length = len(s)
		}
		return out, nil
	})
	if err := m.Validate(); err != nil {
		t.Fatal(err)
	}
	out := must(m.Run(t.Context(), []tensor.Tensor{texts(t, "a", "bcd", "")}))(t)
	if err := runnables.CheckOutputs(m.Signature, out, 3); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%s", out[0].Items()); got != `[{"length":1} {"length":3} {"length":0}]` {
		t.Errorf("got %s", got)
	}
}

// roundTrip sends values through a method that returns them.
func roundTrip[T any](t *testing.T, in []T, dtype tensor.DType, shape string) {
	t.Helper()
	m := runnables.Batch("same", "value", func(_ context.Context, in []T) ([]T, error) { return in, nil })
	source := runnables.Batch("source", "n", func(context.Context, []bool) ([]T, error) { return in, nil })
	if _, err := runnables.New(m, source); err != nil {
		t.Fatal(err)
	}
	spec := m.Inputs[0]
	if spec.DType != dtype || fmt.Sprint(spec.Shape) != shape {
		t.Errorf("%T is %s, want %s %s", in, spec, dtype, shape)
	}
	flags := must(tensor.Of([]int{len(in)}, make([]bool, len(in))))(t)
	first := must(source.Run(t.Context(), []tensor.Tensor{flags}))(t)
	second := must(m.Run(t.Context(), first))(t)
	if !first[0].Equal(second[0]) {
		t.Errorf("%T %v changed on its way: %v", in, in, second[0])
	}
	if err := runnables.CheckOutputs(m.Signature, second, len(in)); err != nil {
		t.Error(err)
	}
}

type (
	celsius float32
	label   string
	pair    struct{ A, B int }
)

func TestGoTypesBecomeTensorsAndBack(t *testing.T) {
	t.Parallel()
	roundTrip(t, []bool{true, false}, tensor.Bool, "[-1]")
	roundTrip(t, []int{-1 << 60, 3}, tensor.Int64, "[-1]")
	roundTrip(t, []int8{-128, 3}, tensor.Int8, "[-1]")
	roundTrip(t, []int16{-1 << 15, 3}, tensor.Int16, "[-1]")
	roundTrip(t, []int32{-1 << 31, 3}, tensor.Int32, "[-1]")
	roundTrip(t, []int64{-1 << 63, 3}, tensor.Int64, "[-1]")
	roundTrip(t, []uint{1 << 63, 3}, tensor.Uint64, "[-1]")
	roundTrip(t, []uint8{255, 3}, tensor.Uint8, "[-1]")
	roundTrip(t, []uint16{1<<16 - 1, 3}, tensor.Uint16, "[-1]")
	roundTrip(t, []uint32{1<<32 - 1, 3}, tensor.Uint32, "[-1]")
	roundTrip(t, []uint64{1<<64 - 1, 3}, tensor.Uint64, "[-1]")
	roundTrip(t, []float32{1.5, -0.25}, tensor.FP32, "[-1]")
	roundTrip(t, []float64{1.5, -0.25}, tensor.FP64, "[-1]")
	roundTrip(t, []celsius{36.6}, tensor.FP32, "[-1]")
	roundTrip(t, []string{"a", "", "日本"}, tensor.Bytes, "[-1]")
	roundTrip(t, []label{"a", "b"}, tensor.Bytes, "[-1]")
	roundTrip(t, [][]byte{{0, 255}, {}}, tensor.Bytes, "[-1]")
	roundTrip(t, [][]float32{{1, 2, 3}, {4, 5, 6}}, tensor.FP32, "[-1 -1]")
	roundTrip(t, [][]celsius{{1}, {4}}, tensor.FP32, "[-1 -1]")
	roundTrip(t, [][]int{{1, 2}, {4, 5}}, tensor.Int64, "[-1 -1]")
	roundTrip(t, [][4]float64{{1, 2, 3, 4}, {5, 6, 7, 8}}, tensor.FP64, "[-1 4]")
	roundTrip(t, []pair{{1, 2}, {3, 4}}, tensor.Bytes, "[-1]")
	roundTrip(t, []map[string]int{{"a": 1}, {"b": 2}}, tensor.Bytes, "[-1]")
	roundTrip(t, []json.RawMessage{json.RawMessage(`{"a":[1,null]}`)}, tensor.Bytes, "[-1]")
	roundTrip(t, []any{"a", 1.5, nil}, tensor.Bytes, "[-1]")
	roundTrip(t, [][]string{{"a"}, {"b", "c"}}, tensor.Bytes, "[-1]")
}

func TestAMethodThatIsNotBatchableNeedsNoArgument(t *testing.T) {
	t.Parallel()
	instance, err := runnables.New(runnables.SingleArgs("version", func(context.Context, struct{}) (int, error) { return 7, nil }))
	if err != nil {
		t.Fatal(err)
	}
	outputs, err := instance.Methods()[0].Run(t.Context(), nil)
	if err != nil || len(outputs) != 1 {
		t.Fatalf("answers %v, %v", outputs, err)
	}
	if v, err := tensor.Values[int64](outputs[0]); err != nil || len(v) != 1 || v[0] != 7 {
		t.Errorf("answers %v, %v, want 7", v, err)
	}
}

func TestTypesThatAreNoValuesAreRefused(t *testing.T) {
	t.Parallel()
	type args struct {
		Text string     `json:"text"`
		Done chan error `json:"done"`
	}
	methods := []runnables.Method{
		runnables.Batch("m", "x", func(context.Context, []chan int) ([]int, error) { return nil, nil }),
		runnables.Single("m", "x", func(context.Context, int) (func(), error) { return nil, nil }),
		runnables.BatchArgs("m", func(context.Context, []args) ([]int, error) { return nil, nil }),
		runnables.SingleArgs("m", func(context.Context, int) (int, error) { return 0, nil }),
		runnables.BatchArgs("m", func(context.Context, []struct{}) ([]int, error) { return nil, nil }),
		runnables.Single("m", "", func(context.Context, int) (int, error) { return 0, nil }),
	}
	for i, m := range methods {
		if _, err := runnables.New(m); err == nil {
			t.Errorf("method %d was accepted", i)
		} else {
			t.Log(err)
		}
	}
}

func TestASingleMethodTakesScalars(t *testing.T) {
	t.Parallel()
	m := runnables.Single("is_long", "text", func(_ context.Context, in string) (bool, error) { return len(in) > 3, nil })
	if m.Batchable || len(m.Inputs[0].Shape) != 0 || len(m.Outputs[0].Shape) != 0 {
		t.Fatalf("signature %+v", m.Signature)
	}
	in := must(tensor.OfStrings([]int{}, []string{"long enough"}))(t)
	out := must(m.Run(t.Context(), []tensor.Tensor{in}))(t)
	if err := runnables.CheckOutputs(m.Signature, out, 1); err != nil {
		t.Fatal(err)
	}
	if got := must(tensor.Values[bool](out[0]))(t); !got[0] {
		t.Error("got false")
	}
}

func TestArgumentsAreTheFieldsOfAStruct(t *testing.T) {
	t.Parallel()
	type args struct {
		Text    string    `json:"text"`
		Weights []float64 `json:"weights,omitempty"`
		Times   int
		skipped int
		Ignored int `json:"-"`
	}
	join := func(_ context.Context, in []args) ([]string, error) {
		out := make([]string, len(in))
		for i, a := range in {
			out[i] = fmt.Sprint(strings.Repeat(a.Text, a.Times), a.Weights, a.skipped, a.Ignored)
		}
		return out, nil
	}
	m := runnables.BatchArgs("join", join)
	if _, err := runnables.New(m); err != nil {
		t.Fatal(err)
	}
	ordered, rows, err := runnables.CheckInputs(m.Signature, []tensor.Named{
		{Name: "Times", Tensor: must(tensor.Of([]int{2}, []int64{2, 1}))(t)},
		{Name: "weights", Tensor: must(tensor.Of([]int{2, 1}, []float64{0.5, 1.5}))(t)},
		{Name: "text", Tensor: texts(t, "a", "b")},
	})
	if err != nil || rows != 2 {
		t.Fatal(rows, err)
	}
	out := must(m.Run(t.Context(), ordered))(t)
	if got := strings.Join(out[0].Strings(), "|"); got != "aa[0.5] 0 0|b[1.5] 0 0" {
		t.Errorf("got %s", got)
	}
}

func TestAWrongNumberOfAnswersIsAnErrorThatNamesBoth(t *testing.T) {
	t.Parallel()
	m := runnables.Batch("m", "x", func(context.Context, []string) ([]int, error) { return []int{1, 2}, nil })
	_, err := m.Run(t.Context(), []tensor.Tensor{texts(t, "a", "b", "c")})
	if !errors.Is(err, runnables.ErrOutputLength) || !errors.Is(err, runnables.ErrOutput) {
		t.Fatalf("got %v", err)
	}
	if !strings.Contains(err.Error(), "3 values were answered with 2") {
		t.Errorf("got %v", err)
	}
}

func TestVectorsOfDifferentLengthsAreAnError(t *testing.T) {
	t.Parallel()
	m := runnables.Batch("m", "x", func(context.Context, []string) ([][]float32, error) {
		return [][]float32{{1}, {1, 2}}, nil
	})
	if _, err := m.Run(t.Context(), []tensor.Tensor{texts(t, "a", "b")}); !errors.Is(err, runnables.ErrOutput) {
		t.Errorf("got %v", err)
	}
}

func TestErrorsOfRowsComeWithTheOtherRows(t *testing.T) {
	t.Parallel()
	bad := errors.New("bad")
	m := runnables.Batch("m", "x", func(_ context.Context, in []json.RawMessage) ([][]float32, error) {
		return [][]float32{{1}, nil, {3}}[:len(in)], runnables.RowErrors{1: bad, 0: nil}
	})
	out, err := m.Run(t.Context(), []tensor.Tensor{texts(t, "1", "2", "3")})
	rows, ok := errors.AsType[runnables.RowErrors](err)
	if !ok || len(rows) != 1 || !errors.Is(rows[1], bad) {
		t.Fatalf("got %v", err)
	}
	if got := must(tensor.Values[float32](out[0]))(t); len(got) != 3 || got[0] != 1 || got[2] != 3 {
		t.Errorf("got %v", got)
	}
}

func TestJSONThatDoesNotFitFailsItsRowAloneAndShiftsNothing(t *testing.T) {
	t.Parallel()
	bad := errors.New("bad")
	m := runnables.Batch("m", "x", func(_ context.Context, in []pair) ([]int, error) {
		out := make([]int, len(in))
		failed := runnables.RowErrors{}
		for i, p := range in {
			out[i] = p.A
			if p.B < 0 {
				failed[i] = bad
			}
		}
		return out, failed
	})
	rows := texts(t, `{"A":1}`, `"no"`, `{"A":3,"B":-1}`, `[`, `{"A":5}`)
	out, err := m.Run(t.Context(), []tensor.Tensor{rows})
	failed, _ := errors.AsType[runnables.RowErrors](err)
	if len(failed) != 3 || !errors.Is(failed[1], runnables.ErrInput) || failed[2] != bad || !errors.Is(failed[3], runnables.ErrInput) {
		t.Fatalf("got %v", err)
	}
	got := must(tensor.Values[int64](out[0]))(t)
	if len(got) != 5 || got[0] != 1 || got[4] != 5 {
		t.Errorf("got %v", got)
	}
	all, err := m.Run(t.Context(), []tensor.Tensor{texts(t, "[", "[")})
	if failed, _ := errors.AsType[runnables.RowErrors](err); len(failed) != 2 || all[0].Len() != 2 {
		t.Errorf("got %v, %v", all, err)
	}
	single := runnables.Single("m", "x", func(_ context.Context, p pair) (int, error) { return p.A, nil })
	_, err = single.Run(t.Context(), []tensor.Tensor{must(tensor.OfStrings([]int{}, []string{"["}))(t)})
	if _, rows := errors.AsType[runnables.RowErrors](err); rows || !errors.Is(err, runnables.ErrInput) {
		t.Errorf("got %v", err)
	}
}

func TestAResultThatIsNoJSONFailsItsRowAlone(t *testing.T) {
	t.Parallel()
	m := runnables.Batch("m", "x", func(_ context.Context, in []string) ([]any, error) {
		return []any{1, make(chan int), "<3"}, nil
	})
	out, err := m.Run(t.Context(), []tensor.Tensor{texts(t, "a", "b", "c")})
	failed, _ := errors.AsType[runnables.RowErrors](err)
	if len(failed) != 1 || !errors.Is(failed[1], runnables.ErrOutput) || strings.Join(out[0].Strings(), "|") != `1|null|"<3"` {
		t.Errorf("got %q, %v", out[0].Strings(), err)
	}
}

func TestErrorsForRowsThatDoNotExistAreNotLost(t *testing.T) {
	t.Parallel()
	m := runnables.Batch("m", "x", func(_ context.Context, in []string) ([]string, error) {
		return in, runnables.RowErrors{7: errors.New("bad")}
	})
	if _, err := m.Run(t.Context(), []tensor.Tensor{texts(t, "a")}); !errors.Is(err, runnables.ErrOutput) {
		t.Errorf("got %v", err)
	}
}

func TestAFunctionMayChangeItsArguments(t *testing.T) {
	t.Parallel()
	blank := runnables.Batch("m", "x", func(_ context.Context, in [][]byte) ([]int, error) {
		clear(in[0])
		return make([]int, len(in)), nil
	})
	negate := runnables.Batch("m", "x", func(_ context.Context, in [][]float32) ([]int, error) {
		in[0] = append(in[0][:0], 7, 7, 7)
		return []int{int(in[1][0]), 0}, nil
	})
	in := texts(t, "abc")
	must(blank.Run(t.Context(), []tensor.Tensor{in}))(t)
	if in.Strings()[0] != "abc" {
		t.Error("the tensor was changed")
	}
	vectors := must(tensor.Of([]int{2, 2}, []float32{1, 2, 3, 4}))(t)
	out := must(negate.Run(t.Context(), []tensor.Tensor{vectors}))(t)
	if got := must(tensor.Values[int64](out[0]))(t); got[0] != 3 {
		t.Errorf("appending to one row changed the next: %v", got)
	}
	if got := must(tensor.Values[float32](vectors))(t); got[0] != 1 {
		t.Error("the tensor was changed")
	}
}

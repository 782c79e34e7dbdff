package runnablestest_test

import (
	"context"
	"strings"
	"testing"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/runnables/runnablestest"
	"github.com/ekiben/ekiben/tensor"
)

// passing is a method that answers with the arguments that it is given, or with
// what answer makes of them, and has not declared that.
func passing(answer func(given []tensor.Tensor) []tensor.Tensor) runnables.Method {
	return runnables.Method{
		Signature: runnables.Signature{
			Name: "m", Batchable: true,
			Inputs: []runnables.ValueSpec{
				{Name: "x", DType: tensor.Any, Content: runnables.JSON},
				{Name: "y", DType: tensor.Any, Content: runnables.JSON, Optional: true},
			},
		},
		Run: func(_ context.Context, inputs []tensor.Tensor) ([]tensor.Tensor, error) {
			var given []tensor.Tensor
			for _, in := range inputs {
				if in.DType().Valid() {
					given = append(given, in)
				}
			}
			return answer(given), nil
		},
	}
}

func TestARunnableOfAnyTypeConforms(t *testing.T) {
	t.Parallel()
	numbers := runnablestest.Values("x", []int{3}, int64(1), int64(2), int64(3))
	documents := runnablestest.Strings("y", []int{3}, `{"a":1}`, "null", `[1,"b"]`)
	want := func(name string, from tensor.Named) tensor.Named {
		return tensor.Named{Name: name, Tensor: from.Tensor}
	}
	runnablestest.Conform(t, kindOf(passing(func(given []tensor.Tensor) []tensor.Tensor { return given })), nil,
		runnablestest.Sample{Method: "m", Inputs: []tensor.Named{numbers}, Want: []tensor.Named{want("result", numbers)}},
		runnablestest.Sample{
			Method: "m", Inputs: []tensor.Named{documents, numbers},
			Want: []tensor.Named{want("result_0", numbers), want("result_1", documents)},
		},
	)
}

func TestARunnableWhoseOutputsComeAndGoDoesNotConform(t *testing.T) {
	t.Parallel()
	calls := 0
	kind := kindOf(passing(func(given []tensor.Tensor) []tensor.Tensor {
		calls++
		return append(given, given...)[:1+calls%2]
	}))
	s := runnablestest.Sample{Method: "m", Inputs: []tensor.Named{runnablestest.Values("x", []int{1}, int64(1))}}
	if err := runnablestest.Check(t.Context(), kind, nil, s); err == nil || !strings.Contains(err.Error(), "outputs, want") {
		t.Errorf("got %v", err)
	}
}

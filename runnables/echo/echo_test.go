package echo_test

import (
	"testing"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/runnables/echo"
	"github.com/ekiben/ekiben/runnables/runnablestest"
	"github.com/ekiben/ekiben/tensor"
)

// same is a sample whose output is its input.
func same(in tensor.Named) runnablestest.Sample {
	out := in
	out.Name = runnables.ResultName
	return runnablestest.Sample{Method: "run", Inputs: []tensor.Named{in}, Want: []tensor.Named{out}}
}

func TestEchoConforms(t *testing.T) {
	t.Parallel()
	runnablestest.Conform(t, echo.Kind(), nil,
		same(runnablestest.Strings("input", []int{3}, "a", "", "\x00\xff")),
		same(runnablestest.Strings("input", []int{1}, "b")))
}

func TestEchoTakesAnyTypeAndShape(t *testing.T) {
	t.Parallel()
	runnablestest.Conform(t, echo.Kind(), runnables.Init{"datatype": "FP32", "shape": []int{-1, -1, 2}},
		same(runnablestest.Values("input", []int{1, 2, 2}, float32(1), 2, 3, 4)),
		same(runnablestest.Values("input", []int{2, 1, 2}, float32(1), 2, 3, 4)))
	runnablestest.Conform(t, echo.Kind(), runnables.Init{"content": "json"},
		same(runnablestest.Strings("input", []int{2}, `{"a":1}`, `null`)))
}

func TestEchoRefusesParametersThatMakeNoMethod(t *testing.T) {
	t.Parallel()
	for _, init := range []runnables.Init{
		{"datatype": "FP33"},
		{"shape": []int{}},
		{"shape": []int{3, -1}},
		{"datatype": "FP32", "content": "text"},
		{"content": "xml"},
		{"sahpe": []int{-1}},
	} {
		if in, err := echo.Kind().New(t.Context(), runnables.Setup{Runner: runnables.Runner{Init: init}}); err == nil || in != nil {
			t.Errorf("%v was accepted", init)
		}
	}
}

//go:build cgo

package onnx_test

import (
	"testing"

	"github.com/ekiben/ekiben/internal/onnxtest"
	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/runnables/onnx"
	"github.com/ekiben/ekiben/runnables/runnablestest"
	"github.com/ekiben/ekiben/tensor"
)

// The library does not write such outputs where it is told to.
func TestAnInputThatIsAnOutputComesBack(t *testing.T) {
	t.Parallel()
	onnxtest.Need(t)
	sample := func(rows int) runnablestest.Sample {
		values, negative, texts := make([]float32, 2*rows), make([]float32, 2*rows), make([]string, rows)
		for i := range values {
			values[i], negative[i], texts[i/2] = float32(i)+1, -float32(i)-1, string(rune('a'+i/2))
		}
		shape := []int{rows, 2}
		x, h, text := runnablestest.Values("x", shape, values...), half("half", tensor.FP16, shape, values...), runnablestest.Strings("text", []int{rows}, texts...)
		return runnablestest.Sample{
			Method: "run", Inputs: []tensor.Named{x, h, text},
			Want: []tensor.Named{runnablestest.Values("negative", shape, negative...), text, h, x},
		}
	}
	runnablestest.Conform(t, onnx.Kind(), runnables.Init{"path": model("passed")}, sample(2), sample(1), sample(5))
}

func TestAScalarThatIsAnOutputComesBack(t *testing.T) {
	t.Parallel()
	onnxtest.Need(t)
	x := runnablestest.Values("x", []int{}, int64(7))
	runnablestest.Conform(t, onnx.Kind(), runnables.Init{"path": model("passedscalar")}, runnablestest.Sample{
		Method: "run", Inputs: []tensor.Named{x}, Want: []tensor.Named{x, runnablestest.Values("constant", []int{2}, float32(5), 6)},
	})
}

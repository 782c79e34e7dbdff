//go:build gputest && cgo

package onnx_test

import (
	"testing"

	"github.com/ekiben/ekiben/internal/gputest"
	"github.com/ekiben/ekiben/internal/onnxtest"
	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/runnables/runnablestest"
	"github.com/ekiben/ekiben/tensor"
)

// Run by make gpu-test.
func TestOnARealGPUAModelComputesWithCUDA(t *testing.T) { //nolint:paralleltest // one session at a time on the GPU
	devices := gputest.Need(t)
	if library := onnxtest.Need(t); !library.HasCUDA() {
		t.Skipf("%s has no CUDA: name a library that has in ONNXRUNTIME_LIB", library.Path)
	}
	d := devices[len(devices)-1]
	if d.Part {
		t.Skip("the last GPU is in MIG mode: its parts are for instances that are processes")
	}
	s := setup(runnables.Init{"path": model("arithmetic")})
	s.Place = runnables.Place{Devices: []string{d.UUID}, Indices: []int{d.Index}, Threads: 1}
	m := start(t, s)
	for rows := 1; rows <= 64; rows *= 4 {
		a, b, want := make([]float32, 3*rows), make([]int64, rows), make([]float32, 3*rows)
		for i := range a {
			a[i], b[i/3] = float32(i)/2, int64(i/3)
			want[i] = a[i] + float32(i/3)
		}
		out, err := m.Run(t.Context(), []tensor.Tensor{
			runnablestest.Values("a", []int{rows, 3}, a...).Tensor, runnablestest.Values("b", []int{rows, 1}, b...).Tensor,
		})
		if err != nil || !out[0].Equal(runnablestest.Values("sum", []int{rows, 3}, want...).Tensor) {
			t.Errorf("%d rows on GPU %d: %v, %v", rows, d.Index, out, err)
		}
	}
}

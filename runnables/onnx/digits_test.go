//go:build cgo

package onnx_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/ekiben/ekiben/internal/onnxtest"
	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/runnables/onnx"
	"github.com/ekiben/ekiben/runnables/runnablestest"
	"github.com/ekiben/ekiben/tensor"
)

const digits = "../../examples/digits"

// images are those of the example that its model was not trained on.
func images(t *testing.T) (pixels []float32, digit []int64) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(digits, "heldout.csv"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		for i, field := range strings.Split(strings.TrimSpace(line), ",") {
			n, err := strconv.Atoi(field)
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				digit = append(digit, int64(n))
			} else {
				pixels = append(pixels, float32(n))
			}
		}
	}
	return pixels, digit
}

func TestTheModelOfTheExampleConforms(t *testing.T) {
	t.Parallel()
	onnxtest.Need(t)
	pixels, _ := images(t)
	sample := func(from, to int) runnablestest.Sample {
		return runnablestest.Sample{Method: "run", Inputs: []tensor.Named{
			runnablestest.Values("images", []int{to - from, 64}, pixels[from*64:to*64]...),
		}}
	}
	runnablestest.Conform(t, onnx.Kind(), runnables.Init{"path": filepath.Join(digits, "digits.onnx")}, sample(0, 7), sample(7, 8), sample(8, 40))
}

func TestTheModelOfTheExampleIsAsAccurateAsItsReadmeSays(t *testing.T) {
	t.Parallel()
	m := start(t, setup(runnables.Init{"path": filepath.Join(digits, "digits.onnx")}))
	pixels, want := images(t)
	out, err := m.Run(t.Context(), []tensor.Tensor{runnablestest.Values("", []int{len(want), 64}, pixels...).Tensor})
	if err != nil {
		t.Fatal(err)
	}
	got, err := tensor.Values[int64](out[0])
	if err != nil {
		t.Fatal(err)
	}
	right := 0
	for i := range want {
		if got[i] == want[i] {
			right++
		}
	}
	if right != 349 || len(want) != 360 {
		t.Errorf("%d of %d images are read right, want 349 of 360", right, len(want))
	}
}

func BenchmarkDigits(b *testing.B) {
	onnxtest.Need(b)
	for _, rows := range []int{1, 32, 250} {
		b.Run(strconv.Itoa(rows), func(b *testing.B) {
			s := setup(runnables.Init{"path": filepath.Join(digits, "digits.onnx")})
			s.Place.Threads = 1
			in, err := onnx.Kind().New(b.Context(), s)
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = in.Close() }()
			run := in.Methods()[0].Run
			inputs := []tensor.Tensor{runnablestest.Values("", []int{rows, 64}, make([]float32, rows*64)...).Tensor}
			for b.Loop() {
				if _, err := run(b.Context(), inputs); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

//go:build cgo

package onnx_test

import (
	"strings"
	"testing"

	"github.com/ekiben/ekiben/internal/onnxtest"
	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/runnables/onnx"
)

// As many rows as are found are not as many as came in: said when it starts.
func TestAWrongBatchDimensionIsFoundByTheWarmUp(t *testing.T) {
	t.Parallel()
	onnxtest.Need(t)
	s := setup(runnables.Init{"path": model("found"), "batchable": true})
	s.Runner = s.Runner.WithDefaults()
	in, err := onnx.Kind().New(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	if err := in.(runnables.Warmer).Warmup(t.Context()); err == nil || !strings.Contains(err.Error(), "warm-up with 1 rows") {
		t.Errorf("%v", err)
	}
}

func TestRowsThatDependOnEachOtherAreFoundByTheWarmUp(t *testing.T) {
	t.Parallel()
	onnxtest.Need(t)
	s := setup(runnables.Init{"path": model("unnamed")})
	s.Runner = s.Runner.WithDefaults()
	in, err := onnx.Kind().New(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	if err := in.(runnables.Warmer).Warmup(t.Context()); err == nil || !strings.Contains(err.Error(), "set batchable: false") || strings.Contains(err.Error(), "warmup: false") {
		t.Errorf("%v", err)
	}
}

// Of a size that cannot be, so that it shows whether it is tried.
func TestTheWarmUpHasTheLargestBatchOfTheMethod(t *testing.T) {
	t.Parallel()
	onnxtest.Need(t)
	warm := func(init runnables.Init, methods ...runnables.MethodLimits) error {
		s := setup(init)
		s.Runner.MaxBatchSize, s.Runner.Methods = 1<<62, methods
		s.Runner = s.Runner.WithDefaults()
		in, err := onnx.Kind().New(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = in.Close() }()
		if w, ok := in.(runnables.Warmer); ok {
			return w.Warmup(t.Context())
		}
		return nil
	}
	init := runnables.Init{"path": model("arithmetic"), "method": "add"}
	if err := warm(init); err == nil || !strings.Contains(err.Error(), "warm-up: ") {
		t.Errorf("the runner's: %v", err)
	}
	if err := warm(init, runnables.MethodLimits{Name: "add", MaxBatchSize: 4}); err != nil {
		t.Errorf("the method's: %v", err)
	}
	init["warmup"] = false
	if err := warm(init); err != nil {
		t.Errorf("without: %v", err)
	}
}

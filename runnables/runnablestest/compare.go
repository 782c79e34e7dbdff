package runnablestest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

// compare says how got differs from want, two values of one output.
func compare(spec runnables.ValueSpec, got, want tensor.Tensor, tolerance float64) error {
	if got.DType() != want.DType() || !slices.Equal(got.Shape(), want.Shape()) {
		return fmt.Errorf("got %s %v, want %s %v", got.DType(), got.Shape(), want.DType(), want.Shape())
	}
	g, err := elements(spec, got)
	if err != nil {
		return err
	}
	w, err := elements(spec, want)
	if err != nil {
		return err
	}
	for i := range w {
		if !near(g[i], w[i], tolerance) {
			return fmt.Errorf("element %d is %v, want %v", i, show(g[i]), show(w[i]))
		}
	}
	return nil
}

// elements are the elements of a tensor: float64, decoded JSON, or bytes.
func elements(spec runnables.ValueSpec, t tensor.Tensor) ([]any, error) {
	all := make([]any, t.Len())
	switch size := t.DType().Size(); t.DType() {
	case tensor.FP64:
		values, err := tensor.Values[float64](t)
		for i, v := range values {
			all[i] = v
		}
		return all, err
	case tensor.FP32, tensor.FP16, tensor.BF16:
		values, err := t.Float32s()
		for i, v := range values {
			all[i] = float64(v)
		}
		return all, err
	case tensor.Bytes:
		for i, item := range t.Items() {
			if spec.Content != runnables.JSON {
				all[i] = item
			} else if err := json.Unmarshal(item, &all[i]); err != nil {
				return nil, fmt.Errorf("element %d: %w", i, err)
			}
		}
	default:
		for i := range all {
			all[i] = t.Data()[i*size : (i+1)*size]
		}
	}
	return all, nil
}

// near compares two elements; numbers may be a tolerance apart.
func near(got, want any, tolerance float64) bool {
	switch want := want.(type) {
	case float64:
		got, ok := got.(float64)
		return ok && nearNumber(got, want, tolerance)
	case []byte:
		got, ok := got.([]byte)
		return ok && bytes.Equal(got, want)
	case []any:
		got, ok := got.([]any)
		return ok && slices.EqualFunc(got, want, func(g, w any) bool { return near(g, w, tolerance) })
	case map[string]any:
		got, ok := got.(map[string]any)
		if !ok || len(got) != len(want) {
			return false
		}
		for key, w := range want {
			if g, ok := got[key]; !ok || !near(g, w, tolerance) {
				return false
			}
		}
		return true
	default:
		return reflect.DeepEqual(got, want)
	}
}

func nearNumber(got, want, tolerance float64) bool {
	if got == want || math.IsNaN(got) && math.IsNaN(want) {
		return true
	}
	return math.Abs(got-want) <= tolerance*max(1, math.Abs(want)) && !math.IsInf(want, 0)
}

// show prints bytes as text.
func show(element any) string {
	if b, ok := element.([]byte); ok {
		return fmt.Sprintf("%q", b)
	}
	return fmt.Sprint(element)
}

//go:build linux

package python_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

// records are the documents of a call.
func records(t *testing.T, documents ...string) tensor.Tensor {
	t.Helper()
	rows, err := tensor.OfStrings([]int{len(documents)}, documents)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestDataFramesOfCallsThatRunTogetherDoNotMix(t *testing.T) {
	t.Parallel()
	i := start(t, setup("frames:Frames"))
	calls := []tensor.Tensor{
		records(t, `{"a":1,"b":2}`, `{"a":3,"b":4}`),
		records(t, `{"b":2,"a":1}`),
		records(t, `{"a":0.5,"b":7}`, `{"a":null,"b":7}`),
		records(t, `[5]`),
		records(t, `{"a":6,"b":7}`),
	}
	var alone []string
	for _, call := range calls {
		alone = append(alone, said(t, i, call)...)
	}
	if together := said(t, i, calls...); !slices.Equal(together, alone) {
		t.Errorf("together\n%q\nalone\n%q", together, alone)
	}
	// What cannot be made one tensor is left to the worker, which runs calls apart.
	_, err := method(t, i, "values").RunParts(t.Context(), [][]tensor.Tensor{{calls[0], calls[2]}})
	if !errors.Is(err, runnables.ErrOutput) {
		t.Errorf("numbers of two types were answered with %v", err)
	}
}

// said runs calls together.
func said(t *testing.T, i runnables.Runnable, calls ...tensor.Tensor) []string {
	t.Helper()
	out, err := method(t, i, "said").RunParts(t.Context(), [][]tensor.Tensor{calls})
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, item := range out.Tensors[0].Items() {
		texts = append(texts, string(item))
	}
	return texts
}

package runnables_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

// A crash is that of the whole execution, also through an adapter.
func TestACrashComesThroughAdapters(t *testing.T) {
	t.Parallel()

	died := fmt.Errorf("%w: signal: killed", runnables.ErrCrashed)
	for name, m := range map[string]runnables.Method{
		"batch":  runnables.Batch("run", "x", func(context.Context, []string) ([]string, error) { return nil, died }),
		"single": runnables.Single("run", "x", func(context.Context, string) (string, error) { return "", died }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			in := texts(t, "a", "b")
			if name == "single" {
				in = must(tensor.OfStrings(nil, []string{"a"}))(t)
			}
			_, err := m.Run(t.Context(), []tensor.Tensor{in})
			if !errors.Is(err, runnables.ErrCrashed) {
				t.Errorf("Run() = %v, want that the instance crashed", err)
			}
			if _, rows := errors.AsType[runnables.RowErrors](err); rows || errors.Is(err, runnables.ErrInput) {
				t.Errorf("Run() = %v, which blames rows", err)
			}
		})
	}
}

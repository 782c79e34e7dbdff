package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

// trip is a size of benchmark 9.
type trip struct {
	name   string
	row    []int // shape of each call, which has one row of FP32
	calls  int
	target float64 // of the p50, in µs
	times  int
}

func trips() []trip {
	image := []int{3, 224, 224}
	return []trip{
		{"1 KB", []int{256}, 1, 20, 5000},
		{"602 KB", image, 1, 60, 2000},
		{"9.6 MB in 16 calls", image, 16, 1200, 500},
	}
}

// trips is benchmark 9: how long it takes to hand a batch to a Python that does
// nothing with it, and to have its answer of 4 bytes a row.
func (b *bench) trips(ctx context.Context) (_ []Figure, err error) {
	dir, err := b.modelFiles(ctx)
	if err != nil {
		return nil, err
	}
	options := runnables.Runner{Name: "model", Runnable: "python:noop:Noop", Dir: dir, Python: b.Python}
	instance, method, err := b.instance(ctx, options, "run")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, instance.Close()) }()
	var figures []Figure
	for _, t := range trips() {
		p50, err := t.measure(ctx, method, b.times(t.times))
		if err != nil {
			return figures, fmt.Errorf("%s: %w", t.name, err)
		}
		figures = append(figures, atMost(9, "Python and back, "+t.name+", p50 in µs", fmt.Sprintf("%.0f µs", p50), p50, t.target))
	}
	return figures, nil
}

// measure is the median of so many round trips, in µs.
func (t trip) measure(ctx context.Context, method runnables.Method, times int) (float64, error) {
	n, err := tensor.Elements(t.row)
	if err != nil {
		return 0, err
	}
	row, err := tensor.Of(append([]int{1}, t.row...), make([]float32, n))
	if err != nil {
		return 0, err
	}
	parts := slices.Repeat([]tensor.Tensor{row}, t.calls)
	var took rounds
	for i := range times + times/4 {
		began := time.Now()
		if err := runBatch(ctx, method, parts); err != nil {
			return 0, err
		}
		if i >= times/4 { // warm
			took = append(took, float64(time.Since(began).Microseconds()))
		}
	}
	return took.median(), nil
}

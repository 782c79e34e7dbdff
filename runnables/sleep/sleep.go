// Package sleep is a runnable that takes a known time and does nothing, for
// load tests and for checking simulations: a batch costs a fixed time and a
// time for each row, as those of many models do.
package sleep

import (
	"context"
	"errors"
	"time"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

// Init are the parameters of the runnable, durations such as "20ms".
type Init struct {
	// Fixed is what a batch costs whatever its size. Default: 20ms.
	Fixed Duration `json:"fixed"`

	// PerRow is what each row adds. Default: 2ms.
	PerRow Duration `json:"per_row"`
}

// Duration is a time.Duration that is written as text.
type Duration time.Duration

// UnmarshalText reads what time.ParseDuration reads.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return err
	}
	*d = Duration(parsed)
	return nil
}

// Kind makes instances with two methods that return their argument input,
// opaque bytes, after a while: run is batchable, solo is not and costs as much
// as a batch of one row. Both end early when their context does. An instance
// serves one batch at a time, like a model on a device.
func Kind() runnables.Kind { return runnables.Kind{New: newInstance} }

func newInstance(_ context.Context, params runnables.Init) (runnables.Runnable, error) {
	init := Init{Fixed: Duration(20 * time.Millisecond), PerRow: Duration(2 * time.Millisecond)}
	if err := params.Decode(&init); err != nil {
		return nil, err
	}
	if init.Fixed < 0 || init.PerRow < 0 {
		return nil, errors.New("init parameters: fixed and per_row must not be negative")
	}
	instance, err := runnables.New(init.method("run", true), init.method("solo", false))
	if err != nil {
		return nil, err
	}
	return instance, nil
}

func (init Init) method(name string, batchable bool) runnables.Method {
	shape := []int{}
	if batchable {
		shape = []int{-1}
	}
	return runnables.Method{
		Signature: runnables.Signature{
			Name:      name,
			Batchable: batchable,
			Inputs:    []runnables.ValueSpec{{Name: "input", DType: tensor.Bytes, Shape: shape}},
			Outputs:   []runnables.ValueSpec{{Name: runnables.ResultName, DType: tensor.Bytes, Shape: shape}},
		},
		Run: func(ctx context.Context, inputs []tensor.Tensor) ([]tensor.Tensor, error) {
			return inputs, wait(ctx, time.Duration(init.Fixed)+time.Duration(inputs[0].Len())*time.Duration(init.PerRow))
		},
	}
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

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

	// Datatype is the protocol's name of what run takes. Default: BYTES.
	Datatype tensor.DType `json:"datatype"`

	// Shape of what run takes; dimension 0 counts rows and must be -1. Calls with
	// other sizes in the other dimensions cannot run together. Default: [-1].
	Shape []int `json:"shape"`
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

// Kind makes instances with two methods that return their argument input after a
// while: run is batchable; solo, which takes opaque bytes, is not and costs as
// much as a batch of one row. Both end early when their context does. An instance
// serves one batch at a time, like a model on a device.
func Kind() runnables.Kind {
	return runnables.Kind{New: newInstance, Resources: runnables.Resources{Methods: []string{"run", "solo"}}}
}

func newInstance(_ context.Context, s runnables.Setup) (runnables.Runnable, error) {
	init := Init{Fixed: Duration(20 * time.Millisecond), PerRow: Duration(2 * time.Millisecond), Datatype: tensor.Bytes, Shape: []int{-1}}
	if err := s.Runner.Init.Decode(&init); err != nil {
		return nil, err
	}
	if init.Fixed < 0 || init.PerRow < 0 {
		return nil, errors.New("init parameters: fixed and per_row must not be negative")
	}
	run := runnables.ValueSpec{Name: "input", DType: init.Datatype, Shape: init.Shape}
	solo := runnables.ValueSpec{Name: "input", DType: tensor.Bytes, Shape: []int{}}
	instance, err := runnables.New(init.method("run", run, true), init.method("solo", solo, false))
	if err != nil {
		return nil, err
	}
	return instance, nil
}

func (init Init) method(name string, input runnables.ValueSpec, batchable bool) runnables.Method {
	result := input
	result.Name = runnables.ResultName
	return runnables.Method{
		Signature: runnables.Signature{
			Name:      name,
			Batchable: batchable,
			Inputs:    []runnables.ValueSpec{input},
			Outputs:   []runnables.ValueSpec{result},
		},
		Run: func(ctx context.Context, inputs []tensor.Tensor) ([]tensor.Tensor, error) {
			rows := 1
			if batchable {
				rows = inputs[0].Shape()[0]
			}
			return inputs, wait(ctx, time.Duration(init.Fixed)+time.Duration(rows)*time.Duration(init.PerRow))
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

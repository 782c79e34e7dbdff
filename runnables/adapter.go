package runnables

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/ekiben/ekiben/tensor"
)

// adapt makes a method of a function. err is what was wrong with the arguments.
func adapt[In, Out any](m Method, in arguments[In], err error, fn func(context.Context, []In) ([]Out, error)) Method {
	out, outErr := codecOf(reflect.TypeFor[Out]())
	if outErr != nil {
		outErr = fmt.Errorf("result: %w", outErr)
	}
	if m.fault = errors.Join(err, outErr); m.fault != nil {
		return m
	}
	m.Inputs = in.specs(m.Batchable)
	m.Outputs = []ValueSpec{valueSpec(ResultName, out, m.Batchable)}
	m.Run = adapter[In, Out]{batched: m.Batchable, in: in, out: out, fn: fn}.run
	return m
}

// adapter runs a function of Go values on tensors.
type adapter[In, Out any] struct {
	batched bool
	in      arguments[In]
	out     codec
	fn      func(context.Context, []In) ([]Out, error)
}

func (a adapter[In, Out]) run(ctx context.Context, inputs []tensor.Tensor) ([]tensor.Tensor, error) {
	in, failed, err := a.in.decode(inputs, a.batched)
	if err != nil {
		return nil, err
	}
	out, err := a.call(ctx, in, failed)
	if err != nil {
		return nil, err
	}
	result, err := a.out.encode(reflect.ValueOf(out), failed)
	if err := failed.take(err); err != nil {
		return nil, err
	}
	if a.batched {
		return []tensor.Tensor{result}, failed.orNil()
	}
	if err := failed[0]; err != nil {
		return nil, err
	}
	result, err = tensor.New(result.DType(), result.Shape()[1:], result.Data())
	return []tensor.Tensor{result}, err
}

// call runs the function on the rows that did not fail before. It returns a
// value for every row of in, and adds the rows that fail now to failed.
func (a adapter[In, Out]) call(ctx context.Context, in []In, failed RowErrors) ([]Out, error) {
	if len(failed) == 0 {
		out, err := a.fn(ctx, in)
		if err := failed.take(err); err != nil {
			return nil, err
		}
		return out, a.checkLength(len(in), len(out), failed)
	}
	good := make([]In, 0, len(in))
	rowOf := make([]int, 0, len(in))
	for i, v := range in {
		if failed[i] == nil {
			good, rowOf = append(good, v), append(rowOf, i)
		}
	}
	all := make([]Out, len(in))
	if len(good) == 0 {
		return all, nil
	}
	now := RowErrors{}
	out, err := a.call(ctx, good, now)
	if err != nil {
		return nil, err
	}
	for i, row := range rowOf {
		all[row] = out[i]
		if now[i] != nil {
			failed[row] = now[i]
		}
	}
	return all, nil
}

func (adapter[In, Out]) checkLength(in, out int, failed RowErrors) error {
	if in != out {
		return fmt.Errorf("%w: %w: %d values were answered with %d", ErrOutput, ErrOutputLength, in, out)
	}
	for _, row := range failed.rows() {
		if row < 0 || row >= in {
			return fmt.Errorf("%w: an error is for row %d of %d: %w", ErrOutput, row, in, failed[row])
		}
	}
	return nil
}

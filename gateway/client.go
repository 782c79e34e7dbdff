package gateway

import (
	"context"
	"fmt"

	"github.com/ekiben/ekiben/tensor"
)

// Client calls runners on behalf of a service's function. It is safe for
// concurrent use.
type Client struct{ calls *Calls }

// Run runs a method and returns its outputs, in the order of its signature.
// args are the arguments in that order, as Go values; see the function [Run].
func (c *Client) Run(ctx context.Context, runner, method string, args ...any) ([]tensor.Named, error) {
	outputs, _, err := c.run(ctx, runner, method, args)
	return outputs, err
}

// Run runs a method and returns its result as a Go value. args are its arguments
// in the order of the signature. Go values and tensors stand for each other:
//
//	string, []string              BYTES of text or opaque
//	[]byte, [][]byte              BYTES
//	bool, numbers, slices of      BOOL, INT…, UINT…, FP…; numbers must fit the
//	them, nested                  data type
//	structs, maps, all else       BYTES of JSON
//	[tensor.Tensor]               itself
//
// An argument of any type is what its JSON is, see [tensor.InferJSON], with the data
// type of the Go type where that is of numbers: []float32 is FP32. Optional
// arguments are left out by nil, or at the end.
//
// The argument of a batchable method has its batch dimension; a value without
// it is one row. Of any type that is a value that is no array in JSON. T is the
// same for the output: a value with the batch dimension, or without it for a call
// of one row. Several outputs make a struct, by its json tags, or a map. Those that
// are not declared are named as [runnables.OutputNames] says. Beyond slices of the
// exact type ([]float32 for FP32 of one dimension, and the like) values pass through
// JSON, which has no NaN.
//
// Errors are those of [Calls.Run]. A value that does not fit is one that
// services must not make, so it is "internal" to their client.
func Run[T any](ctx context.Context, c *Client, runner, method string, args ...any) (T, error) {
	var result T
	outputs, m, err := c.run(ctx, runner, method, args)
	if err != nil {
		return result, err
	}
	if err := fromOutputs(&result, m, outputs); err != nil {
		return result, fmt.Errorf("result of %s.%s as %T: %w", runner, method, result, err)
	}
	return result, nil
}

func (c *Client) run(ctx context.Context, runner, name string, args []any) ([]tensor.Named, *method, error) {
	m, err := c.calls.method(ctx, runner, name)
	if err != nil {
		return nil, nil, err
	}
	inputs, err := toInputs(m, args)
	if err != nil {
		return nil, nil, fmt.Errorf("arguments of %s.%s: %w", runner, name, err)
	}
	from, _ := ctx.Value(originKey{}).(origin)
	call, err := c.calls.call(ctx, m, inputs, from)
	if err != nil {
		return nil, nil, err
	}
	reply, err := c.calls.do(ctx, m, call)
	if err != nil {
		return nil, nil, err
	}
	m.runner.watch.metrics.timed(reply.Timing)
	return reply.Outputs, m, nil
}

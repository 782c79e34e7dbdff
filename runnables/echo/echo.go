// Package echo is a runnable that answers its input: for trying out, and for
// measuring what everything around a model costs.
package echo

import (
	"context"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

// Init are the parameters of the runnable: the type of the one value that it
// takes and answers. Dimension 0 counts rows and must be -1.
type Init struct {
	// Datatype is the protocol's name of a data type. Default: BYTES.
	Datatype tensor.DType `json:"datatype"`

	// Shape includes the batch dimension. Default: [-1].
	Shape []int `json:"shape"`

	// Content of BYTES: "text", "json" or, the default, "" for opaque bytes.
	Content runnables.Content `json:"content"`
}

// Kind makes instances with the method run, which is batchable and returns its
// argument input as result. They may be called concurrently.
func Kind() runnables.Kind {
	return runnables.Kind{New: newInstance, Resources: runnables.Resources{Concurrent: true, Methods: []string{"run"}}}
}

func newInstance(_ context.Context, s runnables.Setup) (runnables.Runnable, error) {
	init := Init{Datatype: tensor.Bytes, Shape: []int{-1}}
	if err := s.Runner.Init.Decode(&init); err != nil {
		return nil, err
	}
	spec := runnables.ValueSpec{Name: "input", DType: init.Datatype, Shape: init.Shape, Content: init.Content}
	result := spec
	result.Name = runnables.ResultName
	instance, err := runnables.New(runnables.Method{
		Signature: runnables.Signature{
			Name:      "run",
			Batchable: true,
			Inputs:    []runnables.ValueSpec{spec},
			Outputs:   []runnables.ValueSpec{result},
		},
		Run: func(_ context.Context, inputs []tensor.Tensor) ([]tensor.Tensor, error) { return inputs, nil },
	})
	if err != nil {
		return nil, err
	}
	return instance, nil
}

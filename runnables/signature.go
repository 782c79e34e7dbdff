package runnables

import (
	"strconv"

	"github.com/ekiben/ekiben/tensor"
)

// Signature is what is known of a method from outside. It is published, as
// JSON, with the spec of the runner.
type Signature struct {
	Name string `json:"name"`

	// Batchable methods take many rows at once; calls are run together.
	Batchable bool `json:"batchable"`

	// BatchDim is the dimension that counts rows. Only for batchable methods.
	BatchDim BatchDim `json:"batch_dim,omitzero"`

	Inputs []ValueSpec `json:"inputs"`

	// Outputs of a method that has not declared them are none. It answers what it
	// likes then, at least one value; see [Signature.OutputSpecs].
	Outputs []ValueSpec `json:"outputs"`
}

// OutputSpecs describe what the method answered, n values: the declared outputs,
// or as many of any type where none are declared, named as [OutputNames] says.
// The caller must not change them.
func (s Signature) OutputSpecs(n int) []ValueSpec {
	if len(s.Outputs) > 0 {
		return s.Outputs
	}
	specs := make([]ValueSpec, n)
	for i := range specs {
		name := ResultName
		if n > 1 {
			name += "_" + strconv.Itoa(i)
		}
		specs[i] = ValueSpec{Name: name, DType: tensor.Any, Content: JSON}
	}
	return specs
}

// OutputNames are the names of the n values that a method answered: those that
// are declared, or else "result" for one and "result_0", "result_1", … for several.
func OutputNames(sig Signature, n int) []string {
	specs := sig.OutputSpecs(n)
	names := make([]string, len(specs))
	for i := range specs {
		names[i] = specs[i].Name
	}
	return names
}

// BatchDim is the batch dimension of all inputs and of all outputs.
type BatchDim struct {
	In  int `json:"in"`
	Out int `json:"out"`
}

// ValueSpec describes one argument or one output.
type ValueSpec struct {
	Name string `json:"name"`

	// DType is [tensor.Any] for a value whose type and shape are the caller's, or the
	// method's for an output: whatever the value comes with.
	DType tensor.DType `json:"datatype"`

	// Shape has -1 for a dimension of any size. The batch dimension of a
	// batchable method is part of it. An empty shape is a scalar; that of
	// [tensor.Any] is empty too, but says nothing.
	Shape []int `json:"shape"`

	// Content says what the elements of a BYTES value are. That of [tensor.Any] is
	// [JSON] where it may be BYTES, of one document an element, and [Opaque] where it
	// is numbers or booleans.
	Content Content `json:"content,omitempty"`

	// Optional arguments may be left out of a call. They keep their place: the method
	// gets the zero Tensor there.
	Optional bool `json:"optional,omitempty"`
}

// Content is what the byte strings of a BYTES tensor hold.
type Content string

// Kinds of content.
const (
	// Opaque bytes; in JSON they are base64.
	Opaque Content = ""
	// Text is UTF-8; in JSON a string.
	Text Content = "text"
	// JSON is one JSON document an element; in JSON the document itself.
	JSON Content = "json"
)

package runnables

import "github.com/ekiben/ekiben/tensor"

// Signature is what is known of a method from outside. It is published, as
// JSON, with the spec of the runner.
type Signature struct {
	Name string `json:"name"`

	// Batchable methods take many rows at once; calls are run together.
	Batchable bool `json:"batchable"`

	// BatchDim is the dimension that counts rows. Only for batchable methods.
	BatchDim BatchDim `json:"batch_dim,omitzero"`

	Inputs  []ValueSpec `json:"inputs"`
	Outputs []ValueSpec `json:"outputs"`
}

// BatchDim is the batch dimension of all inputs and of all outputs.
type BatchDim struct {
	In  int `json:"in"`
	Out int `json:"out"`
}

// ValueSpec describes one argument or one output.
type ValueSpec struct {
	Name  string       `json:"name"`
	DType tensor.DType `json:"datatype"`

	// Shape has -1 for a dimension of any size. The batch dimension of a
	// batchable method is part of it. An empty shape is a scalar.
	Shape []int `json:"shape"`

	// Content says what the elements of a BYTES value are.
	Content Content `json:"content,omitempty"`
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

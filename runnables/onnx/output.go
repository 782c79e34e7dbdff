//go:build cgo

package onnx

import (
	"fmt"
	"runtime"
	"slices"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/ekiben/ekiben/tensor"
)

// output is an output of a model.
type output struct {
	port
	element element

	// sized: its shape is known before a run, so that the library can write where
	// the tensor will be.
	sized bool

	// widened: it is asked for as FP32, see [widen].
	widened bool

	// passed is the place of the input that the output is, or -1. The library does
	// not write such an output where it is told to.
	passed int
}

// outputOf makes an output of a graph with these inputs.
func outputOf(p port, inputs []input) output {
	passed := slices.IndexFunc(inputs, func(i input) bool { return i.name == p.name })
	return output{port: p, element: elementOf(p.dtype), passed: passed}
}

// possible says what is wrong with an output that cannot be served.
func (o output) possible() error {
	if len(o.dims) == 0 && o.dtype == tensor.Bytes {
		return fmt.Errorf("output %q is a scalar of text, which cannot be served: export it with shape [1]", o.name)
	}
	return nil
}

// choose decides how the output is taken out of the library.
func (o *output) choose(batchable bool) {
	rows := 0
	if batchable {
		rows = 1
	}
	_, known := o.shape(rows)
	o.sized = known && o.dtype != tensor.Bytes
	half := o.dtype == tensor.FP16 || o.dtype == tensor.BF16
	if half && (!known || len(o.dims) == 0) {
		o.widened, o.element = true, elementOf(tensor.FP32)
	}
}

// asked is the name under which the output is asked for.
func (o output) asked() string {
	if o.widened {
		return widened(o.name)
	}
	return o.name
}

// result is where the library puts an output, before the run; and what it is
// afterwards. A nil value is one that the library allocates.
type result struct {
	value ort.Value
	read  func(ort.Value) (tensor.Tensor, error)
}

// of is the output of a run with these inputs: what the library has put into v, or
// the input that it is.
func (o output) of(v ort.Value, r result, inputs []tensor.Tensor) (tensor.Tensor, error) {
	if o.passed >= 0 {
		return inputs[o.passed], nil
	}
	return r.read(v)
}

// prepare makes the place for the output of a batch of so many rows; rows is 0
// where nothing counts them.
func (o output) prepare(rows int, pins *runtime.Pinner) (result, error) {
	switch {
	case o.dtype == tensor.Bytes:
		return result{read: readText}, nil
	case len(o.dims) == 0:
		v, raw, err := o.element.result()
		return result{v, func(ort.Value) (tensor.Tensor, error) { return o.tensor(nil, raw()) }}, err
	case !o.sized:
		return result{read: o.readAllocated}, nil
	}
	shape, _ := o.shape(rows)
	n, err := tensor.Elements(shape)
	if err != nil {
		return result{}, err
	}
	data := memory(make([]uint64, (n*o.dtype.Size()+7)/8))[:n*o.dtype.Size()]
	v, err := custom(shape, data, o.element.code, pins)
	return result{v, func(ort.Value) (tensor.Tensor, error) { return tensor.New(o.dtype, shape, data) }}, err
}

// readAllocated takes what the binding has copied out of the library.
func (o output) readAllocated(v ort.Value) (tensor.Tensor, error) {
	raw := o.element.raw(v)
	if raw == nil {
		return tensor.Tensor{}, fmt.Errorf("output %q is of another type than the model says", o.name)
	}
	return o.tensor(shapeOf(v), raw)
}

// tensor makes a tensor of numbers in memory of Go.
func (o output) tensor(shape []int, raw []byte) (tensor.Tensor, error) {
	if !o.widened {
		return tensor.New(o.dtype, shape, raw)
	}
	wide, err := tensor.New(tensor.FP32, shape, raw)
	if err != nil {
		return wide, err
	}
	values, err := wide.Float32s()
	if err != nil {
		return wide, err
	}
	return tensor.FromFloat32s(o.dtype, shape, values)
}

func readText(v ort.Value) (tensor.Tensor, error) {
	t, ok := v.(*ort.StringTensor)
	if !ok {
		return tensor.Tensor{}, fmt.Errorf("an output is %T, want text", v)
	}
	texts, err := t.GetContents()
	if err != nil {
		return tensor.Tensor{}, err
	}
	return tensor.OfStrings(shapeOf(v), texts)
}

func shapeOf(v ort.Value) []int {
	dims := v.GetShape()
	shape := make([]int, len(dims))
	for i, d := range dims {
		shape[i] = int(d)
	}
	return shape
}

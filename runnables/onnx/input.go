//go:build cgo

package onnx

import (
	"fmt"
	"runtime"
	"strings"
	"unsafe"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

// input is an input of a model.
type input struct {
	port
	element element
}

// possible says what is wrong with an input that cannot be served.
func (i input) possible() error {
	if len(i.dims) == 0 && i.element.scalar == nil {
		return fmt.Errorf("input %q is a scalar of %s, which cannot be served: export it with shape [1]", i.name, i.dtype)
	}
	return nil
}

// value is a tensor as the library has it. Numbers stay where they are, and are
// held there until the pinner lets them go.
func (i input) value(t tensor.Tensor, pins *runtime.Pinner) (ort.Value, error) {
	switch {
	case i.dtype == tensor.Bytes:
		return i.text(t)
	case len(i.dims) == 0:
		return i.element.scalar(t)
	}
	return custom(t.Shape(), aligned(t.Data(), i.dtype.Size()), i.element.code, pins)
}

func (i input) text(t tensor.Tensor) (ort.Value, error) {
	texts := t.Strings()
	for n, s := range texts {
		if strings.ContainsRune(s, 0) {
			return nil, runnables.InputErrorf("argument %q has a NUL character in text %d, which no model can be given", i.name, n)
		}
	}
	v, err := ort.NewStringTensor(shape64(t.Shape()))
	if err != nil {
		return nil, err
	}
	if err := v.SetContents(texts); err != nil {
		_ = v.Destroy()
		return nil, err
	}
	return v, nil
}

// custom is a value over memory of Go, or over memory that Go knows nothing of.
func custom(shape []int, data []byte, code ort.TensorElementDataType, pins *runtime.Pinner) (ort.Value, error) {
	if len(data) == 0 {
		data = make([]byte, 8) // the binding wants an address, also of nothing
	}
	pin(pins, data)
	return ort.NewCustomDataTensor(shape64(shape), data, code)
}

// pin holds memory while the library has its address.
func pin(pins *runtime.Pinner, data []byte) {
	// Memory that is mapped from a file is not Go's. It never moves, and Pin panics
	// to say so.
	defer func() { _ = recover() }()
	pins.Pin(unsafe.SliceData(data))
}

// aligned is data where numbers of a size may be: in its own place if that is
// such a place.
func aligned(data []byte, size int) []byte {
	if uintptr(unsafe.Pointer(unsafe.SliceData(data)))%uintptr(size) == 0 {
		return data
	}
	words := make([]uint64, (len(data)+7)/8)
	moved := memory(words)[:len(data)]
	copy(moved, data)
	return moved
}

func shape64(shape []int) ort.Shape {
	s := make(ort.Shape, len(shape))
	for i, d := range shape {
		s[i] = int64(d)
	}
	return s
}

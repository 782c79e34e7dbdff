//go:build cgo

package onnx

import (
	"fmt"
	"strings"
	"unsafe"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/ekiben/ekiben/tensor"
)

// element is how a data type travels between tensors and the library.
type element struct {
	dtype tensor.DType
	code  ort.TensorElementDataType

	// scalar makes a value of rank 0 of a tensor; result makes one that the library
	// fills, and a function that reads it. They are nil where the binding has no
	// values of rank 0.
	scalar func(tensor.Tensor) (ort.Value, error)
	result func() (ort.Value, func() []byte, error)

	// raw is the memory of a value that the library allocated, or nil if the value
	// has another type.
	raw func(ort.Value) []byte
}

// elements are the data types that are served, of those that ONNX has.
func elements() []element {
	return []element{
		numeric[bool](tensor.Bool, ort.TensorElementDataTypeBool),
		numeric[uint8](tensor.Uint8, ort.TensorElementDataTypeUint8),
		numeric[uint16](tensor.Uint16, ort.TensorElementDataTypeUint16),
		numeric[uint32](tensor.Uint32, ort.TensorElementDataTypeUint32),
		numeric[uint64](tensor.Uint64, ort.TensorElementDataTypeUint64),
		numeric[int8](tensor.Int8, ort.TensorElementDataTypeInt8),
		numeric[int16](tensor.Int16, ort.TensorElementDataTypeInt16),
		numeric[int32](tensor.Int32, ort.TensorElementDataTypeInt32),
		numeric[int64](tensor.Int64, ort.TensorElementDataTypeInt64),
		numeric[float32](tensor.FP32, ort.TensorElementDataTypeFloat),
		numeric[float64](tensor.FP64, ort.TensorElementDataTypeDouble),
		{dtype: tensor.FP16, code: ort.TensorElementDataTypeFloat16},
		{dtype: tensor.BF16, code: ort.TensorElementDataTypeBFloat16},
		{dtype: tensor.Bytes, code: ort.TensorElementDataTypeString},
	}
}

// goNumber are the types that Go has too.
type goNumber interface {
	tensor.Element
	ort.TensorData
}

func numeric[T goNumber](dtype tensor.DType, code ort.TensorElementDataType) element {
	return element{
		dtype: dtype,
		code:  code,
		scalar: func(t tensor.Tensor) (ort.Value, error) {
			values, err := tensor.Values[T](t)
			if err != nil {
				return nil, err
			}
			return ort.NewScalar(values[0])
		},
		result: func() (ort.Value, func() []byte, error) {
			v, err := ort.NewEmptyScalar[T]()
			if err != nil {
				return nil, nil, err
			}
			return v, func() []byte { return memory([]T{v.GetData()}) }, nil
		},
		raw: func(v ort.Value) []byte {
			if t, ok := v.(*ort.Tensor[T]); ok {
				return memory(t.GetData())
			}
			return nil
		},
	}
}

// memory is the memory of numbers. The library runs on little-endian machines
// only, so it is the raw form of tensors.
func memory[T goNumber](values []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), len(values)*int(unsafe.Sizeof(*new(T))))
}

func elementOf(dtype tensor.DType) element {
	for _, e := range elements() {
		if e.dtype == dtype {
			return e
		}
	}
	return element{}
}

// portOf makes a port of what the library tells of an input or output.
func portOf(what string, info ort.InputOutputInfo, symbols map[string][]string) (port, error) {
	if info.OrtValueType != ort.ONNXTypeTensor {
		return port{}, notTensor(what, info)
	}
	p := port{name: info.Name, symbols: symbols[info.Name], dims: make([]int, len(info.Dimensions))}
	for i, d := range info.Dimensions {
		p.dims[i] = int(max(d, -1))
	}
	for _, e := range elements() {
		if e.code == info.DataType {
			p.dtype = e.dtype
			return p, nil
		}
	}
	name := strings.ToLower(strings.TrimPrefix(info.DataType.String(), "ONNX_TENSOR_ELEMENT_DATA_TYPE_"))
	return port{}, fmt.Errorf("%s %q has the data type %s, which cannot be served", what, info.Name, name)
}

// notTensor says what to do about classifiers of scikit-learn and its like.
func notTensor(what string, info ort.InputOutputInfo) error {
	kind := strings.ToLower(strings.TrimPrefix(info.OrtValueType.String(), "ONNX_TYPE_"))
	hint := ""
	if info.OrtValueType == ort.ONNXTypeSequence || info.OrtValueType == ort.ONNXTypeMap {
		hint = ": for a classifier export it without ZipMap (skl2onnx: options={\"zipmap\": False})"
	}
	return fmt.Errorf("%s %q is a %s, and only tensors can be served%s", what, info.Name, kind, hint)
}

package tensor

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"unsafe"
)

// Element is a Go type with a data type of its own. FP16 and BF16 have none:
// see [FromFloat32s], or [New] for raw bits. For BYTES see [OfItems].
type Element interface {
	bool | uint8 | uint16 | uint32 | uint64 | int8 | int16 | int32 | int64 | float32 | float64
}

// dtypeOf is the data type of a Go type.
func dtypeOf[T Element]() DType {
	switch any(*new(T)).(type) {
	case bool:
		return Bool
	case uint8:
		return Uint8
	case uint16:
		return Uint16
	case uint32:
		return Uint32
	case uint64:
		return Uint64
	case int8:
		return Int8
	case int16:
		return Int16
	case int32:
		return Int32
	case int64:
		return Int64
	case float32:
		return FP32
	default:
		return FP64
	}
}

// Of returns a tensor that holds a copy of values in row-major order. It fails
// when the number of values is not that of the shape.
func Of[T Element](shape []int, values []T) (Tensor, error) {
	dtype := dtypeOf[T]()
	n, err := Elements(shape)
	if err != nil {
		return Tensor{}, err
	}
	if n != len(values) {
		return Tensor{}, countError(dtype, shape, n, len(values))
	}
	data := bytes.Clone(memory(values))
	if !littleEndian() {
		swapBytes(data, dtype.Size())
	}
	return Tensor{dtype: dtype, shape: slices.Clone(shape), data: data}, nil
}

// Values returns the elements of t in row-major order. It fails when T is not
// the Go type of t's data type. The result may be t's own memory (it is where
// the machine is little-endian and the data aligned), so the caller must not
// change it.
func Values[T Element](t Tensor) ([]T, error) {
	want := dtypeOf[T]()
	if t.dtype != want {
		return nil, fmt.Errorf("%w: values of %s read as %s", ErrInvalid, t.dtype, want)
	}
	if len(t.data) == 0 {
		return []T{}, nil
	}
	size := want.Size()
	start := unsafe.Pointer(unsafe.SliceData(t.data))
	if littleEndian() && uintptr(start)%uintptr(size) == 0 {
		return unsafe.Slice((*T)(start), len(t.data)/size), nil
	}
	values := make([]T, len(t.data)/size)
	copied := memory(values)
	copy(copied, t.data)
	if !littleEndian() {
		swapBytes(copied, size)
	}
	return values, nil
}

// Equal reports whether both have the same data type, shape and bytes. Floats
// are compared by their bits: a NaN equals itself, 0 and -0 differ.
func (t Tensor) Equal(other Tensor) bool {
	return t.dtype == other.dtype && slices.Equal(t.shape, other.shape) && bytes.Equal(t.data, other.data)
}

// Rows is the size of dimension dim. It fails when t has no such dimension.
func (t Tensor) Rows(dim int) (int, error) {
	if dim < 0 || dim >= len(t.shape) {
		return 0, fmt.Errorf("%w: no dimension %d in shape %s", ErrInvalid, dim, dims(t.shape))
	}
	return t.shape[dim], nil
}

// memory is the memory of values, in the byte order of the machine.
func memory[T Element](values []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), len(values)*int(unsafe.Sizeof(*new(T))))
}

// littleEndian reports the byte order of the machine.
func littleEndian() bool { return binary.NativeEndian.Uint16([]byte{1, 0}) == 1 }

// swapBytes reverses the bytes of every element of the given size, in place.
func swapBytes(data []byte, size int) {
	if size < 2 {
		return
	}
	for ; len(data) >= size; data = data[size:] {
		slices.Reverse(data[:size])
	}
}

// countError says that a shape and its elements do not fit.
func countError(dtype DType, shape []int, want, got int) error {
	return fmt.Errorf("%w: %s of shape %s has %d elements, got %d", ErrInvalid, dtype, dims(shape), want, got)
}

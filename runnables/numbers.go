package runnables

import (
	"encoding/binary"
	"fmt"
	"reflect"

	"github.com/ekiben/ekiben/tensor"
)

// number is how a Go type of booleans, integers or floats is laid out in a
// tensor. wire is the Go type with that layout; int and uint travel as 64 bits.
type number struct {
	dtype tensor.DType
	wire  reflect.Type
}

// numberOf returns false for types that are no numbers.
func numberOf(t reflect.Type) (number, bool) {
	switch t.Kind() {
	case reflect.Bool:
		return number{tensor.Bool, reflect.TypeFor[bool]()}, true
	case reflect.Uint8:
		return number{tensor.Uint8, reflect.TypeFor[uint8]()}, true
	case reflect.Uint16:
		return number{tensor.Uint16, reflect.TypeFor[uint16]()}, true
	case reflect.Uint32:
		return number{tensor.Uint32, reflect.TypeFor[uint32]()}, true
	case reflect.Uint64, reflect.Uint:
		return number{tensor.Uint64, reflect.TypeFor[uint64]()}, true
	case reflect.Int8:
		return number{tensor.Int8, reflect.TypeFor[int8]()}, true
	case reflect.Int16:
		return number{tensor.Int16, reflect.TypeFor[int16]()}, true
	case reflect.Int32:
		return number{tensor.Int32, reflect.TypeFor[int32]()}, true
	case reflect.Int64, reflect.Int:
		return number{tensor.Int64, reflect.TypeFor[int64]()}, true
	case reflect.Float32:
		return number{tensor.FP32, reflect.TypeFor[float32]()}, true
	case reflect.Float64:
		return number{tensor.FP64, reflect.TypeFor[float64]()}, true
	default:
		return number{}, false
	}
}

// read returns a slice of elem with all elements of t.
func (n number) read(t tensor.Tensor, elem reflect.Type) (reflect.Value, error) {
	if t.DType() != n.dtype {
		return reflect.Value{}, fmt.Errorf("has data type %s, want %s", t.DType(), n.dtype)
	}
	wire := reflect.MakeSlice(reflect.SliceOf(n.wire), t.Len(), t.Len())
	if _, err := binary.Decode(t.Data(), binary.LittleEndian, wire.Interface()); err != nil {
		return reflect.Value{}, err
	}
	return convertSlice(wire, elem), nil
}

// write makes a tensor of the numbers in values, a slice.
func (n number) write(values reflect.Value, shape []int) (tensor.Tensor, error) {
	raw, err := binary.Append(nil, binary.LittleEndian, convertSlice(values, n.wire).Interface())
	if err != nil {
		return tensor.Tensor{}, err
	}
	return tensor.New(n.dtype, shape, raw)
}

// convertSlice returns the slice with elements of another type of the same
// kind, or of the 64-bit kind for int and uint.
func convertSlice(from reflect.Value, elem reflect.Type) reflect.Value {
	if from.Type().Elem() == elem {
		return from
	}
	to := reflect.MakeSlice(reflect.SliceOf(elem), from.Len(), from.Len())
	for i := range from.Len() {
		to.Index(i).Set(from.Index(i).Convert(elem))
	}
	return to
}

// scalarCodec is for values that are one number.
type scalarCodec struct {
	t reflect.Type
	n number
}

func (c scalarCodec) spec() ValueSpec { return ValueSpec{DType: c.n.dtype} }

func (c scalarCodec) decode(t tensor.Tensor, rows int) (reflect.Value, error) {
	if t.Len() != rows {
		return reflect.Value{}, fmt.Errorf("has %d elements, want %d", t.Len(), rows)
	}
	return c.n.read(t, c.t)
}

func (c scalarCodec) encode(values reflect.Value, _ RowErrors) (tensor.Tensor, error) {
	return c.n.write(values, []int{values.Len()})
}

// vectorCodec is for slices and arrays of numbers, one a row.
type vectorCodec struct {
	t reflect.Type
	n number
}

func (c vectorCodec) spec() ValueSpec {
	if c.t.Kind() == reflect.Array {
		return ValueSpec{DType: c.n.dtype, Shape: []int{c.t.Len()}}
	}
	return ValueSpec{DType: c.n.dtype, Shape: []int{-1}}
}

func (c vectorCodec) decode(t tensor.Tensor, rows int) (reflect.Value, error) {
	shape := t.Shape()
	if len(shape) != 2 || shape[0] != rows || c.t.Kind() == reflect.Array && shape[1] != c.t.Len() {
		return reflect.Value{}, fmt.Errorf("has shape %s, want %d rows of %s", shapeString(shape), rows, c.t)
	}
	flat, err := c.n.read(t, c.t.Elem())
	if err != nil {
		return reflect.Value{}, err
	}
	values := reflect.MakeSlice(reflect.SliceOf(c.t), rows, rows)
	for i := range rows {
		row := flat.Slice3(i*shape[1], (i+1)*shape[1], (i+1)*shape[1])
		if c.t.Kind() == reflect.Array {
			reflect.Copy(values.Index(i), row)
		} else {
			values.Index(i).Set(row.Convert(c.t))
		}
	}
	return values, nil
}

func (c vectorCodec) encode(values reflect.Value, skip RowErrors) (tensor.Tensor, error) {
	width := -1
	if c.t.Kind() == reflect.Array {
		width = c.t.Len()
	}
	for i := range values.Len() {
		row := values.Index(i)
		switch {
		case skip[i] != nil:
		case width < 0:
			width = row.Len()
		case width != row.Len():
			return tensor.Tensor{}, fmt.Errorf("%w: row %d has %d numbers, the rows before it have %d, want equal lengths",
				ErrOutput, i, row.Len(), width)
		}
	}
	width = max(width, 0)
	flat := reflect.MakeSlice(reflect.SliceOf(c.t.Elem()), values.Len()*width, values.Len()*width)
	for i := range values.Len() {
		if skip[i] == nil {
			reflect.Copy(flat.Slice(i*width, (i+1)*width), values.Index(i))
		}
	}
	return c.n.write(flat, []int{values.Len(), width})
}

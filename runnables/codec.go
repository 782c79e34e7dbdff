package runnables

import (
	"fmt"
	"reflect"

	"github.com/ekiben/ekiben/tensor"
)

// codec turns a tensor into Go values and back, one value a row.
type codec interface {
	// spec is the type of one value, without name and batch dimension.
	spec() ValueSpec

	// decode returns a slice with one element a row. A row that is no such
	// value fails alone, with RowErrors; its element is then the zero value.
	decode(t tensor.Tensor, rows int) (reflect.Value, error)

	// encode is the opposite, for rows along dimension 0. The rows in skip failed
	// and may have any value. A value that cannot be written fails alone too.
	encode(values reflect.Value, skip RowErrors) (tensor.Tensor, error)
}

// codecOf chooses the tensor type of a Go type; see the table at [Batch].
func codecOf(t reflect.Type) (codec, error) {
	switch t.Kind() {
	case reflect.String:
		return bytesCodec{t, Text}, nil
	case reflect.Slice, reflect.Array:
		return codecOfList(t)
	case reflect.Chan, reflect.Func, reflect.Complex64, reflect.Complex128, reflect.Uintptr, reflect.UnsafePointer:
		return nil, fmt.Errorf("type %s cannot be an argument or output", t)
	default:
	}
	if n, ok := numberOf(t); ok {
		return scalarCodec{t, n}, nil
	}
	return jsonCodec{t}, nil
}

func codecOfList(t reflect.Type) (codec, error) {
	if t == reflect.TypeFor[jsonRaw]() {
		return jsonCodec{t}, nil
	}
	if t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 {
		return bytesCodec{t, Opaque}, nil
	}
	if n, ok := numberOf(t.Elem()); ok {
		return vectorCodec{t, n}, nil
	}
	return jsonCodec{t}, nil
}

// valueSpec is the spec of a value with its name and, for a batch, the
// dimension of rows in front.
func valueSpec(name string, c codec, batched bool) ValueSpec {
	v := c.spec()
	v.Name = name
	shape := []int{}
	if batched {
		shape = append(shape, -1)
	}
	v.Shape = append(shape, v.Shape...)
	return v
}

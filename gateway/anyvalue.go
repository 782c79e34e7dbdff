package gateway

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"

	"github.com/ekiben/ekiben/tensor"
)

// anyOfGo makes a tensor of a Go value for an argument of any type; raw is its
// JSON. It is what that JSON is, see [tensor.InferJSON], but numbers have the data
// type of the Go type: []float32{1} is FP32, and not INT64. With rows, a value that
// is no array in JSON is one row.
func anyOfGo(value any, raw []byte, rows bool) (tensor.Tensor, error) {
	if rows && raw[0] != '[' {
		raw = slices.Concat([]byte{'['}, raw, []byte{']'})
	}
	t, err := tensor.InferJSON(raw, rows)
	if err != nil {
		return t, err
	}
	switch dtype := dtypeOfGo(reflect.TypeOf(value)); {
	case t.DType() == tensor.Bytes && dtype == tensor.Uint64:
		return large(t, raw), nil
	case t.DType() != tensor.Bytes && dtype.Valid() && dtype != t.DType():
		return tensor.ParseJSON(dtype, t.Shape(), raw, tensor.EncodeOpaque)
	}
	return t, nil
}

// large is what integers without sign are that have made documents, because some
// are beyond INT64; the documents where that is not why.
func large(documents tensor.Tensor, raw []byte) tensor.Tensor {
	rank := len(raw) - len(bytes.TrimLeft(raw, "["))
	if rank > tensor.MaxRank || !bytes.ContainsAny(raw, "123456789") {
		return documents
	}
	t, err := tensor.ParseJSON(tensor.Uint64, slices.Repeat([]int{-1}, rank), raw, tensor.EncodeOpaque)
	if err != nil {
		return documents
	}
	return t
}

// dtypeOfGo is the data type of the numbers that a Go type nests in slices and
// arrays; it is not valid for types that hold something else, do not say, or are
// what they like in JSON.
func dtypeOfGo(t reflect.Type) tensor.DType {
	if t == nil { // that of nil
		return 0
	}
	for ; ; t = t.Elem() {
		if reflect.PointerTo(t).Implements(reflect.TypeFor[json.Marshaler]()) {
			return 0
		}
		if t.Kind() != reflect.Slice && t.Kind() != reflect.Array && t.Kind() != reflect.Pointer {
			break
		}
	}
	switch t.Kind() {
	case reflect.Uint8:
		return tensor.Uint8
	case reflect.Uint16:
		return tensor.Uint16
	case reflect.Uint32:
		return tensor.Uint32
	case reflect.Uint64, reflect.Uint:
		return tensor.Uint64
	case reflect.Int8:
		return tensor.Int8
	case reflect.Int16:
		return tensor.Int16
	case reflect.Int32:
		return tensor.Int32
	case reflect.Int64, reflect.Int:
		return tensor.Int64
	case reflect.Float32:
		return tensor.FP32
	case reflect.Float64:
		return tensor.FP64
	default:
		return 0
	}
}

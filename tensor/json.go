package tensor

import (
	"bytes"
	"fmt"
	"slices"
)

// Encoding says what elements of [Bytes] are in JSON. Other data types have one
// form only: numbers, or true and false.
type Encoding uint8

// The encodings.
const (
	// EncodeOpaque elements are any bytes: base64 strings (RFC 4648 section 4,
	// with padding).
	EncodeOpaque Encoding = iota
	// EncodeText elements are UTF-8: strings.
	EncodeText
	// EncodeJSON elements are JSON documents, kept without insignificant space:
	// any value.
	EncodeJSON
)

// ParseJSON reads a tensor of the given data type from one JSON value: arrays
// nested as deep as shape has dimensions, or a flat array of all elements in
// row-major order. A scalar is a bare value or a flat array of one.
//
// Dimensions of shape that are -1 are free: nesting tells their size. A flat
// array can stand for one free dimension at most, since its length must tell
// it. An array is flat when its first element is no array; so a flat array of
// [EncodeJSON] elements must not begin with one that is an array.
//
// Integers are exact up to 64 bits and must be written without fraction or
// exponent. Floats are rounded to the nearest value of the type, for FP16 and
// BF16 from the nearest float64. Errors name the index of the element and what
// is wrong with it: a number out of range, arrays of different lengths, a size
// that is not the shape's, or no JSON. Memory is at most a small multiple of the
// length of raw.
func ParseJSON(dtype DType, shape []int, raw []byte, enc Encoding) (Tensor, error) {
	capacity, err := jsonCapacity(dtype, shape, raw, enc)
	if err != nil {
		return Tensor{}, err
	}
	p := parser{raw: raw, dtype: dtype, enc: enc, spec: shape, rank: len(shape), out: make([]byte, 0, capacity)}
	p.flat = p.opensFlat()
	if p.flat {
		p.rank = 1
		p.sizes[0] = -1
	} else {
		copy(p.sizes[:], shape)
	}
	if err := p.document(); err != nil {
		return Tensor{}, err
	}
	found, err := p.shape()
	if err != nil {
		return Tensor{}, err
	}
	return New(dtype, found, p.out)
}

// jsonCapacity checks what ParseJSON is asked for and bounds the data of the
// result by what raw can hold.
func jsonCapacity(dtype DType, shape []int, raw []byte, enc Encoding) (int, error) {
	if !dtype.Valid() {
		return 0, fmt.Errorf("%w: data type %d", ErrInvalid, uint8(dtype))
	}
	if enc > EncodeJSON {
		return 0, fmt.Errorf("%w: encoding %d", ErrInvalid, uint8(enc))
	}
	fixed := slices.DeleteFunc(slices.Clone(shape), func(d int) bool { return d == -1 })
	if len(shape) > MaxRank {
		fixed = shape
	}
	n, err := Elements(fixed)
	if err != nil {
		return 0, err
	}
	if dtype == Bytes {
		return prefixSize + len(raw), nil
	}
	// Every element but the last has a comma, and takes two bytes with it.
	most := min(bytes.Count(raw, []byte{','}), len(raw)/2) + 1
	if len(fixed) == len(shape) {
		most = min(most, n)
	}
	return most * dtype.Size(), nil
}

// shape is the shape of what was read.
func (p *parser) shape() ([]int, error) {
	if p.flat {
		return fitFlat(p.spec, p.sizes[0])
	}
	found := slices.Clone(p.sizes[:p.rank])
	for i, size := range found {
		found[i] = max(size, 0) // unknown below an empty array
	}
	return found, nil
}

// fitFlat is the shape of a flat array of n elements.
func fitFlat(spec []int, n int) ([]int, error) {
	shape := slices.Clone(spec)
	free, inner := -1, 1
	for i, d := range spec {
		switch {
		case d >= 0:
			inner *= d
		case free >= 0:
			return nil, fmt.Errorf("%w: a flat array cannot tell the free dimensions of shape %s, nest it", ErrInvalid, dims(spec))
		default:
			free = i
		}
	}
	if free >= 0 {
		shape[free] = 0
		if inner > 0 {
			shape[free] = n / inner
			inner *= n / inner
		}
	}
	if inner != n {
		return nil, fmt.Errorf("%w: a flat array of %d elements does not fill shape %s", ErrInvalid, n, dims(spec))
	}
	return shape, nil
}

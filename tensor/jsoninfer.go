package tensor

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
)

// InferJSON makes a tensor of one JSON value whose type nobody has declared.
//
//	integers                       INT64, if all of them are in its range
//	numbers, not all of them       FP64, rounded to the nearest, if all of them
//	written as integers            are in its range
//	true and false                 BOOL
//	everything else                BYTES: JSON documents, without insignificant space
//
// The first three are a bare value, which makes a scalar, or arrays nested to at
// most [MaxRank] dimensions, all of a dimension equally long, with at least one
// element. Anything else, such as numbers among words, lists of different
// lengths, or an integer that INT64 cannot hold among integers, is kept as it
// was written. A number with a fraction or an exponent is no integer, even 1.0.
//
// With rows, raw must be an array, whose elements are the rows: documents are of
// shape [n] then, one a row, which may be none. Without, raw is one document, of
// shape [].
//
// Errors are those of [ParseJSON] for what is no JSON, and of a value without
// rows. Memory is at most a small multiple of the length of raw.
func InferJSON(raw []byte, rows bool) (Tensor, error) {
	p := parser{raw: raw}
	p.space()
	if rows && p.peek() != '[' {
		return Tensor{}, fmt.Errorf("%w: want an array, whose elements are the rows, got %s", ErrInvalid, p.next())
	}
	s := sketch{parser: parser{raw: raw, rank: -1}}
	if s.read() {
		return New(s.dtype, s.sizes[:s.rank], s.out)
	}
	documents := []int{}
	if rows {
		documents = []int{-1}
	}
	return ParseJSON(Bytes, documents, raw, EncodeJSON)
}

// sketch reads nested arrays of numbers or booleans whose type and shape are not
// known before. It gives up where they turn out to be something else.
type sketch struct {
	parser // whose dtype is 0 until there was an element, its rank and sizes -1 until they are known

	large    bool // an integer is beyond INT64
	fraction bool // a number is no integer
}

// read reads all of raw. It reports whether that is numbers or booleans.
func (s *sketch) read() bool {
	for i := range s.sizes {
		s.sizes[i] = -1
	}
	s.space()
	if !s.nested(0) || s.dtype == 0 || s.large && !s.fraction {
		return false
	}
	s.space()
	return s.pos == len(s.raw)
}

// nested reads the array or element at the given depth. It reports whether
// it fits what was before it.
func (s *sketch) nested(depth int) bool {
	if s.peek() != '[' {
		return s.element(depth)
	}
	if depth == MaxRank || depth == s.rank {
		return false
	}
	s.pos++
	s.space()
	n := 0
	for more := !s.accept(']'); more; n++ {
		if !s.nested(depth + 1) {
			return false
		}
		s.space()
		more = s.accept(',')
		if !more && !s.accept(']') {
			return false
		}
		s.space()
	}
	if s.sizes[depth] < 0 {
		s.sizes[depth] = n
	}
	return s.sizes[depth] == n
}

// element reads a number or a boolean.
func (s *sketch) element(depth int) bool {
	switch {
	case s.rank < 0 && (depth == MaxRank || s.sizes[depth] < 0):
		s.rank = depth
	case s.rank != depth: // an array was here before
		return false
	}
	if c := s.peek(); c == 't' || c == 'f' {
		return s.become(Bool) && s.boolean() == nil
	}
	literal, whole := s.number()
	switch {
	case literal == nil:
		return false
	case whole && s.dtype != FP64:
		v, err := strconv.ParseInt(string(literal), 10, 64)
		if err == nil {
			return s.become(Int64) && s.add(uint64(v))
		}
		s.large = true
	case !whole:
		s.fraction = true
	}
	v, err := strconv.ParseFloat(string(literal), 64)
	return err == nil && s.become(FP64) && s.add(math.Float64bits(v))
}

// become makes the next element one of this type. It reports whether it goes
// together with those before it: numbers do, which are FP64 from the first on that
// INT64 does not hold.
func (s *sketch) become(dtype DType) bool {
	switch {
	case s.dtype == dtype:
		return true
	case s.dtype == 0:
		most := min(bytes.Count(s.raw, []byte{','}), len(s.raw)/2) + 1
		s.out = make([]byte, 0, most*dtype.Size())
	case s.dtype != Int64 || dtype != FP64:
		return false
	}
	s.dtype = dtype
	for at := 0; at < len(s.out); at += FP64.Size() {
		element := s.out[at:]
		v := int64(binary.LittleEndian.Uint64(element))
		binary.LittleEndian.PutUint64(element, math.Float64bits(float64(v)))
	}
	return true
}

// add appends an element of 64 bits.
func (s *sketch) add(v uint64) bool {
	s.out = binary.LittleEndian.AppendUint64(s.out, v)
	return true
}

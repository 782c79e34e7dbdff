package tensor

import "fmt"

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
	if dtype, shape, ok := inferNumbers(raw); ok {
		// A number that its type does not hold is kept as it was written.
		if t, err := ParseJSON(dtype, shape, raw, EncodeOpaque); err == nil {
			return t, nil
		}
	}
	documents := []int{}
	if rows {
		documents = []int{-1}
	}
	return ParseJSON(Bytes, documents, raw, EncodeJSON)
}

// inferNumbers finds the type and shape of numbers or booleans. It reads no
// further than to where they turn out to be something else.
func inferNumbers(raw []byte) (DType, []int, bool) {
	s := sketch{parser{raw: raw, rank: -1}}
	for i := range s.sizes {
		s.sizes[i] = -1
	}
	s.space()
	if !s.value(0) || s.dtype == 0 {
		return 0, nil, false
	}
	return s.dtype, s.sizes[:s.rank], true
}

// sketch goes through nested arrays of numbers or booleans for their type and
// shape.
type sketch struct {
	parser // whose dtype is 0 until there was an element, its rank and sizes -1 until they are known
}

// value goes through the array or element at the given depth. It reports whether
// it fits what was before it.
func (s *sketch) value(depth int) bool {
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
		if !s.value(depth + 1) {
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

// element goes through a number or a boolean. Integers and other numbers go
// together, nothing else does.
func (s *sketch) element(depth int) bool {
	if s.rank >= 0 && s.rank != depth {
		return false
	}
	s.rank = depth
	dtype := Bool
	if c := s.peek(); c == 't' || c == 'f' {
		if s.boolean() != nil {
			return false
		}
		s.out = s.out[:0]
	} else {
		literal, whole := s.number()
		switch {
		case literal == nil:
			return false
		case whole:
			dtype = Int64
		default:
			dtype = FP64
		}
	}
	switch {
	case s.dtype == 0 || s.dtype == Int64 && dtype == FP64:
		s.dtype = dtype
	case s.dtype == FP64 && dtype == Int64:
	default:
		return s.dtype == dtype
	}
	return true
}

package tensor

import (
	"fmt"
	"math"
	"slices"
)

// Concat joins tensors along dimension dim. They must have the same data type
// and, apart from dim, the same shape. The data of the result is one
// allocation; a single tensor is returned as it is. Along dimension 0 the cost
// is that of copying bytes, for every data type.
func Concat(dim int, ts []Tensor) (Tensor, error) {
	if len(ts) == 1 {
		_, err := ts[0].Rows(dim)
		return ts[0], err
	}
	shape, size, err := ConcatShape(dim, ts)
	if err != nil {
		return Tensor{}, err
	}
	return Tensor{dtype: ts[0].dtype, shape: shape, data: appendJoined(make([]byte, 0, size), shape, dim, ts)}, nil
}

// ConcatShape is the shape that [Concat] would give its result, and the size of
// its data in bytes. It fails as Concat does, and copies nothing.
func ConcatShape(dim int, ts []Tensor) (shape []int, size int, err error) {
	if len(ts) == 0 {
		return nil, 0, fmt.Errorf("%w: nothing to concatenate", ErrInvalid)
	}
	first := ts[0]
	if _, err := first.Rows(dim); err != nil {
		return nil, 0, err
	}
	rows := 0
	for i, t := range ts {
		if !joins(first, t, dim) {
			return nil, 0, fmt.Errorf("%w: cannot concatenate %s of shape %s and, as number %d, %s of shape %s along dimension %d",
				ErrInvalid, first.dtype, dims(first.shape), i, t.dtype, dims(t.shape), dim)
		}
		if t.shape[dim] > math.MaxInt-rows || len(t.data) > math.MaxInt-size {
			return nil, 0, fmt.Errorf("%w: concatenating %d tensors overflows", ErrInvalid, len(ts))
		}
		rows += t.shape[dim]
		size += len(t.data)
	}
	shape = slices.Clone(first.shape)
	shape[dim] = rows
	if _, err := Elements(shape); err != nil {
		return nil, 0, err
	}
	return shape, size, nil
}

// ConcatInto writes the data of [Concat]'s result to dst, whose length must be
// the size that [ConcatShape] gives. It is for memory that the caller reuses or
// shares with another process.
func ConcatInto(dst []byte, dim int, ts []Tensor) error {
	shape, size, err := ConcatShape(dim, ts)
	if err != nil {
		return err
	}
	if len(dst) != size {
		return fmt.Errorf("%w: concatenating to shape %s needs %d bytes, the buffer has %d", ErrInvalid, dims(shape), size, len(dst))
	}
	appendJoined(dst[:0:size], shape, dim, ts)
	return nil
}

// joins reports whether b can follow a along dim.
func joins(a, b Tensor, dim int) bool {
	if a.dtype != b.dtype || len(a.shape) != len(b.shape) {
		return false
	}
	for i, d := range a.shape {
		if i != dim && d != b.shape[i] {
			return false
		}
	}
	return true
}

// appendJoined appends the data of ts, joined along dim to the given shape, to
// an empty dst that has room for exactly that.
func appendJoined(dst []byte, shape []int, dim int, ts []Tensor) []byte {
	if cap(dst) == 0 {
		return dst // no elements, however large the other dimensions are
	}
	outer := volume(shape[:dim])
	if outer == 1 {
		for _, t := range ts {
			dst = append(dst, t.data...)
		}
		return dst
	}
	cursors := make([]cursor, len(ts))
	for i, t := range ts {
		cursors[i] = t.cursor()
	}
	inner := volume(shape[dim+1:])
	for range outer {
		for i, t := range ts {
			dst = append(dst, cursors[i].take(t.shape[dim]*inner)...)
		}
	}
	return dst
}

// volume is the number of elements of a part of a shape. It does not overflow
// where the whole shape has any elements.
func volume(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// cursor walks the data of a valid tensor in row-major order.
type cursor struct {
	rest []byte
	size int // of an element; 0 for BYTES
}

func (t Tensor) cursor() cursor { return cursor{rest: t.data, size: t.dtype.Size()} }

// take is the data of the next n elements.
func (c *cursor) take(n int) []byte {
	end := n * c.size
	if c.size == 0 {
		for range n {
			end += itemEnd(c.rest[end:])
		}
	}
	taken := c.rest[:end:end]
	c.rest = c.rest[end:]
	return taken
}

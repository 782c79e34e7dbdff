package tensor

import (
	"fmt"
	"slices"
)

// Split is the inverse of [Concat]: it cuts t along dimension dim into parts of
// the given sizes, which must be all of t. A size may be 0. Along dimension 0
// the parts share t's data, whatever the data type; along others it is copied
// once.
func Split(t Tensor, dim int, sizes []int) ([]Tensor, error) {
	rows, err := t.Rows(dim)
	if err != nil {
		return nil, err
	}
	left := rows
	for _, size := range sizes {
		if size < 0 || size > left {
			return nil, splitError(t, dim, sizes)
		}
		left -= size
	}
	if left != 0 {
		return nil, splitError(t, dim, sizes)
	}
	parts := make([]Tensor, len(sizes))
	rank := len(t.shape)
	shapes := slices.Repeat(t.shape, len(sizes))
	for i, size := range sizes {
		shape := shapes[i*rank : (i+1)*rank : (i+1)*rank]
		shape[dim] = size
		parts[i] = Tensor{dtype: t.dtype, shape: shape}
	}
	t.cut(dim, parts)
	return parts, nil
}

func splitError(t Tensor, dim int, sizes []int) error {
	if len(sizes) > 16 {
		return fmt.Errorf("%w: cannot split dimension %d of shape %s into %d sizes, which must be at least 0 and add up to it",
			ErrInvalid, dim, dims(t.shape), len(sizes))
	}
	return fmt.Errorf("%w: cannot split dimension %d of shape %s into %s, which must be at least 0 and add up to it",
		ErrInvalid, dim, dims(t.shape), dims(sizes))
}

// cut gives each part its share of t's data.
func (t Tensor) cut(dim int, parts []Tensor) {
	if len(t.data) == 0 {
		return // no elements, however large the other dimensions are
	}
	outer := volume(t.shape[:dim])
	if outer == 1 {
		c := t.cursor()
		for i := range parts {
			parts[i].data = c.take(volume(parts[i].shape[dim:]))
		}
		return
	}
	// The first walk measures the parts, the second copies them.
	lengths := make([]int, len(parts))
	t.deal(dim, parts, func(i int, run []byte) { lengths[i] += len(run) })
	room := make([]byte, len(t.data))
	for i, length := range lengths {
		parts[i].data, room = room[:0:length], room[length:]
	}
	t.deal(dim, parts, func(i int, run []byte) { parts[i].data = append(parts[i].data, run...) })
}

// deal visits the data of t in order, as runs that each belong to one part.
func (t Tensor) deal(dim int, parts []Tensor, visit func(part int, run []byte)) {
	c := t.cursor()
	inner := volume(t.shape[dim+1:])
	for range volume(t.shape[:dim]) {
		for i, part := range parts {
			visit(i, c.take(part.shape[dim]*inner))
		}
	}
}

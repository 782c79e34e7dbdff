package tensor

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const (
	// npyAlign is what the start of the data is a multiple of.
	npyAlign = 64
	// npyGrowth is how many digits the header has room for in the first
	// dimension, so that a writer can append to the file.
	npyGrowth = 21
	// maxNPYPadding bounds the NULs that strings are padded with.
	maxNPYPadding = 64 << 20
)

// AppendNPY appends t as a .npy file of version 1.0, byte for byte what
// numpy.save writes. [Bytes] become byte strings (S) of the longest's size; it
// fails if one ends in NUL, which numpy would take for padding, or if padding
// them would take more than 64 MiB. It also fails for BF16, which numpy has not.
// Where it fails it returns dst as it was.
func AppendNPY(dst []byte, t Tensor) ([]byte, error) {
	if err := checkWritable(t); err != nil {
		return dst, err
	}
	switch t.dtype {
	case BF16:
		return dst, fmt.Errorf("%w: numpy has no type for BF16, convert it to FP32", ErrInvalid)
	case Bytes:
		return appendNPYItems(dst, t)
	default:
	}
	order := "<"
	if t.dtype.Size() == 1 {
		order = "|"
	}
	dst = slices.Grow(dst, 2*npyAlign+len(t.data))
	dst = appendNPYHeader(dst, order+npyType(t.dtype), t.shape)
	return append(dst, t.data...), nil
}

// appendNPYItems appends BYTES, padded to one size.
func appendNPYItems(dst []byte, t Tensor) ([]byte, error) {
	items := t.Items()
	size, total := 1, 0
	for i, item := range items {
		if len(item) > 0 && item[len(item)-1] == 0 {
			return dst, fmt.Errorf("%w: element %d of shape %s ends in NUL, which .npy cannot hold", ErrInvalid, i, dims(t.shape))
		}
		size = max(size, len(item))
		total += len(item)
	}
	if len(items) > 0 && size > (total+maxNPYPadding)/len(items) {
		return dst, fmt.Errorf("%w: %d elements padded to the longest, %d bytes, are too large for .npy",
			ErrInvalid, len(items), size)
	}
	dst = slices.Grow(dst, 2*npyAlign+size*len(items))
	dst = appendNPYHeader(dst, "|S"+strconv.Itoa(size), t.shape)
	for _, item := range items {
		dst = append(dst, item...)
		dst = append(dst, make([]byte, size-len(item))...)
	}
	return dst, nil
}

// appendNPYHeader appends all that precedes the data.
func appendNPYHeader(dst []byte, descr string, shape []int) []byte {
	sizes := make([]string, len(shape))
	for i, d := range shape {
		sizes[i] = strconv.Itoa(d)
	}
	tuple := strings.Join(sizes, ", ")
	if len(shape) == 1 {
		tuple += ","
	}
	dict := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, tuple)
	if len(shape) > 0 {
		dict += strings.Repeat(" ", npyGrowth-len(sizes[0]))
	}
	before := len(npyMagic) + 4 + len(dict) + 1
	dict += strings.Repeat(" ", npyAlign-before%npyAlign) + "\n"
	dst = append(dst, npyMagic...)
	dst = append(dst, 1, 0)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(dict)))
	return append(dst, dict...)
}

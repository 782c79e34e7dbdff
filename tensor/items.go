package tensor

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"unsafe"
)

// prefixSize is the size of the length before each element of BYTES.
const prefixSize = 4

// OfItems returns a tensor of [Bytes] that holds a copy of items in row-major
// order. It fails when the number of items is not that of the shape, or for an
// item of 4 GiB or more, which the raw form cannot hold.
func OfItems(shape []int, items [][]byte) (Tensor, error) {
	return ofItems(shape, items)
}

// OfStrings is [OfItems] for strings. They need not be UTF-8.
func OfStrings(shape []int, items []string) (Tensor, error) {
	return ofItems(shape, items)
}

func ofItems[T string | []byte](shape []int, items []T) (Tensor, error) {
	n, err := Elements(shape)
	if err != nil {
		return Tensor{}, err
	}
	if n != len(items) {
		return Tensor{}, countError(Bytes, shape, n, len(items))
	}
	size := 0
	for i, item := range items {
		if uint64(len(item)) > math.MaxUint32 {
			return Tensor{}, fmt.Errorf("%w: BYTES element %d has %d bytes, at most %d",
				ErrInvalid, i, len(item), uint32(math.MaxUint32))
		}
		size += prefixSize + len(item)
	}
	data := make([]byte, 0, size)
	for _, item := range items {
		data = binary.LittleEndian.AppendUint32(data, uint32(len(item)))
		data = append(data, item...)
	}
	return Tensor{dtype: Bytes, shape: slices.Clone(shape), data: data}, nil
}

// Items returns the elements of a tensor of [Bytes] in row-major order, and nil
// for every other data type. The elements are t's own memory: the caller must
// not change them.
func (t Tensor) Items() [][]byte {
	if t.dtype != Bytes {
		return nil
	}
	items := make([][]byte, 0, t.Len())
	for rest := t.data; len(rest) > 0; {
		end := itemEnd(rest)
		items = append(items, rest[prefixSize:end:end])
		rest = rest[end:]
	}
	return items
}

// Strings is [Tensor.Items] as strings. They share t's memory too, and may be
// invalid UTF-8.
func (t Tensor) Strings() []string {
	if t.dtype != Bytes {
		return nil
	}
	items := make([]string, 0, t.Len())
	for rest := t.data; len(rest) > 0; {
		end := itemEnd(rest)
		item := rest[prefixSize:end]
		items = append(items, unsafe.String(unsafe.SliceData(item), len(item)))
		rest = rest[end:]
	}
	return items
}

// itemEnd is where the first element of the data of a valid BYTES tensor ends.
func itemEnd(data []byte) int {
	return prefixSize + int(binary.LittleEndian.Uint32(data))
}

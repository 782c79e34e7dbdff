package tensor

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"unicode/utf8"
)

// The .npy format is that of numpy.lib.format (NumPy Enhancement Proposal 1):
//
//	magic     6 bytes  "\x93NUMPY"
//	version   2 bytes  major and minor: 1.0, 2.0 or 3.0
//	length    u16 in version 1, u32 in the others, little-endian: of what follows
//	header    bytes    a Python dict literal: descr, fortran_order, shape
//	data      bytes    to the end

const npyMagic = "\x93NUMPY"

// ReadNPY reads one .npy file that numpy.save wrote with allow_pickle=False, of
// any version. Big-endian numbers and Fortran order are brought to the raw form
// of [New]; where nothing has to be, the tensor keeps raw, which must not change
// from here on. Arrays of byte strings (S) and of Unicode strings (U, as UTF-8)
// become [Bytes] without the NULs that numpy pads them with. It fails for types
// that are no [DType], such as complex, structured and pickled objects, and for
// a file that is longer or shorter than its header says. Memory is at most
// about six times the length of raw.
func ReadNPY(raw []byte) (Tensor, error) {
	text, data, err := npyParts(raw)
	if err != nil {
		return Tensor{}, err
	}
	header, err := parseNPYHeader(text)
	if err != nil {
		return Tensor{}, err
	}
	array, err := parseDescr(header.descr)
	if err != nil {
		return Tensor{}, err
	}
	n, err := Elements(header.shape)
	if err != nil {
		return Tensor{}, err
	}
	if hi, want := bits.Mul64(uint64(n), uint64(array.size)); hi != 0 || want != uint64(len(data)) {
		return Tensor{}, fmt.Errorf("%w: .npy of %s and shape %s has %d elements of %d bytes, got %d bytes",
			ErrInvalid, header.descr, dims(header.shape), n, array.size, len(data))
	}
	array.data = data
	if header.fortran {
		array.data = rowMajor(data, header.shape, array.size)
	}
	if array.dtype == Bytes {
		err = array.toItems(n)
	} else {
		array.toLittleEndian(len(data) > 0 && &array.data[0] == &data[0])
	}
	if err != nil {
		return Tensor{}, err
	}
	return New(array.dtype, header.shape, array.data)
}

// npyParts takes a file apart.
func npyParts(raw []byte) (header, data []byte, err error) {
	if len(raw) < len(npyMagic)+2 || string(raw[:len(npyMagic)]) != npyMagic {
		return nil, nil, fmt.Errorf("%w: not a .npy file", ErrInvalid)
	}
	major, minor := raw[len(npyMagic)], raw[len(npyMagic)+1]
	rest := raw[len(npyMagic)+2:]
	if major < 1 || major > 3 || minor != 0 {
		return nil, nil, fmt.Errorf("%w: .npy version %d.%d, want 1.0, 2.0 or 3.0", ErrInvalid, major, minor)
	}
	var length uint64
	switch {
	case major == 1 && len(rest) >= 2:
		length, rest = uint64(binary.LittleEndian.Uint16(rest)), rest[2:]
	case major > 1 && len(rest) >= 4:
		length, rest = uint64(binary.LittleEndian.Uint32(rest)), rest[4:]
	default:
		return nil, nil, fmt.Errorf("%w: .npy ends before its header", ErrInvalid)
	}
	if length > uint64(len(rest)) {
		return nil, nil, fmt.Errorf("%w: .npy header of %d bytes, %d are left", ErrInvalid, length, len(rest))
	}
	return rest[:length], rest[length:], nil
}

// npyArray is the data of a file on its way to raw form.
type npyArray struct {
	dtype DType
	size  int // of an element, in bytes
	wide  bool
	big   bool // big-endian
	data  []byte
}

// rowMajor reorders elements from Fortran order.
func rowMajor(data []byte, shape []int, size int) []byte {
	if len(shape) < 2 || len(data) == 0 {
		return data
	}
	var strides, index [MaxRank]int
	stride := size
	for i, d := range shape {
		strides[i] = stride
		stride *= d
	}
	out := make([]byte, 0, len(data))
	for offset := 0; len(out) < len(data); {
		out = append(out, data[offset:offset+size]...)
		for i := len(shape) - 1; i >= 0; i-- {
			index[i]++
			offset += strides[i]
			if index[i] < shape[i] {
				break
			}
			index[i] = 0
			offset -= strides[i] * shape[i]
		}
	}
	return out
}

// toLittleEndian brings numbers to raw form.
func (a *npyArray) toLittleEndian(shared bool) {
	if !a.big || a.size == 1 {
		return
	}
	if shared {
		a.data = bytes.Clone(a.data)
	}
	swapBytes(a.data, a.size)
}

// toItems brings n strings of fixed size to raw form.
func (a *npyArray) toItems(n int) error {
	items := make([]byte, 0, n*prefixSize+len(a.data))
	for i := range n {
		cell := a.data[i*a.size : (i+1)*a.size]
		start := len(items)
		items = append(items, 0, 0, 0, 0)
		if a.wide {
			var ok bool
			if items, ok = a.appendUTF8(items, cell); !ok {
				return fmt.Errorf("%w: .npy element %d has a code point that Unicode does not have", ErrInvalid, i)
			}
		} else {
			items = append(items, bytes.TrimRight(cell, "\x00")...)
		}
		binary.LittleEndian.PutUint32(items[start:], uint32(len(items)-start-prefixSize))
	}
	a.data = slices.Clip(items)
	return nil
}

// appendUTF8 appends the UTF-8 of a string in UTF-32. It reports whether all
// code points are valid.
func (a *npyArray) appendUTF8(dst, cell []byte) ([]byte, bool) {
	var order binary.ByteOrder = binary.LittleEndian
	if a.big {
		order = binary.BigEndian
	}
	end := len(cell)
	for end > 0 && order.Uint32(cell[end-4:]) == 0 {
		end -= 4
	}
	for ; end > 0; cell, end = cell[4:], end-4 {
		r := order.Uint32(cell)
		if r > utf8.MaxRune || !utf8.ValidRune(rune(r)) {
			return dst, false
		}
		dst = utf8.AppendRune(dst, rune(r))
	}
	return dst, true
}

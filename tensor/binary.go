package tensor

import (
	"encoding/binary"
	"fmt"
	"math"
)

// The binary form of one tensor, as envelopes carry it:
//
//	dtype   u8        the number of the DType
//	rank    u8        at most MaxRank
//	dims    uvarint   rank times
//	length  uvarint   of data, in bytes
//	data    bytes     the raw form, see New
//
// and of a list of named values:
//
//	count   uvarint   at most MaxNamed
//	then, count times:
//	length  uvarint   of name, in bytes, at most MaxName
//	name    bytes
//	tensor            as above
//
// A uvarint is that of encoding/binary in its shortest form, so that a value
// has one encoding only.

const (
	// MaxNamed is the largest number of values in a list of named ones.
	MaxNamed = 64
	// MaxName is the largest length of a value's name in bytes.
	MaxName = 255
)

// AppendBinary appends the binary form of t, which [DecodeBinary] reads. The
// zero Tensor has none: what is appended for it, the decoder refuses.
func (t Tensor) AppendBinary(dst []byte) []byte {
	dst = append(dst, byte(t.dtype), byte(len(t.shape)))
	for _, d := range t.shape {
		dst = binary.AppendUvarint(dst, uint64(d))
	}
	dst = binary.AppendUvarint(dst, uint64(len(t.data)))
	return append(dst, t.data...)
}

// BinarySize is the number of bytes that [Tensor.AppendBinary] appends.
func (t Tensor) BinarySize() int {
	size := 2 + uvarintSize(uint64(len(t.data))) + len(t.data)
	for _, d := range t.shape {
		size += uvarintSize(uint64(d))
	}
	return size
}

// DecodeBinary reads one tensor from the start of src and returns what follows
// it. The tensor keeps the bytes of src that hold its data, which must not
// change from here on.
func DecodeBinary(src []byte) (t Tensor, rest []byte, err error) {
	if len(src) < 2 {
		return Tensor{}, nil, fmt.Errorf("%w: a tensor's binary form ends after %d bytes", ErrInvalid, len(src))
	}
	dtype, rank := DType(src[0]), int(src[1])
	if rank > MaxRank {
		return Tensor{}, nil, fmt.Errorf("%w: rank %d, at most %d", ErrInvalid, rank, MaxRank)
	}
	rest = src[2:]
	shape := make([]int, rank)
	for i := range shape {
		if shape[i], rest, err = readUvarint(rest, "dimension"); err != nil {
			return Tensor{}, nil, err
		}
	}
	data, rest, err := readBlock(rest, "length of data")
	if err != nil {
		return Tensor{}, nil, err
	}
	if err := check(dtype, shape, data); err != nil {
		return Tensor{}, nil, err
	}
	return Tensor{dtype: dtype, shape: shape, data: data}, rest, nil
}

// CheckNamed reports what [DecodeNamed] would refuse in a list: more than
// [MaxNamed] values, a name longer than [MaxName], or a zero Tensor.
func CheckNamed(vs []Named) error {
	if len(vs) > MaxNamed {
		return fmt.Errorf("%w: %d values, at most %d", ErrInvalid, len(vs), MaxNamed)
	}
	for i, v := range vs {
		if len(v.Name) > MaxName {
			return fmt.Errorf("%w: the name of value %d has %d bytes, at most %d", ErrInvalid, i, len(v.Name), MaxName)
		}
		if !v.Tensor.dtype.Valid() {
			return fmt.Errorf("%w: value %q is no tensor", ErrInvalid, v.Name)
		}
	}
	return nil
}

// AppendNamed appends the binary form of a list of values, which [DecodeNamed]
// reads. A list beyond the limits of [CheckNamed] is appended too, and refused
// by the decoder: check lists that come from outside.
func AppendNamed(dst []byte, vs []Named) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(vs)))
	for _, v := range vs {
		dst = binary.AppendUvarint(dst, uint64(len(v.Name)))
		dst = append(dst, v.Name...)
		dst = v.Tensor.AppendBinary(dst)
	}
	return dst
}

// NamedSize is the number of bytes that [AppendNamed] appends.
func NamedSize(vs []Named) int {
	size := uvarintSize(uint64(len(vs)))
	for _, v := range vs {
		size += uvarintSize(uint64(len(v.Name))) + len(v.Name) + v.Tensor.BinarySize()
	}
	return size
}

// DecodeNamed reads a list of named values from the start of src and returns
// what follows it. Names are copied; tensors keep the bytes of src as those of
// [DecodeBinary] do. Names are neither compared nor checked for their
// characters: that is for whoever knows what the values are for.
func DecodeNamed(src []byte) (vs []Named, rest []byte, err error) {
	count, rest, err := readUvarint(src, "number of values")
	if err != nil {
		return nil, nil, err
	}
	if count > MaxNamed {
		return nil, nil, fmt.Errorf("%w: %d values, at most %d", ErrInvalid, count, MaxNamed)
	}
	vs = make([]Named, count)
	for i := range vs {
		var name []byte
		if name, rest, err = readBlock(rest, "length of name"); err != nil {
			return nil, nil, fmt.Errorf("value %d: %w", i, err)
		}
		if len(name) > MaxName {
			return nil, nil, fmt.Errorf("value %d: %w: a name of %d bytes, at most %d", i, ErrInvalid, len(name), MaxName)
		}
		vs[i].Name = string(name)
		if vs[i].Tensor, rest, err = DecodeBinary(rest); err != nil {
			return nil, nil, fmt.Errorf("value %d: %w", i, err)
		}
	}
	return vs, rest, nil
}

// readUvarint reads a number that fits an int, in its shortest form.
func readUvarint(src []byte, what string) (n int, rest []byte, err error) {
	v, size := binary.Uvarint(src)
	switch {
	case size == 0:
		return 0, nil, fmt.Errorf("%w: the binary form ends within a %s", ErrInvalid, what)
	case size < 0 || v > math.MaxInt:
		return 0, nil, fmt.Errorf("%w: a %s overflows", ErrInvalid, what)
	case size != uvarintSize(v):
		return 0, nil, fmt.Errorf("%w: a %s is not in its shortest form", ErrInvalid, what)
	}
	return int(v), src[size:], nil
}

// readBlock reads a length and as many bytes.
func readBlock(src []byte, what string) (block, rest []byte, err error) {
	n, rest, err := readUvarint(src, what)
	if err != nil {
		return nil, nil, err
	}
	if n > len(rest) {
		return nil, nil, fmt.Errorf("%w: a %s is %d bytes, %d are left", ErrInvalid, what, n, len(rest))
	}
	return rest[:n:n], rest[n:], nil
}

// uvarintSize is the number of bytes of a uvarint in its shortest form.
func uvarintSize(v uint64) int {
	size := 1
	for ; v >= 0x80; v >>= 7 {
		size++
	}
	return size
}

package tensor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"
)

// MaxRank is the largest number of dimensions.
const MaxRank = 8

// ErrInvalid is wrapped by every error of this package: the input cannot be
// what it claims to be. The message says what was wrong and what is right, and
// may be shown to clients.
var ErrInvalid = errors.New("invalid tensor")

// Tensor is an immutable value. The zero Tensor is not valid; see [New] and
// [Of]. Copies share their elements.
type Tensor struct {
	dtype DType
	shape []int
	// data is row-major and little-endian. Elements of Bytes are each preceded
	// by their length as a uint32, the protocol's raw form.
	data []byte
}

// Named is a tensor with the name of the argument or output that it is.
type Named struct {
	Name   string
	Tensor Tensor
}

// New returns a tensor over data in raw form: row-major, little-endian, and for
// [Bytes] each element preceded by its length as a little-endian uint32. An
// element of [Bool] is 0 or 1. The tensor keeps data, which must not change from
// here on.
func New(dtype DType, shape []int, data []byte) (Tensor, error) {
	if err := check(dtype, shape, data); err != nil {
		return Tensor{}, err
	}
	return Tensor{dtype: dtype, shape: slices.Clone(shape), data: data}, nil
}

// check holds data in raw form against its type and shape.
func check(dtype DType, shape []int, data []byte) error {
	if !dtype.Valid() {
		return fmt.Errorf("%w: data type %d", ErrInvalid, uint8(dtype))
	}
	n, err := Elements(shape)
	if err != nil {
		return err
	}
	if dtype == Bytes {
		return checkItems(data, n)
	}
	if hi, want := bits.Mul64(uint64(n), uint64(dtype.Size())); hi != 0 || want != uint64(len(data)) {
		return fmt.Errorf("%w: %s of shape %s has %d elements of %d bytes, got %d bytes",
			ErrInvalid, dtype, dims(shape), n, dtype.Size(), len(data))
	}
	if dtype == Bool {
		return checkBools(data)
	}
	return nil
}

// Elements is the number of elements of a shape. It fails for negative
// dimensions, more than [MaxRank] of them, or a product beyond what memory can
// hold.
func Elements(shape []int) (int, error) {
	if len(shape) > MaxRank {
		return 0, fmt.Errorf("%w: rank %d, at most %d", ErrInvalid, len(shape), MaxRank)
	}
	n := uint64(1)
	for _, d := range shape {
		if d < 0 {
			return 0, fmt.Errorf("%w: negative dimension in shape %s", ErrInvalid, dims(shape))
		}
		hi, lo := bits.Mul64(n, uint64(d))
		if hi != 0 || lo > math.MaxInt {
			return 0, fmt.Errorf("%w: shape %s overflows", ErrInvalid, dims(shape))
		}
		n = lo
	}
	return int(n), nil
}

// dims is a shape as errors show it: [2,-1].
type dims []int

func (d dims) String() string {
	return strings.ReplaceAll(fmt.Sprint([]int(d)), " ", ",")
}

// checkItems walks the length prefixes of n elements that must fill data.
func checkItems(data []byte, n int) error {
	rest := data
	for i := range n {
		if len(rest) < 4 {
			return fmt.Errorf("%w: BYTES element %d of %d has no length prefix", ErrInvalid, i, n)
		}
		size := binary.LittleEndian.Uint32(rest)
		if uint64(size) > uint64(len(rest)-4) {
			return fmt.Errorf("%w: BYTES element %d claims %d bytes, %d are left", ErrInvalid, i, size, len(rest)-4)
		}
		rest = rest[4+size:]
	}
	if len(rest) > 0 {
		return fmt.Errorf("%w: %d bytes after the last of %d BYTES elements", ErrInvalid, len(rest), n)
	}
	return nil
}

// checkBools looks for a byte that is neither false nor true.
func checkBools(data []byte) error {
	for i, b := range data {
		if b > 1 {
			return fmt.Errorf("%w: BOOL element %d is %d, want 0 or 1", ErrInvalid, i, b)
		}
	}
	return nil
}

// DType is the type of the elements.
func (t Tensor) DType() DType { return t.dtype }

// Shape is the size of each dimension; a scalar has none. The caller must not
// change it.
func (t Tensor) Shape() []int { return t.shape }

// Data is the raw form, see [New]. The caller must not change it.
func (t Tensor) Data() []byte { return t.data }

// Len is the number of elements.
func (t Tensor) Len() int {
	n := 1
	for _, d := range t.shape {
		n *= d
	}
	return n
}

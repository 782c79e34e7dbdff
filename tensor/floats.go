package tensor

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// float is the layout of a binary floating-point format narrower than float64:
// a sign bit, then exponent and fraction bits (IEEE 754-2019 section 3.4).
type float struct{ exponent, fraction uint }

// binary16 and bfloat16, the upper half of a binary32.
const (
	halfExponent, halfFraction   = 5, 10
	brainExponent, brainFraction = 8, 7
)

// floatOf is the layout of FP16, or else that of BF16.
func floatOf(dtype DType) float {
	if dtype == FP16 {
		return float{halfExponent, halfFraction}
	}
	return float{brainExponent, brainFraction}
}

// FromFloat32s returns a tensor of FP16, BF16 or FP32 that holds values in
// row-major order, rounded to the nearest value of the type, ties to even. What
// is too large becomes an infinity; a NaN stays one. It fails for other types
// and when the number of values is not that of the shape.
func FromFloat32s(dtype DType, shape []int, values []float32) (Tensor, error) {
	switch dtype {
	case FP32:
		return Of(shape, values)
	case FP16, BF16:
	default:
		return Tensor{}, fmt.Errorf("%w: %s does not hold float32 values", ErrInvalid, dtype)
	}
	n, err := Elements(shape)
	if err != nil {
		return Tensor{}, err
	}
	if n != len(values) {
		return Tensor{}, countError(dtype, shape, n, len(values))
	}
	data := make([]byte, 0, n*dtype.Size())
	for _, v := range values {
		data = binary.LittleEndian.AppendUint16(data, floatOf(dtype).narrow(float64(v)))
	}
	return Tensor{dtype: dtype, shape: slices.Clone(shape), data: data}, nil
}

// Float32s returns the elements of a tensor of FP16, BF16 or FP32 in row-major
// order; none of them is rounded. It fails for other types. The result may be
// t's own memory, as that of [Values] may, so the caller must not change it.
func (t Tensor) Float32s() ([]float32, error) {
	switch t.dtype {
	case FP32:
		return Values[float32](t)
	case FP16, BF16:
	default:
		return nil, fmt.Errorf("%w: %s read as float32 values", ErrInvalid, t.dtype)
	}
	values := make([]float32, len(t.data)/2)
	for i := range values {
		values[i] = floatOf(t.dtype).widen(binary.LittleEndian.Uint16(t.data[2*i:]))
	}
	return values, nil
}

// narrow rounds v to the nearest value of the format, ties to even.
func (f float) narrow(v float64) uint16 {
	bits := math.Float64bits(v)
	sign := uint16(bits >> 63 << (f.exponent + f.fraction))
	infinity := uint64(1<<f.exponent-1) << f.fraction
	exponent := int(bits >> 52 & 0x7ff)
	significand := bits & (1<<52 - 1)
	if exponent == 0x7ff {
		if significand != 0 { // a quiet NaN, with as much of the payload as fits
			infinity |= 1<<(f.fraction-1) | significand>>(52-f.fraction)
		}
		return sign | uint16(infinity)
	}
	significand |= 1 << 52 // wrong for float64's own subnormals, which round to 0 anyway
	exponent += 1<<(f.exponent-1) - 1<<10
	shift := 52 - f.fraction
	if exponent <= 0 {
		// A subnormal: its exponent is that of 1, its significand has no hidden bit.
		shift += min(uint(1-exponent), 64)
		exponent = 1
		if shift > 53 {
			return sign
		}
	}
	rounded := significand >> shift
	half := uint64(1) << (shift - 1)
	if dropped := significand & (1<<shift - 1); dropped > half || dropped == half && rounded&1 == 1 {
		rounded++
	}
	// A carry out of the fraction, or the hidden bit, adds one to the exponent.
	return sign | uint16(min(uint64(exponent-1)<<f.fraction+rounded, infinity))
}

// widen is the value of the format with the given bits.
func (f float) widen(bits uint16) float32 {
	sign := uint32(bits) >> (f.exponent + f.fraction) << 31
	exponent := uint32(bits) >> f.fraction & (1<<f.exponent - 1)
	fraction := uint32(bits) & (1<<f.fraction - 1) << (23 - f.fraction)
	bias := uint32(127 - (1<<(f.exponent-1) - 1))
	switch {
	case exponent == 1<<f.exponent-1:
		exponent = 0xff
	case exponent > 0:
		exponent += bias
	case bias > 0:
		// A subnormal that float32 holds as a normal number: its fraction times the smallest step.
		tiny := math.Float32frombits((bias+1)<<23|fraction) - math.Float32frombits((bias+1)<<23)
		return math.Float32frombits(math.Float32bits(tiny) | sign)
	}
	return math.Float32frombits(sign | exponent<<23 | fraction)
}

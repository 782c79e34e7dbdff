package tensor_test

import (
	"encoding/binary"
	"errors"
	"math"
	"math/big"
	"slices"
	"testing"

	"github.com/ekiben/ekiben/tensor"
)

// narrowed is the bits of one float32 in the given type.
func narrowed(t *testing.T, dtype tensor.DType, v float32) uint16 {
	t.Helper()
	made, err := tensor.FromFloat32s(dtype, nil, []float32{v})
	if err != nil {
		t.Fatal(err)
	}
	return binary.LittleEndian.Uint16(made.Data())
}

func TestFloat32sRoundToNearestEven(t *testing.T) {
	t.Parallel()
	inf := float32(math.Inf(1))
	tests := []struct {
		name  string
		dtype tensor.DType
		value float32
		want  uint16
	}{
		{"one", tensor.FP16, 1, 0x3c00},
		{"minus two", tensor.FP16, -2, 0xc000},
		{"minus zero", tensor.FP16, float32(math.Copysign(0, -1)), 0x8000},
		{"the largest", tensor.FP16, 65504, 0x7bff},
		{"just below the tie to infinity", tensor.FP16, 65519.996, 0x7bff},
		{"the tie to infinity", tensor.FP16, 65520, 0x7c00},
		{"far too large", tensor.FP16, -1e30, 0xfc00},
		{"infinity", tensor.FP16, inf, 0x7c00},
		{"a tie down to even", tensor.FP16, 1 + 1.0/2048, 0x3c00},
		{"a tie up to even", tensor.FP16, 1 + 3.0/2048, 0x3c02},
		{"above a tie", tensor.FP16, 1 + 1.0/2048 + 1.0/(1<<20), 0x3c01},
		{"a carry into the exponent", tensor.FP16, 1.99999, 0x4000},
		{"the smallest normal", tensor.FP16, 0x1p-14, 0x0400},
		{"the largest subnormal", tensor.FP16, 0x1p-14 - 0x1p-24, 0x03ff},
		{"a subnormal that rounds to normal", tensor.FP16, 0x1p-14 - 0x1p-26, 0x0400},
		{"the smallest subnormal", tensor.FP16, 0x1p-24, 0x0001},
		{"half of it, a tie to zero", tensor.FP16, 0x1p-25, 0x0000},
		{"just above half of it", tensor.FP16, 0x1.000002p-25, 0x0001},
		{"far too small", tensor.FP16, -1e-45, 0x8000},
		{"brain one", tensor.BF16, 1, 0x3f80},
		{"brain pi", tensor.BF16, math.Pi, 0x4049},
		{"brain tie to even", tensor.BF16, 1 + 0x1p-8, 0x3f80},
		{"brain tie up", tensor.BF16, 1 + 3*0x1p-8, 0x3f82},
		{"brain overflow", tensor.BF16, math.MaxFloat32, 0x7f80},
		{"brain minus infinity", tensor.BF16, -inf, 0xff80},
		{"brain subnormal", tensor.BF16, 0x1p-133, 0x0001},
		{"brain subnormal tie to zero", tensor.BF16, 0x1p-134, 0x0000},
		{"brain smallest normal", tensor.BF16, 0x1p-126, 0x0080},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := narrowed(t, tt.dtype, tt.value); got != tt.want {
				t.Errorf("%v is %#04x, want %#04x", tt.value, got, tt.want)
			}
		})
	}
}

// every is a tensor of all values of a 16-bit type.
func every(t *testing.T, dtype tensor.DType) tensor.Tensor {
	t.Helper()
	data := make([]byte, 0, 1<<17)
	for bits := range 1 << 16 {
		data = binary.LittleEndian.AppendUint16(data, uint16(bits))
	}
	made, err := tensor.New(dtype, []int{1 << 16}, data)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestEveryNarrowFloatHasItsValueAndComesBack(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		dtype              tensor.DType
		exponent, fraction int
	}{{tensor.FP16, 5, 10}, {tensor.BF16, 8, 7}} {
		all := every(t, tt.dtype)
		values, err := all.Float32s()
		if err != nil {
			t.Fatal(err)
		}
		back, err := tensor.FromFloat32s(tt.dtype, all.Shape(), values)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range values {
			got := binary.LittleEndian.Uint16(back.Data()[2*i:])
			if want := valueOf(i, tt.exponent, tt.fraction); math.IsNaN(want) {
				if v == v || got>>tt.fraction<<tt.fraction != uint16(i)>>tt.fraction<<tt.fraction {
					t.Fatalf("%s %#04x is %v and back %#04x", tt.dtype, i, v, got)
				}
			} else if float64(v) != want || int(got) != i {
				t.Fatalf("%s %#04x is %v, want %v; back %#04x", tt.dtype, i, v, want, got)
			}
		}
	}
}

// valueOf is IEEE 754-2019 section 3.4 in exact arithmetic.
func valueOf(bits, exponentBits, fractionBits int) float64 {
	sign := 1.0
	if bits>>15 == 1 {
		sign = -1
	}
	exponent := bits >> fractionBits & (1<<exponentBits - 1)
	fraction := bits & (1<<fractionBits - 1)
	bias := 1<<(exponentBits-1) - 1
	if exponent == 1<<exponentBits-1 {
		if fraction != 0 {
			return math.NaN()
		}
		return math.Inf(int(sign))
	}
	if exponent == 0 {
		exponent = 1
	} else {
		fraction |= 1 << fractionBits
	}
	v := new(big.Float).SetMantExp(big.NewFloat(float64(fraction)), exponent-bias-fractionBits)
	f, _ := v.Float64()
	return math.Copysign(f, sign)
}

func TestMidpointsOfNarrowFloatsGoToTheEvenNeighbor(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		dtype    tensor.DType
		infinity int
	}{{tensor.FP16, 0x7c00}, {tensor.BF16, 0x7f80}} {
		values, err := every(t, tt.dtype).Float32s()
		if err != nil {
			t.Fatal(err)
		}
		for low := range tt.infinity - 1 {
			mid := float32((float64(values[low]) + float64(values[low+1])) / 2)
			above, below := math.Nextafter32(mid, math.MaxFloat32), math.Nextafter32(mid, 0)
			even := low + low&1
			got := []int{int(narrowed(t, tt.dtype, below)), int(narrowed(t, tt.dtype, mid)), int(narrowed(t, tt.dtype, above))}
			if want := []int{low, even, low + 1}; !slices.Equal(got, want) {
				t.Fatalf("%s around %v: %#04x, want %#04x", tt.dtype, mid, got, want)
			}
		}
	}
}

func TestFloat32sRefuseOtherTypesAndCounts(t *testing.T) {
	t.Parallel()
	if _, err := tensor.FromFloat32s(tensor.FP64, []int{1}, []float32{1}); !errors.Is(err, tensor.ErrInvalid) {
		t.Errorf("FP64: %v", err)
	}
	if _, err := tensor.FromFloat32s(tensor.FP16, []int{2}, []float32{1}); !errors.Is(err, tensor.ErrInvalid) {
		t.Errorf("one value for two: %v", err)
	}
	if _, err := tensor.FromFloat32s(tensor.BF16, []int{-1}, nil); !errors.Is(err, tensor.ErrInvalid) {
		t.Errorf("a negative dimension: %v", err)
	}
	if _, err := ints(t, []int{1}, 1).Float32s(); !errors.Is(err, tensor.ErrInvalid) {
		t.Errorf("INT32: %v", err)
	}
	full, err := tensor.FromFloat32s(tensor.FP32, []int{1}, []float32{0.1})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := full.Float32s(); err != nil || !slices.Equal(got, []float32{0.1}) {
		t.Errorf("FP32: %v, %v", got, err)
	}
}

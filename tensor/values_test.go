package tensor_test

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/ekiben/ekiben/tensor"
)

// comesBack holds values against their data type, raw form and themselves.
func comesBack[T tensor.Element](t *testing.T, dtype tensor.DType, raw string, values ...T) {
	t.Helper()
	made, err := tensor.Of([]int{len(values)}, values)
	if err != nil {
		t.Fatal(err)
	}
	if made.DType() != dtype || string(made.Data()) != raw {
		t.Errorf("%v is %s %x, want %s %x", values, made.DType(), made.Data(), dtype, raw)
	}
	// Whatever the alignment of the data is, the values are the same.
	for shift := range 8 {
		moved := append(make([]byte, shift, shift+len(raw)), raw...)[shift:]
		again, err := tensor.New(dtype, []int{len(values)}, moved)
		if err != nil {
			t.Fatal(err)
		}
		got, err := tensor.Values[T](again)
		if err != nil || !slices.Equal(got, values) {
			t.Errorf("shifted by %d: %v, %v, want %v", shift, got, err, values)
		}
	}
}

func TestValuesHaveTheirRawFormAndComeBack(t *testing.T) {
	t.Parallel()
	comesBack(t, tensor.Bool, "\x01\x00", true, false)
	comesBack[uint8](t, tensor.Uint8, "\x00\xff", 0, 255)
	comesBack[uint16](t, tensor.Uint16, "\x02\x01", 0x0102)
	comesBack[uint32](t, tensor.Uint32, "\x04\x03\x02\x01", 0x01020304)
	comesBack[uint64](t, tensor.Uint64, "\x08\x07\x06\x05\x04\x03\x02\x01", 0x0102030405060708)
	comesBack[int8](t, tensor.Int8, "\xff\x80", -1, -128)
	comesBack[int16](t, tensor.Int16, "\xfe\xff", -2)
	comesBack[int32](t, tensor.Int32, "\xfe\xff\xff\xff\x01\x00\x00\x00", -2, 1)
	comesBack[int64](t, tensor.Int64, "\x00\x00\x00\x00\x00\x00\x00\x80", math.MinInt64)
	comesBack[float32](t, tensor.FP32, "\x00\x00\x80\x3f", 1)
	comesBack[float64](t, tensor.FP64, "\x00\x00\x00\x00\x00\x00\xf0\x3f", 1)
	comesBack[float64](t, tensor.FP64, "")
}

func TestOfCopiesTheValues(t *testing.T) {
	t.Parallel()
	values := []int32{1, 2}
	made := ints(t, []int{2}, values...)
	values[0] = 9
	wantTensor(t, made, ints(t, []int{2}, 1, 2))
}

func TestValuesRefuseAnotherTypeAndAnotherCount(t *testing.T) {
	t.Parallel()
	if _, err := tensor.Values[uint32](ints(t, nil, 1)); !errors.Is(err, tensor.ErrInvalid) {
		t.Errorf("INT32 as UINT32: %v", err)
	}
	if _, err := tensor.Values[bool](tensor.Tensor{}); !errors.Is(err, tensor.ErrInvalid) {
		t.Errorf("the zero Tensor: %v", err)
	}
	if _, err := tensor.Of([]int{2}, []bool{true}); !errors.Is(err, tensor.ErrInvalid) {
		t.Errorf("one value for two: %v", err)
	}
	if _, err := tensor.Of[bool]([]int{-1}, nil); !errors.Is(err, tensor.ErrInvalid) {
		t.Errorf("a negative dimension: %v", err)
	}
}

func TestItemsShareTheirTensorsMemory(t *testing.T) {
	t.Parallel()
	made, err := tensor.OfItems([]int{3, 1}, [][]byte{[]byte("a"), nil, []byte("bcd")})
	if err != nil {
		t.Fatal(err)
	}
	if want := "\x01\x00\x00\x00a\x00\x00\x00\x00\x03\x00\x00\x00bcd"; string(made.Data()) != want {
		t.Errorf("raw form %x, want %x", made.Data(), want)
	}
	if got := made.Strings(); !slices.Equal(got, []string{"a", "", "bcd"}) {
		t.Errorf("Strings = %q", got)
	}
	items := made.Items()
	if len(items) != 3 || string(items[2]) != "bcd" || cap(items[0]) != 1 {
		t.Errorf("Items = %q, the first of capacity %d", items, cap(items[0]))
	}
	if &items[0][0] != &made.Data()[4] {
		t.Error("the items were copied")
	}
}

func TestItemsOfOtherTypesAreNil(t *testing.T) {
	t.Parallel()
	number := ints(t, nil, 1)
	if number.Items() != nil || number.Strings() != nil {
		t.Error("an INT32 has items")
	}
	if none := texts(t, []int{0}); none.Items() == nil || none.Strings() == nil {
		t.Error("the items of no BYTES are nil")
	}
}

func TestOfItemsRefusesAnotherCount(t *testing.T) {
	t.Parallel()
	if _, err := tensor.OfItems([]int{2}, [][]byte{nil}); !errors.Is(err, tensor.ErrInvalid) {
		t.Errorf("one item for two: %v", err)
	}
	if _, err := tensor.OfStrings([]int{1 << 40, 1 << 40}, nil); !errors.Is(err, tensor.ErrInvalid) {
		t.Errorf("a shape that overflows: %v", err)
	}
}

func TestEqualComparesTypeShapeAndBits(t *testing.T) {
	t.Parallel()
	one := ints(t, []int{1}, 1)
	if !one.Equal(ints(t, []int{1}, 1)) {
		t.Error("equal tensors differ")
	}
	others := []tensor.Tensor{
		ints(t, []int{1}, 2), ints(t, nil, 1), ints(t, []int{1, 1}, 1), of[uint32](t, []int{1}, 1), {},
	}
	for _, other := range others {
		if one.Equal(other) {
			t.Errorf("equals %s %v %x", other.DType(), other.Shape(), other.Data())
		}
	}
	nan := of(t, nil, math.NaN())
	if !nan.Equal(nan) {
		t.Error("a NaN differs from itself")
	}
}

func TestRowsIsTheSizeOfADimension(t *testing.T) {
	t.Parallel()
	made := of[uint8](t, []int{2, 3}, make([]uint8, 6)...)
	for dim, want := range []int{2, 3} {
		if got, err := made.Rows(dim); err != nil || got != want {
			t.Errorf("Rows(%d) = %d, %v", dim, got, err)
		}
	}
	for _, dim := range []int{-1, 2} {
		if _, err := made.Rows(dim); !errors.Is(err, tensor.ErrInvalid) {
			t.Errorf("Rows(%d): %v", dim, err)
		}
	}
}

package tensor_test

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/ekiben/ekiben/tensor"
)

func TestNewRefusesDataThatIsNotOfItsShape(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		dtype tensor.DType
		shape []int
		data  string
		says  string
	}{
		{"no type", 0, nil, "", "data type 0"},
		{"a type that is not there", 15, nil, "", "data type 15"},
		{"a negative dimension", tensor.FP32, []int{2, -1}, "", "negative"},
		{"rank nine", tensor.FP32, []int{1, 1, 1, 1, 1, 1, 1, 1, 1}, "abcd", "rank 9, at most 8"},
		{"elements that overflow", tensor.Uint8, []int{math.MaxInt, 2}, "", "overflows"},
		{"bytes that overflow", tensor.FP64, []int{1 << 62}, "", "got 0 bytes"},
		{"too few bytes", tensor.FP32, []int{2}, "abcd", "2 elements of 4 bytes, got 4"},
		{"too many bytes", tensor.FP32, nil, "abcdefgh", "got 8"},
		{"no length prefix", tensor.Bytes, []int{1}, "abc", "no length prefix"},
		{"an item too long", tensor.Bytes, []int{1}, "\x02\x00\x00\x00a", "claims 2 bytes, 1 are left"},
		{"an item of 4 GiB", tensor.Bytes, []int{1}, "\xff\xff\xff\xffa", "claims 4294967295"},
		{"more after the items", tensor.Bytes, []int{1}, "\x00\x00\x00\x00a", "1 bytes after"},
		{"items that cannot be", tensor.Bytes, []int{1 << 60}, "\x00\x00\x00\x00", "element 1 of"},
		{"a boolean of 2", tensor.Bool, []int{2}, "\x01\x02", "element 1 is 2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := tensor.New(tt.dtype, tt.shape, []byte(tt.data))
			if !errors.Is(err, tensor.ErrInvalid) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v, want a mention of %q", err, tt.says)
			}
		})
	}
}

func TestNewKeepsTheDataAndCopiesTheShape(t *testing.T) {
	t.Parallel()
	shape, data := []int{1, 2}, []byte{1, 2}
	made, err := tensor.New(tensor.Uint8, shape, data)
	if err != nil {
		t.Fatal(err)
	}
	shape[0] = 9
	if !slices.Equal(made.Shape(), []int{1, 2}) || &made.Data()[0] != &data[0] || made.Len() != 2 {
		t.Errorf("shape %v, data %x, %d elements", made.Shape(), made.Data(), made.Len())
	}
}

func TestElementsMultipliesWithoutOverflow(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		shape []int
		want  int
	}{{nil, 1}, {[]int{0}, 0}, {[]int{0, 1 << 62, 1 << 62}, 0}, {[]int{2, 3, 4}, 24}, {[]int{math.MaxInt}, math.MaxInt}} {
		if got, err := tensor.Elements(tt.shape); err != nil || got != tt.want {
			t.Errorf("Elements(%v) = %d, %v, want %d", tt.shape, got, err, tt.want)
		}
	}
}

func TestDTypesHaveTheProtocolsNamesAndSizes(t *testing.T) {
	t.Parallel()
	// Open Inference Protocol, "Tensor Data Types"; BF16 is Triton's.
	sizes := map[string]int{
		"BOOL": 1, "UINT8": 1, "UINT16": 2, "UINT32": 4, "UINT64": 8, "INT8": 1, "INT16": 2, "INT32": 4, "INT64": 8,
		"FP16": 2, "BF16": 2, "FP32": 4, "FP64": 8, "BYTES": 0,
	}
	for name, size := range sizes {
		var dtype tensor.DType
		if err := json.Unmarshal([]byte(`"`+name+`"`), &dtype); err != nil {
			t.Fatal(err)
		}
		back, err := json.Marshal(dtype)
		if err != nil || string(back) != `"`+name+`"` || dtype.String() != name || dtype.Size() != size {
			t.Errorf("%s: %s, %s, %d, %v", name, back, dtype, dtype.Size(), err)
		}
	}
	for _, name := range []string{"", "FP8", "fp32"} {
		if _, err := tensor.ParseDType(name); !errors.Is(err, tensor.ErrInvalid) {
			t.Errorf("%q: %v", name, err)
		}
	}
	none := tensor.DType(200)
	if _, err := none.MarshalText(); !errors.Is(err, tensor.ErrInvalid) || none.String() != "DType(200)" || none.Size() != 0 {
		t.Errorf("a type that is not there: %s, %d, %v", none, none.Size(), err)
	}
	if err := json.Unmarshal([]byte(`"X"`), &none); !errors.Is(err, tensor.ErrInvalid) {
		t.Errorf("an unknown name: %v", err)
	}
}

func TestAnyIsInDescriptionsOnly(t *testing.T) {
	t.Parallel()
	var dtype tensor.DType
	if err := json.Unmarshal([]byte(`"ANY"`), &dtype); err != nil || dtype != tensor.Any || dtype.String() != "ANY" {
		t.Errorf("got %v, %v", dtype, err)
	}
	if back, err := json.Marshal(dtype); err != nil || string(back) != `"ANY"` {
		t.Errorf("got %s, %v", back, err)
	}
	if tensor.Any.Valid() || tensor.Any.Size() != 0 {
		t.Error("it passes for a type of tensors")
	}
	if _, err := tensor.ParseDType("ANY"); !errors.Is(err, tensor.ErrInvalid) {
		t.Errorf("got %v", err)
	}
	if _, err := tensor.New(tensor.Any, nil, nil); !errors.Is(err, tensor.ErrInvalid) {
		t.Errorf("got %v", err)
	}
	if _, err := tensor.ParseJSON(tensor.Any, nil, []byte("1"), tensor.EncodeJSON); !errors.Is(err, tensor.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

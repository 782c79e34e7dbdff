package tensor_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/ekiben/ekiben/tensor"
)

func ints(t *testing.T, shape []int, values ...int32) tensor.Tensor {
	t.Helper()
	made, err := tensor.Of(shape, values)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func texts(t *testing.T, shape []int, items ...string) tensor.Tensor {
	t.Helper()
	made, err := tensor.OfStrings(shape, items)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func wantTensor(t *testing.T, got, want tensor.Tensor) {
	t.Helper()
	if !got.Equal(want) {
		t.Errorf("got %s %v %x\nwant %s %v %x", got.DType(), got.Shape(), got.Data(), want.DType(), want.Shape(), want.Data())
	}
}

func TestConcatJoinsAlongAnyDimension(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		dim  int
		in   []tensor.Tensor
		want tensor.Tensor
	}{
		{"rows", 0, []tensor.Tensor{ints(t, []int{1, 2}, 1, 2), ints(t, []int{2, 2}, 3, 4, 5, 6)}, ints(t, []int{3, 2}, 1, 2, 3, 4, 5, 6)},
		{"columns", 1, []tensor.Tensor{ints(t, []int{2, 1}, 1, 2), ints(t, []int{2, 2}, 3, 4, 5, 6)}, ints(t, []int{2, 3}, 1, 3, 4, 2, 5, 6)},
		{"rows of text", 0, []tensor.Tensor{texts(t, []int{1}, "a"), texts(t, []int{2}, "", "bcd")}, texts(t, []int{3}, "a", "", "bcd")},
		{"columns of text", 1, []tensor.Tensor{texts(t, []int{2, 1}, "a", "bb"), texts(t, []int{2, 2}, "", "ccc", "d", "")}, texts(t, []int{2, 3}, "a", "", "ccc", "bb", "d", "")},
		{"an empty part", 1, []tensor.Tensor{ints(t, []int{2, 0}), ints(t, []int{2, 1}, 7, 8)}, ints(t, []int{2, 1}, 7, 8)},
		{"nothing but shape", 1, []tensor.Tensor{ints(t, []int{1 << 40, 2, 0}), ints(t, []int{1 << 40, 3, 0})}, ints(t, []int{1 << 40, 5, 0})},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := tensor.Concat(tt.dim, tt.in)
			if err != nil {
				t.Fatal(err)
			}
			wantTensor(t, got, tt.want)
			shape, size, err := tensor.ConcatShape(tt.dim, tt.in)
			if err != nil || !slices.Equal(shape, tt.want.Shape()) || size != len(tt.want.Data()) {
				t.Errorf("ConcatShape = %v, %d, %v", shape, size, err)
			}
			buffer := make([]byte, size)
			if err := tensor.ConcatInto(buffer, tt.dim, tt.in); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(buffer, tt.want.Data()) {
				t.Errorf("ConcatInto wrote %x, want %x", buffer, tt.want.Data())
			}
			sizes := make([]int, len(tt.in))
			for i, in := range tt.in {
				sizes[i] = in.Shape()[tt.dim]
			}
			parts, err := tensor.Split(got, tt.dim, sizes)
			if err != nil {
				t.Fatal(err)
			}
			for i, part := range parts {
				wantTensor(t, part, tt.in[i])
			}
		})
	}
}

func TestConcatRefusesWhatDoesNotJoinAndNamesTheShapes(t *testing.T) {
	t.Parallel()
	square := ints(t, []int{2, 2}, 1, 2, 3, 4)
	tests := []struct {
		name string
		dim  int
		in   []tensor.Tensor
		says string
	}{
		{"nothing", 0, nil, "nothing"},
		{"no such dimension", 2, []tensor.Tensor{square, square}, "[2,2]"},
		{"no such dimension of one", -1, []tensor.Tensor{square}, "[2,2]"},
		{"a scalar", 0, []tensor.Tensor{ints(t, nil, 1), ints(t, nil, 2)}, "[]"},
		{"another dimension", 0, []tensor.Tensor{square, ints(t, []int{1, 3}, 1, 2, 3)}, "[1,3]"},
		{"another rank", 0, []tensor.Tensor{square, ints(t, []int{2}, 1, 2)}, "of shape [2] along"},
		{"another type", 0, []tensor.Tensor{square, texts(t, []int{2, 2}, "", "", "", "")}, "BYTES of shape [2,2]"},
		{"rows that overflow", 0, []tensor.Tensor{ints(t, []int{1 << 62, 0}), ints(t, []int{1 << 62, 0})}, "overflow"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := tensor.Concat(tt.dim, tt.in)
			if !errors.Is(err, tensor.ErrInvalid) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("Concat: %v, want a mention of %q", err, tt.says)
			}
		})
	}
}

func TestConcatIntoWantsABufferOfTheExactSize(t *testing.T) {
	t.Parallel()
	in := []tensor.Tensor{ints(t, []int{1}, 1), ints(t, []int{1}, 2)}
	for _, size := range []int{0, 7, 9} {
		if err := tensor.ConcatInto(make([]byte, size), 0, in); !errors.Is(err, tensor.ErrInvalid) {
			t.Errorf("a buffer of %d bytes: %v", size, err)
		}
	}
}

func TestConcatOfOneTensorReturnsIt(t *testing.T) {
	t.Parallel()
	in := ints(t, []int{2}, 1, 2)
	got, err := tensor.Concat(0, []tensor.Tensor{in})
	if err != nil {
		t.Fatal(err)
	}
	if &got.Data()[0] != &in.Data()[0] {
		t.Error("the data was copied")
	}
}

func TestSplitAlongTheFirstDimensionSharesData(t *testing.T) {
	t.Parallel()
	for _, in := range []tensor.Tensor{ints(t, []int{3, 1}, 1, 2, 3), texts(t, []int{3}, "a", "b", "c")} {
		parts, err := tensor.Split(in, 0, []int{1, 0, 2})
		if err != nil {
			t.Fatal(err)
		}
		if &parts[0].Data()[0] != &in.Data()[0] {
			t.Errorf("%s was copied", in.DType())
		}
		if cap(parts[0].Data()) != len(parts[0].Data()) {
			t.Errorf("appending to a part of %s would overwrite the next", in.DType())
		}
	}
}

func TestSplitRefusesSizesThatAreNotTheDimension(t *testing.T) {
	t.Parallel()
	in := ints(t, []int{3}, 1, 2, 3)
	for _, sizes := range [][]int{nil, {1}, {4}, {-1, 4}, {1 << 62, 1 << 62, 1 << 62, 1 << 62}, make([]int, 40)} {
		if _, err := tensor.Split(in, 0, sizes); !errors.Is(err, tensor.ErrInvalid) {
			t.Errorf("sizes %v: %v", sizes, err)
		}
	}
	if _, err := tensor.Split(in, 1, []int{3}); !errors.Is(err, tensor.ErrInvalid) {
		t.Errorf("a dimension that is not there: %v", err)
	}
}

package tensor_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/ekiben/ekiben/tensor"
)

var dtypes = []tensor.DType{
	tensor.Bool, tensor.Uint8, tensor.Uint16, tensor.Uint32, tensor.Uint64, tensor.Int8, tensor.Int16, tensor.Int32,
	tensor.Int64, tensor.FP16, tensor.BF16, tensor.FP32, tensor.FP64, tensor.Bytes,
}

// drawTensor is any tensor of the type and shape.
func drawTensor(t *rapid.T, dtype tensor.DType, shape []int) tensor.Tensor {
	n, err := tensor.Elements(shape)
	if err != nil {
		t.Fatal(err)
	}
	if dtype == tensor.Bytes {
		item := rapid.SliceOfN(rapid.Byte(), 0, 6)
		made, err := tensor.OfItems(shape, rapid.SliceOfN(item, n, n).Draw(t, "items"))
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	size := n * dtype.Size()
	data := rapid.SliceOfN(rapid.Byte(), size, size).Draw(t, "data")
	if dtype == tensor.Bool {
		for i := range data {
			data[i] &= 1
		}
	}
	made, err := tensor.New(dtype, shape, data)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func drawAny(t *rapid.T) tensor.Tensor {
	shape := rapid.SliceOfN(rapid.IntRange(0, 3), 0, 4).Draw(t, "shape")
	return drawTensor(t, rapid.SampledFrom(dtypes).Draw(t, "dtype"), shape)
}

func same(t *rapid.T, what string, got, want tensor.Tensor) {
	if !got.Equal(want) {
		t.Fatalf("%s: got %s %v %x, want %s %v %x", what, got.DType(), got.Shape(), got.Data(), want.DType(), want.Shape(), want.Data())
	}
}

// cells is the bytes of each element.
func cells(t tensor.Tensor) [][]byte {
	if t.DType() == tensor.Bytes {
		return t.Items()
	}
	return slices.Collect(slices.Chunk(t.Data(), t.DType().Size()))
}

// joined is Concat by indices, one element at a time.
func joined(dim int, ts []tensor.Tensor) [][]byte {
	outer, inner := 1, 1
	for _, d := range ts[0].Shape()[:dim] {
		outer *= d
	}
	for _, d := range ts[0].Shape()[dim+1:] {
		inner *= d
	}
	var out [][]byte
	for o := range outer {
		for _, t := range ts {
			rows := t.Shape()[dim]
			for r := range rows {
				for i := range inner {
					out = append(out, cells(t)[(o*rows+r)*inner+i])
				}
			}
		}
	}
	return out
}

func TestConcatIsThatOfIndicesAndSplitUndoesIt(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		dtype := rapid.SampledFrom(dtypes).Draw(t, "dtype")
		shape := rapid.SliceOfN(rapid.IntRange(0, 3), 1, 4).Draw(t, "shape")
		dim := rapid.IntRange(0, len(shape)-1).Draw(t, "dim")
		sizes := rapid.SliceOfN(rapid.IntRange(0, 3), 1, 4).Draw(t, "sizes")
		parts := make([]tensor.Tensor, len(sizes))
		for i, size := range sizes {
			partShape := slices.Clone(shape)
			partShape[dim] = size
			parts[i] = drawTensor(t, dtype, partShape)
		}
		whole, err := tensor.Concat(dim, parts)
		if err != nil {
			t.Fatal(err)
		}
		if want := joined(dim, parts); !slices.EqualFunc(cells(whole), want, bytes.Equal) {
			t.Fatalf("elements %x, want %x", cells(whole), want)
		}
		if _, err := tensor.New(whole.DType(), whole.Shape(), whole.Data()); err != nil {
			t.Fatalf("the result is not valid: %v", err)
		}
		back, err := tensor.Split(whole, dim, sizes)
		if err != nil {
			t.Fatal(err)
		}
		for i := range parts {
			same(t, "split", back[i], parts[i])
		}
	})
}

func TestBinaryFormRoundTrips(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := drawAny(t)
		raw := want.AppendBinary([]byte("before"))[len("before"):]
		if len(raw) != want.BinarySize() {
			t.Fatalf("%d bytes, BinarySize says %d", len(raw), want.BinarySize())
		}
		got, rest, err := tensor.DecodeBinary(append(raw, "after"...))
		if err != nil || string(rest) != "after" {
			t.Fatalf("rest %q, %v", rest, err)
		}
		same(t, "binary", got, want)
	})
}

// finite reports whether JSON can hold all elements.
func finite(t tensor.Tensor) bool {
	bad := func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }
	if doubles, err := tensor.Values[float64](t); err == nil {
		return !slices.ContainsFunc(doubles, bad)
	}
	floats, _ := t.Float32s()
	return !slices.ContainsFunc(floats, func(v float32) bool { return bad(float64(v)) })
}

func TestJSONRoundTripsAndIsValid(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := drawAny(t)
		for name, write := range map[string]func([]byte, tensor.Tensor, tensor.Encoding) ([]byte, error){
			"nested": tensor.AppendJSON, "flat": tensor.AppendFlatJSON,
		} {
			raw, err := write(nil, want, tensor.EncodeOpaque)
			if (err == nil) != finite(want) {
				t.Fatalf("%s: %v", name, err)
			}
			if err != nil {
				continue
			}
			if !json.Valid(raw) {
				t.Fatalf("%s: %s is not JSON", name, raw)
			}
			got, err := tensor.ParseJSON(want.DType(), want.Shape(), raw, tensor.EncodeOpaque)
			if err != nil {
				t.Fatalf("%s %s: %v", name, raw, err)
			}
			same(t, name, got, want)
		}
	})
}

func TestTextInJSONIsThatOfEncodingJSON(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOf(rapid.String()).Draw(t, "texts")
		for i := range want { // rapid draws halves of surrogate pairs too
			want[i] = string(bytes.ToValidUTF8([]byte(want[i]), []byte("?")))
		}
		theirs, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		read, err := tensor.ParseJSON(tensor.Bytes, []int{-1}, theirs, tensor.EncodeText)
		if err != nil || !slices.Equal(read.Strings(), want) {
			t.Fatalf("%s: %q, %v", theirs, read.Strings(), err)
		}
		ours, err := tensor.AppendJSON(nil, read, tensor.EncodeText)
		if err != nil {
			t.Fatal(err)
		}
		var back []string
		if err := json.Unmarshal(ours, &back); err != nil || !slices.Equal(back, want) {
			t.Fatalf("%s: %q, %v", ours, back, err)
		}
	})
}

func TestFloatsInJSONAreThoseOfEncodingJSON(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOf(rapid.Float64()).Draw(t, "values")
		theirs, err := json.Marshal(values)
		if err != nil {
			t.Fatal(err)
		}
		read, err := tensor.ParseJSON(tensor.FP64, []int{len(values)}, theirs, tensor.EncodeOpaque)
		if err != nil {
			t.Fatal(err)
		}
		want, err := tensor.Of([]int{len(values)}, values)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "floats", read, want)
	})
}

// transposed is a file of numpy's Fortran order: the same elements with the
// first index running fastest.
func transposed(want tensor.Tensor) []byte {
	shape, in := want.Shape(), cells(want)
	index := make([]int, len(shape))
	var data []byte
	for range in {
		at := 0
		for i, d := range shape {
			at = at*d + index[i]
		}
		data = append(data, in[at]...)
		for i := range index {
			if index[i]++; index[i] < shape[i] {
				break
			}
			index[i] = 0
		}
	}
	tuple := "("
	for _, d := range shape {
		tuple += string(rune('0'+d)) + ","
	}
	return npy(dict("'<i4'", "True", tuple+")"), string(data))
}

func TestNPYRoundTripsInBothOrders(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := drawAny(t)
		raw, err := tensor.AppendNPY(nil, want)
		trailing := slices.ContainsFunc(want.Items(), func(item []byte) bool { return bytes.HasSuffix(item, []byte{0}) })
		if (err != nil) != (trailing || want.DType() == tensor.BF16) {
			t.Fatalf("AppendNPY: %v", err)
		}
		if err != nil {
			return
		}
		got, err := tensor.ReadNPY(raw)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "npy", got, want)
		if want.DType() != tensor.Int32 || len(want.Shape()) == 0 {
			return
		}
		if got, err = tensor.ReadNPY(transposed(want)); err != nil {
			t.Fatal(err)
		}
		same(t, "fortran", got, want)
	})
}

func TestBigEndianNPYIsTheSameNumbers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Int64(), 0, 9).Draw(t, "values")
		var data []byte
		for _, v := range values {
			data = binary.BigEndian.AppendUint64(data, uint64(v))
		}
		got, err := tensor.ReadNPY(npy(dict("'>i8'", "False", "("+string(rune('0'+len(values)))+",)"), string(data)))
		if err != nil {
			t.Fatal(err)
		}
		want, err := tensor.Of([]int{len(values)}, values)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "big-endian", got, want)
	})
}

package tensor_test

import (
	"errors"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/ekiben/ekiben/tensor"
)

func of[T tensor.Element](t *testing.T, shape []int, values ...T) tensor.Tensor {
	t.Helper()
	made, err := tensor.Of(shape, values)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func halves(t *testing.T, dtype tensor.DType, shape []int, values ...float32) tensor.Tensor {
	t.Helper()
	made, err := tensor.FromFloat32s(dtype, shape, values)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestParseJSONReadsNestedAndFlatArrays(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		shape []int
		raw   string
		enc   tensor.Encoding
		want  tensor.Tensor
	}{
		{"nested", []int{-1, 2}, `[[1, 2],[3,4] , [5,-6]]`, 0, of[int32](t, []int{3, 2}, 1, 2, 3, 4, 5, -6)},
		{"all free", []int{-1, -1}, `[[1,2,3]]`, 0, of[int32](t, []int{1, 3}, 1, 2, 3)},
		{"space everywhere", []int{2}, " [\n1\t,\r2 ] ", 0, of[int32](t, []int{2}, 1, 2)},
		{"flat with one free", []int{-1, 2}, `[1,2,3,4]`, 0, of[int32](t, []int{2, 2}, 1, 2, 3, 4)},
		{"flat with the full shape", []int{2, 1, 2}, `[1,2,3,4]`, 0, of[int32](t, []int{2, 1, 2}, 1, 2, 3, 4)},
		{"a scalar", nil, ` 7 `, 0, of[int32](t, nil, 7)},
		{"a flat scalar", nil, `[7]`, 0, of[int32](t, nil, 7)},
		{"no rows", []int{-1, 2}, `[]`, 0, of[int32](t, []int{0, 2})},
		{"no columns", []int{-1, -1}, `[[],[]]`, 0, of[int32](t, []int{2, 0})},
		{"no elements at all", []int{-1, -1}, `[]`, 0, of[int32](t, []int{0, 0})},
		{"flat without elements", []int{2, -1}, `[]`, 0, of[int32](t, []int{2, 0})},
		{"the ends of int64", []int{-1}, `[-9223372036854775808,9223372036854775807]`, 0, of[int64](t, []int{2}, math.MinInt64, math.MaxInt64)},
		{"beyond a float64", []int{-1}, `[18446744073709551615,9007199254740993]`, 0, of[uint64](t, []int{2}, math.MaxUint64, 9007199254740993)},
		{"the ends of int8", []int{-1}, `[-128,127,-0]`, 0, of[int8](t, []int{3}, -128, 127, 0)},
		{"the ends of uint16", []int{-1}, `[0,65535]`, 0, of[uint16](t, []int{2}, 0, 65535)},
		{"integers with a fraction of zeros", []int{-1}, `[2.0,-3.00,0.0,-0.0]`, 0, of[int32](t, []int{4}, 2, -3, 0, 0)},
		{"integers with exponents", []int{-1}, `[1e3,1.25E2,1200e-2,0e999999999999,0.002e+3,-5e0]`, 0, of[int64](t, []int{6}, 1000, 125, 12, 0, 2, -5)},
		{"the end of uint64 with an exponent", []int{-1}, `[1844674407370955161.5e1,18446744073709551615.0,1e19]`, 0, of[uint64](t, []int{3}, math.MaxUint64, math.MaxUint64, 1e19)},
		{"booleans", []int{-1}, `[true,false]`, 0, of(t, []int{2}, true, false)},
		{"floats", []int{-1}, `[1,-0,1.5e-3,2E+2,0.1]`, 0, of[float32](t, []int{5}, 1, float32(math.Copysign(0, -1)), 0.0015, 200, 0.1)},
		{"doubles", []int{-1}, `[0.1,1e308,5e-324,1e-400]`, 0, of[float64](t, []int{4}, 0.1, 1e308, 5e-324, 0)},
		{"halves", []int{-1}, `[0.1,65504,65519.99,6e-8]`, 0, halves(t, tensor.FP16, []int{4}, 0.1, 65504, 65504, 6e-8)},
		{"half of a tie that float32 would double round", []int{-1}, `[1.000488281250001]`, 0, halves(t, tensor.FP16, []int{1}, 1.0009765625)},
		{"brain floats", []int{-1}, `[3.14159]`, 0, halves(t, tensor.BF16, []int{1}, 3.140625)},
		{"text", []int{-1}, `["", "a\"\\\/\b\f\n\r\t", "\u00e9\ud83c\udf71é🍱"]`, tensor.EncodeText, texts(t, []int{3}, "", "a\"\\/\b\f\n\r\t", "é🍱é🍱")},
		{"base64", []int{-1}, `["", "AP8=", "\/\/8="]`, tensor.EncodeOpaque, texts(t, []int{3}, "", "\x00\xff", "\xff\xff")},
		{"documents", []int{-1}, `[{"a": [1, 2, "]"]}, "x \"y\"", 1.50, null, [ ], true]`, tensor.EncodeJSON, texts(t, []int{6}, `{"a":[1,2,"]"]}`, `"x \"y\""`, `1.50`, `null`, `[]`, `true`)},
		{"a document that is an array", nil, `[1, [2]]`, tensor.EncodeJSON, texts(t, nil, `[1,[2]]`)},
		{"documents that are arrays", []int{-1, 1}, `[[[1]],[[2]]]`, tensor.EncodeJSON, texts(t, []int{2, 1}, `[1]`, `[2]`)},
		{"flat documents", []int{-1, 1}, `[{},{}]`, tensor.EncodeJSON, texts(t, []int{2, 1}, `{}`, `{}`)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := tensor.ParseJSON(tt.want.DType(), tt.shape, []byte(tt.raw), tt.enc)
			if err != nil {
				t.Fatal(err)
			}
			wantTensor(t, got, tt.want)
		})
	}
}

func TestParseJSONSaysWhatIsWrongAndWhere(t *testing.T) {
	t.Parallel()
	free := []int{-1}
	tests := []struct {
		name  string
		dtype tensor.DType
		shape []int
		raw   string
		enc   tensor.Encoding
		says  []string
	}{
		{"too large for uint8", tensor.Uint8, []int{-1, 2}, `[[1,2],[3,300]]`, 0, []string{"[1][1]", "300", "range of UINT8"}},
		{"negative for uint8", tensor.Uint8, free, `[-1]`, 0, []string{"[0]", "-1", "UINT8"}},
		{"below int8", tensor.Int8, free, `[-129]`, 0, []string{"-129", "INT8"}},
		{"above int8", tensor.Int8, free, `[128]`, 0, []string{"128", "INT8"}},
		{"above int64", tensor.Int64, free, `[9223372036854775808]`, 0, []string{"9223372036854775808"}},
		{"above uint64", tensor.Uint64, free, `[18446744073709551616]`, 0, []string{"18446744073709551616"}},
		{"a fraction", tensor.Int32, free, `[0,1.5]`, 0, []string{"[1]", "1.5", "not an integer"}},
		{"a fraction of more than zeros", tensor.Int64, free, `[1.0000000000000000000001]`, 0, []string{"not an integer"}},
		{"an exponent that leaves a fraction", tensor.Int32, free, `[12e-1]`, 0, []string{"12e-1", "not an integer"}},
		{"an exponent that leaves nothing", tensor.Int32, free, `[1e-999999999999]`, 0, []string{"not an integer"}},
		{"an exponent beyond int32", tensor.Int32, free, `[1e10]`, 0, []string{"1e10", "range of INT32"}},
		{"just beyond int64", tensor.Int64, free, `[9223372036854775808.0]`, 0, []string{"range of INT64"}},
		{"an exponent beyond uint64", tensor.Uint64, free, `[1e20]`, 0, []string{"1e20", "range of UINT64"}},
		{"an exponent beyond everything", tensor.Uint64, free, `[1e999999999999]`, 0, []string{"range of UINT64"}},
		{"a negative fraction of zeros", tensor.Uint8, free, `[-1.0]`, 0, []string{"-1.0", "range of UINT8"}},
		{"above float32", tensor.FP32, free, `[1e39]`, 0, []string{"1e39", "FP32"}},
		{"above float64", tensor.FP64, free, `[1e309]`, 0, []string{"1e309", "FP64"}},
		{"above half", tensor.FP16, free, `[65520]`, 0, []string{"65520", "FP16"}},
		{"above brain float", tensor.BF16, free, `[3.4e38]`, 0, []string{"3.4e38", "BF16"}},
		{"a number that never ends", tensor.Int8, free, "[" + strings.Repeat("1", 1000) + "]", 0, []string{"1111111111…"}},
		{"not a number", tensor.FP32, free, `[NaN]`, 0, []string{"[0]", "want a number", "'N'"}},
		{"null", tensor.FP32, free, `[null]`, 0, []string{"null"}},
		{"a string for a number", tensor.FP32, free, `["1"]`, 0, []string{"a string"}},
		{"an object for an array", tensor.FP32, free, `{}`, 0, []string{"want an array", "an object"}},
		{"a leading zero", tensor.FP32, free, `[01]`, 0, []string{"want a number"}},
		{"a leading plus", tensor.FP32, free, `[+1]`, 0, []string{"'+'"}},
		{"a bare point", tensor.FP32, free, `[1.]`, 0, []string{"want a number"}},
		{"a bare exponent", tensor.FP32, free, `[1e]`, 0, []string{"want a number"}},
		{"hexadecimal", tensor.FP32, free, `[0x1]`, 0, []string{"comma", "'x'"}},
		{"an underscore", tensor.Int32, free, `[1_0]`, 0, []string{"comma"}},
		{"a number for a boolean", tensor.Bool, free, `[1]`, 0, []string{"true or false", "a number"}},
		{"ragged", tensor.FP32, []int{-1, -1}, `[[1,2],[3,4],[5]]`, 0, []string{"[2]", "ragged", "1 elements", "2"}},
		{"not the shape", tensor.FP32, []int{-1, 3}, `[[1,2]]`, 0, []string{"[0]", "2 elements", "[-1,3]"}},
		{"too few rows", tensor.FP32, []int{2, 1}, `[[1]]`, 0, []string{"1 elements", "[2,1]"}},
		{"too deep", tensor.FP32, []int{-1, 2}, `[[[1]]]`, 0, []string{"[0][0]", "an array"}},
		{"not deep enough", tensor.FP32, []int{-1, 1, 1}, `[[1]]`, 0, []string{"[0][0]", "want an array"}},
		{"flat with two free", tensor.FP32, []int{-1, -1}, `[1,2]`, 0, []string{"flat", "[-1,-1]"}},
		{"flat that does not divide", tensor.FP32, []int{-1, 2}, `[1,2,3]`, 0, []string{"flat array of 3"}},
		{"flat that does not fill", tensor.FP32, []int{2, 2}, `[1,2,3]`, 0, []string{"flat array of 3"}},
		{"two for a scalar", tensor.FP32, nil, `[1,2]`, 0, []string{"flat array of 2"}},
		{"none for a scalar", tensor.FP32, nil, `[]`, 0, []string{"flat array of 0"}},
		{"an array left open", tensor.FP32, free, `[1,2`, 0, []string{"comma", "the end"}},
		{"a trailing comma", tensor.FP32, free, `[1,]`, 0, []string{"[1]", "want a number"}},
		{"more after the value", tensor.FP32, free, `[1] 2`, 0, []string{"byte 4"}},
		{"nothing", tensor.FP32, free, ``, 0, []string{"the end"}},
		{"a negative dimension", tensor.FP32, []int{-2}, `[]`, 0, []string{"negative"}},
		{"rank nine", tensor.FP32, make([]int, 9), `[]`, 0, []string{"rank 9"}},
		{"a shape that overflows", tensor.FP32, []int{1 << 32, -1, 1 << 32}, `[]`, 0, []string{"overflows"}},
		{"no type", 0, free, `[]`, 0, []string{"data type 0"}},
		{"no encoding", tensor.Bytes, free, `[]`, 9, []string{"encoding 9"}},
		{"a number for text", tensor.Bytes, free, `[1]`, tensor.EncodeText, []string{"want a string"}},
		{"half a surrogate pair", tensor.Bytes, free, `["\ud83c"]`, tensor.EncodeText, []string{"surrogate"}},
		{"the second half alone", tensor.Bytes, free, `["\udf71"]`, tensor.EncodeText, []string{"surrogate"}},
		{"no such escape", tensor.Bytes, free, `["\x"]`, tensor.EncodeText, []string{"escape"}},
		{"an escape cut off", tensor.Bytes, free, `["\u12`, tensor.EncodeText, []string{"escape"}},
		{"text that is not UTF-8", tensor.Bytes, free, "[\"\xff\"]", tensor.EncodeText, []string{"UTF-8"}},
		{"a control character", tensor.Bytes, free, "[\"\x01\"]", tensor.EncodeText, []string{"end of the string"}},
		{"an open string", tensor.Bytes, free, `["a`, tensor.EncodeText, []string{"end of the string"}},
		{"no base64", tensor.Bytes, free, `["!"]`, tensor.EncodeOpaque, []string{"[0]", "base64"}},
		{"base64 without padding", tensor.Bytes, free, `["AP8"]`, tensor.EncodeOpaque, []string{"padding"}},
		{"base64 with stray bits", tensor.Bytes, free, `["AP9="]`, tensor.EncodeOpaque, []string{"base64"}},
		{"base64 with a line end", tensor.Bytes, free, `["AP\n8="]`, tensor.EncodeOpaque, []string{"line ends"}},
		{"no document", tensor.Bytes, free, `[{]}`, tensor.EncodeJSON, []string{"[0]", "want JSON"}},
		{"an empty document", tensor.Bytes, free, `[,]`, tensor.EncodeJSON, []string{"want JSON"}},
		{"a document that is not UTF-8", tensor.Bytes, free, "[\"\xff\"]", tensor.EncodeJSON, []string{"UTF-8"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := tensor.ParseJSON(tt.dtype, tt.shape, []byte(tt.raw), tt.enc)
			if !errors.Is(err, tensor.ErrInvalid) {
				t.Fatalf("got %v, %v", got, err)
			}
			for _, part := range tt.says {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not mention %q", err, part)
				}
			}
			if len(err.Error()) > 250 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
		})
	}
}

func TestAppendJSONWritesByShape(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name         string
		tensor       tensor.Tensor
		enc          tensor.Encoding
		nested, flat string
	}{
		{"a scalar", of[int32](t, nil, -7), 0, `-7`, `[-7]`},
		{"rows", of[uint8](t, []int{2, 2}, 0, 1, 2, 255), 0, `[[0,1],[2,255]]`, `[0,1,2,255]`},
		{"no rows", of[uint8](t, []int{0, 2}), 0, `[]`, `[]`},
		{"no columns", of[uint8](t, []int{2, 0}), 0, `[[],[]]`, `[]`},
		{"a wide shape without elements", of[uint8](t, []int{0, 1 << 60}), 0, `[]`, `[]`},
		{"signs", of[int8](t, []int{2}, -128, 127), 0, `[-128,127]`, `[-128,127]`},
		{"the ends", of[int64](t, []int{2}, math.MinInt64, math.MaxInt64), 0, `[-9223372036854775808,9223372036854775807]`, `[-9223372036854775808,9223372036854775807]`},
		{"the top", of[uint64](t, []int{1}, math.MaxUint64), 0, `[18446744073709551615]`, `[18446744073709551615]`},
		{"floats", of[float32](t, []int{5}, 0.1, 1, -1e-7, 1e21, float32(math.Copysign(0, -1))), 0, `[0.1,1,-1e-07,1e+21,-0]`, `[0.1,1,-1e-07,1e+21,-0]`},
		{"doubles", of(t, []int{2}, 0.1, 1e20), 0, `[0.1,100000000000000000000]`, `[0.1,100000000000000000000]`},
		{"halves", halves(t, tensor.FP16, []int{1}, 0.5), 0, `[0.5]`, `[0.5]`},
		{"booleans", of(t, []int{2}, true, false), 0, `[true,false]`, `[true,false]`},
		{"text", texts(t, []int{2}, "a\"\\\n\r\t\x01", "é🍱"), tensor.EncodeText, `["a\"\\\n\r\t\u0001","é🍱"]`, `["a\"\\\n\r\t\u0001","é🍱"]`},
		{"base64", texts(t, []int{2}, "", "\x00\xff"), tensor.EncodeOpaque, `["","AP8="]`, `["","AP8="]`},
		{"documents", texts(t, []int{2, 1}, ` { "a" : 1 } `, "2"), tensor.EncodeJSON, `[[{"a":1}],[2]]`, `[{"a":1},2]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			nested, err := tensor.AppendJSON([]byte("x"), tt.tensor, tt.enc)
			if err != nil || string(nested) != "x"+tt.nested {
				t.Errorf("AppendJSON = %s, %v, want %s", nested, err, tt.nested)
			}
			flat, err := tensor.AppendFlatJSON([]byte("x"), tt.tensor, tt.enc)
			if err != nil || string(flat) != "x"+tt.flat {
				t.Errorf("AppendFlatJSON = %s, %v, want %s", flat, err, tt.flat)
			}
		})
	}
}

func TestAppendJSONRefusesWhatJSONCannotHold(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		tensor tensor.Tensor
		enc    tensor.Encoding
		says   string
	}{
		{"not a number", of(t, []int{2}, 1, float32(math.NaN())), 0, "element 1 of shape [2]: JSON cannot hold NaN"},
		{"infinity", of(t, []int{1}, math.Inf(-1)), 0, "JSON cannot hold -Inf"},
		{"half infinity", halves(t, tensor.FP16, nil, 1e9), 0, "JSON cannot hold +Inf"},
		{"text that is not UTF-8", texts(t, []int{1}, "\xff"), tensor.EncodeText, "UTF-8"},
		{"a document that is none", texts(t, []int{1}, "{"), tensor.EncodeJSON, "is not JSON"},
		{"a document that is not UTF-8", texts(t, []int{1}, "\"\xff\""), tensor.EncodeJSON, "UTF-8"},
		{"the zero Tensor", tensor.Tensor{}, 0, "zero Tensor"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, write := range []func([]byte, tensor.Tensor, tensor.Encoding) ([]byte, error){tensor.AppendJSON, tensor.AppendFlatJSON} {
				got, err := write([]byte("x"), tt.tensor, tt.enc)
				if !errors.Is(err, tensor.ErrInvalid) || !strings.Contains(err.Error(), tt.says) || string(got) != "x" {
					t.Errorf("%s, %v, want a mention of %q", got, err, tt.says)
				}
			}
		})
	}
}

func TestAppendJSONDoesNotWriteArraysThatNoDataPaysFor(t *testing.T) {
	t.Parallel()
	for _, shape := range [][]int{{1 << 60, 0}, {1 << 30, 1 << 30, 0}, {1, 1 << 17, 0}} {
		if _, err := tensor.AppendJSON(nil, of[uint8](t, shape), 0); !errors.Is(err, tensor.ErrInvalid) {
			t.Errorf("shape %v: %v", shape, err)
		}
	}
}

// allocated is how many bytes a call allocates. Tests that use it are not
// parallel: the count is that of the process.
func allocated(call func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	call()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

//nolint:paralleltest // counts what the whole process allocates
func TestParseJSONAllocatesInProportionToTheInput(t *testing.T) {
	const size = 1 << 20
	inputs := map[string]struct {
		dtype tensor.DType
		shape []int
		raw   string
	}{
		"a shape far larger": {tensor.FP64, []int{1 << 50}, "[1]"},
		"only commas":        {tensor.FP64, []int{-1}, "[" + strings.Repeat(",", size)},
		"short numbers":      {tensor.FP64, []int{-1}, "[" + strings.Repeat("1,", size/2) + "1]"},
		"short strings":      {tensor.Bytes, []int{-1}, "[" + strings.Repeat(`"",`, size/3) + `""]`},
		"one long string":    {tensor.Bytes, []int{-1}, `["` + strings.Repeat("AAAA", size/4) + `"]`},
		"open arrays":        {tensor.Bytes, []int{-1}, strings.Repeat("[", size)},
	}
	for name, in := range inputs {
		got := allocated(func() {
			_, _ = tensor.ParseJSON(in.dtype, in.shape, []byte(in.raw), tensor.EncodeOpaque)
		})
		if most := uint64(8*len(in.raw) + 1<<16); got > most {
			t.Errorf("%s: %d bytes for %d", name, got, len(in.raw))
		}
	}
}

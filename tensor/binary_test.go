package tensor_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ekiben/ekiben/tensor"
)

var update = flag.Bool("update", false, "write the golden files anew: only for a new version of the wire format")

// wireSamples has a value of every data type.
func wireSamples(t *testing.T) []tensor.Named {
	t.Helper()
	return []tensor.Named{
		{Name: "bool", Tensor: of(t, []int{2}, true, false)},
		{Name: "uint8", Tensor: of[uint8](t, nil, 200)},
		{Name: "uint16", Tensor: of[uint16](t, []int{1, 2}, 1, 0x0203)},
		{Name: "uint32", Tensor: of[uint32](t, []int{1}, 0x01020304)},
		{Name: "uint64", Tensor: of[uint64](t, []int{1}, 0x0102030405060708)},
		{Name: "int8", Tensor: of[int8](t, []int{1}, -1)},
		{Name: "int16", Tensor: of[int16](t, []int{1}, -2)},
		{Name: "int32", Tensor: of[int32](t, []int{1}, -3)},
		{Name: "int64", Tensor: of[int64](t, []int{1}, -4)},
		{Name: "fp16", Tensor: halves(t, tensor.FP16, []int{1}, 0.1)},
		{Name: "bf16", Tensor: halves(t, tensor.BF16, []int{1}, 0.1)},
		{Name: "fp32", Tensor: of[float32](t, []int{1}, 0.1)},
		{Name: "fp64", Tensor: of(t, []int{1}, 0.1)},
		{Name: "bytes", Tensor: texts(t, []int{3}, "", "a", "駅弁")},
		{Name: "", Tensor: of[uint8](t, []int{300, 0})},
	}
}

// A change of these bytes breaks every envelope that is in a queue.
func TestBinaryFormIsTheGoldenOne(t *testing.T) {
	t.Parallel()
	samples := wireSamples(t)
	var got strings.Builder
	for _, s := range samples {
		fmt.Fprintf(&got, "%-6s %x\n", s.Name, s.Tensor.AppendBinary(nil))
	}
	list := tensor.AppendNamed(nil, samples)
	fmt.Fprintf(&got, "list   %x\n", list)
	golden := filepath.Join("testdata", "binary.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("got\n%swant\n%s", got.String(), want)
	}
	decoded, rest, err := tensor.DecodeNamed(list)
	if err != nil || len(rest) > 0 || len(decoded) != len(samples) {
		t.Fatalf("%d values, %d bytes left, %v", len(decoded), len(rest), err)
	}
	for i, v := range decoded {
		if v.Name != samples[i].Name {
			t.Errorf("name %q, want %q", v.Name, samples[i].Name)
		}
		wantTensor(t, v.Tensor, samples[i].Tensor)
	}
}

func TestDecodeBinaryKeepsItsSourceAndReturnsTheRest(t *testing.T) {
	t.Parallel()
	src := append(texts(t, nil, "abc").AppendBinary(nil), "rest"...)
	got, rest, err := tensor.DecodeBinary(src)
	if err != nil || string(rest) != "rest" {
		t.Fatalf("rest %q, %v", rest, err)
	}
	if &got.Data()[0] != &src[3] || cap(got.Data()) != len(got.Data()) {
		t.Error("the data is not exactly its part of the source")
	}
}

func TestDecodeBinaryRefusesEveryPrefixOfATensor(t *testing.T) {
	t.Parallel()
	list := tensor.AppendNamed(nil, wireSamples(t))
	for n := range list {
		if _, _, err := tensor.DecodeNamed(list[:n]); !errors.Is(err, tensor.ErrInvalid) {
			t.Fatalf("%d of %d bytes: %v", n, len(list), err)
		}
	}
}

func TestDecodeBinaryRefusesWhatIsNoTensor(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, src, says string }{
		{"no type", "0000" + "00", "data type 0"},
		{"an unknown type", "0f00" + "00", "data type 15"},
		{"rank nine", "0209" + "010101010101010101" + "01" + "ff", "rank 9"},
		{"a dimension that overflows an int", "0201" + "ffffffffffffffffff01" + "00", "dimension overflows"},
		{"a dimension of eleven bytes", "0201" + "ffffffffffffffffffff01" + "00", "dimension overflows"},
		{"a dimension that is not in its shortest form", "0201" + "8100" + "01" + "ff", "shortest"},
		{"a shape that overflows", "0202" + "808080808080808040" + "04" + "00", "shape [4611686018427387904,4] overflows"},
		{"more data than there is", "0201" + "05" + "05" + "01020304", "length of data is 5 bytes, 4 are left"},
		{"2^62 bytes of data", "0201" + "808080808080808040" + "808080808080808040", "are left"},
		{"2^60 items without data", "0e01" + "808080808080808010" + "00", "no length prefix"},
		{"less data than the shape has", "0201" + "05" + "04" + "01020304", "got 4 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			src, err := hex.DecodeString(tt.src)
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = tensor.DecodeBinary(src)
			if !errors.Is(err, tensor.ErrInvalid) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v, want a mention of %q", err, tt.says)
			}
		})
	}
}

func TestNamedValuesHaveLimits(t *testing.T) {
	t.Parallel()
	one := of[uint8](t, nil, 1)
	many := func(n int) []tensor.Named {
		vs := make([]tensor.Named, n)
		for i := range vs {
			vs[i] = tensor.Named{Name: "x", Tensor: one}
		}
		return vs
	}
	tests := []struct {
		name string
		vs   []tensor.Named
		ok   bool
	}{
		{"none", nil, true},
		{"as many as may be", many(tensor.MaxNamed), true},
		{"one too many", many(tensor.MaxNamed + 1), false},
		{"the longest name", []tensor.Named{{Name: strings.Repeat("n", tensor.MaxName), Tensor: one}}, true},
		{"a name too long", []tensor.Named{{Name: strings.Repeat("n", tensor.MaxName+1), Tensor: one}}, false},
		{"the zero Tensor", []tensor.Named{{Name: "x"}}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if err := tensor.CheckNamed(tt.vs); errors.Is(err, tensor.ErrInvalid) == tt.ok {
				t.Errorf("CheckNamed: %v", err)
			}
			raw := tensor.AppendNamed([]byte("x"), tt.vs)[1:]
			if len(raw) != tensor.NamedSize(tt.vs) {
				t.Errorf("%d bytes, NamedSize says %d", len(raw), tensor.NamedSize(tt.vs))
			}
			got, _, err := tensor.DecodeNamed(raw)
			if errors.Is(err, tensor.ErrInvalid) == tt.ok || tt.ok && len(got) != len(tt.vs) {
				t.Errorf("DecodeNamed: %d values, %v", len(got), err)
			}
		})
	}
}

//nolint:paralleltest // counts what the whole process allocates
func TestDecodeNamedAllocatesLittleWhateverIsClaimed(t *testing.T) {
	inputs := map[string]string{
		"2^62 values":        "808080808080808040",
		"64 values":          "40",
		"a name of 2^62":     "01" + "808080808080808040",
		"2^62 bytes of data": "01" + "00" + "0201" + "808080808080808040" + "808080808080808040",
	}
	for name, input := range inputs {
		src, err := hex.DecodeString(input)
		if err != nil {
			t.Fatal(err)
		}
		src = append(src, bytes.Repeat([]byte{0xff}, 1024)...)
		if got := allocated(func() { _, _, _ = tensor.DecodeNamed(src) }); got > 16*1024 {
			t.Errorf("%s: %d bytes", name, got)
		}
	}
}

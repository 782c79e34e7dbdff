package tensor_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ekiben/ekiben/tensor"
)

// reference is what numpy says a file holds; see testdata/npy.py.
type reference struct {
	DType   tensor.DType
	Shape   []int
	Values  json.RawMessage
	Written bool
	Refused bool
}

func references(t *testing.T) map[string]reference {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "npy", "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	var refs map[string]reference
	if err := json.Unmarshal(raw, &refs); err != nil {
		t.Fatal(err)
	}
	return refs
}

func TestNPYOfNumpyIsReadAndWrittenBack(t *testing.T) {
	t.Parallel()
	for name, ref := range references(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw, err := os.ReadFile(filepath.Join("testdata", "npy", name+".npy"))
			if err != nil {
				t.Fatal(err)
			}
			got, err := tensor.ReadNPY(raw)
			if ref.Refused {
				if !errors.Is(err, tensor.ErrInvalid) {
					t.Errorf("read as %v, %v", got, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want, err := tensor.ParseJSON(ref.DType, ref.Shape, ref.Values, tensor.EncodeOpaque)
			if err != nil {
				t.Fatal(err)
			}
			wantTensor(t, got, want)
			written, err := tensor.AppendNPY([]byte("before"), want)
			if err != nil {
				t.Fatal(err)
			}
			written = bytes.TrimPrefix(written, []byte("before"))
			if ref.Written && !bytes.Equal(written, raw) {
				t.Errorf("wrote %q\nnumpy %q", written, raw)
			}
			back, err := tensor.ReadNPY(written)
			if err != nil {
				t.Fatal(err)
			}
			wantTensor(t, back, want)
		})
	}
}

// npy is a file of version 1.0 with the given dict and data.
func npy(dict, data string) []byte {
	raw := append([]byte("\x93NUMPY\x01\x00"), 0, 0)
	binary.LittleEndian.PutUint16(raw[8:], uint16(len(dict)))
	return append(append(raw, dict...), data...)
}

func dict(descr, order, shape string) string {
	return fmt.Sprintf("{'descr': %s, 'fortran_order': %s, 'shape': %s}", descr, order, shape)
}

func TestReadNPYTakesOtherSpellingsOfTheHeader(t *testing.T) {
	t.Parallel()
	want := of[uint8](t, []int{2}, 'a', 'b')
	for _, header := range []string{
		`{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }`,
		`{"shape":(2,),"descr":"<u1","fortran_order":True}`,
		" {\n'shape' : ( 2 , ) , 'fortran_order' : False , 'descr' : '>u1' , } \n",
		`{'descr': '=u1', 'fortran_order': False, 'shape': (2,)}`,
	} {
		got, err := tensor.ReadNPY(npy(header, "ab"))
		if err != nil {
			t.Fatalf("%s: %v", header, err)
		}
		wantTensor(t, got, want)
	}
}

func TestReadNPYRefusesWhatItCannotBeSureOf(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		raw  []byte
		says string
	}{
		{"nothing", nil, "not a .npy"},
		{"another file", []byte("PK\x03\x04 and more"), "not a .npy"},
		{"version 4", []byte("\x93NUMPY\x04\x00\x00\x00\x00\x00"), "version 4.0"},
		{"version 1.1", []byte("\x93NUMPY\x01\x01\x00\x00"), "version 1.1"},
		{"no length", []byte("\x93NUMPY\x02\x00\x00\x00\x00"), "before its header"},
		{"half a header", npy("{", "")[:10], "1 bytes, 0 are left"},
		{"a header of 4 GiB", []byte("\x93NUMPY\x02\x00\xff\xff\xff\xff{}"), "4294967295"},
		{"no dict", npy("[]", ""), "want '{'"},
		{"an empty dict", npy("{}", ""), "want the keys"},
		{"a key too few", npy("{'descr': '<f4', 'shape': ()}", "abcd"), "want the keys"},
		{"a key twice", npy("{'descr': '<f4', 'descr': '<f4', 'shape': ()}", "abcd"), "twice"},
		{"another key", npy("{'desc': '<f4'}", ""), `no key "desc"`},
		{"no colon", npy("{'descr' '<f4'}", ""), "colon"},
		{"no comma", npy("{'descr': '<f4' 'shape': ()}", ""), "comma"},
		{"an open string", npy("{'descr: ()}", ""), "end of a string"},
		{"an escape", npy(`{'descr': '\x3cf4'}`, ""), "without escapes"},
		{"an expression", npy(dict("'<f'+'4'", "False", "()"), "abcd"), "comma"},
		{"a call", npy(dict("exit()", "False", "()"), "abcd"), "want a string"},
		{"a number for a boolean", npy(dict("'<f4'", "0", "()"), "abcd"), "True or False"},
		{"an int for a tuple", npy(dict("'<f4'", "False", "(1)"), "abcd"), "comma in a tuple"},
		{"a list for a tuple", npy(dict("'<f4'", "False", "[1]"), "abcd"), "want '('"},
		{"a negative size", npy(dict("'<f4'", "False", "(-1,)"), "abcd"), "want a size"},
		{"an octal size", npy(dict("'<f4'", "False", "(01,)"), "abcd"), "want a size"},
		{"a size that overflows", npy(dict("'<f4'", "False", "(9223372036854775808,)"), ""), "want a size"},
		{"a shape that overflows", npy(dict("'<f4'", "False", "(4294967296, 4294967296)"), ""), "overflows"},
		{"bytes that overflow", npy(dict("'<f8'", "False", "(4611686018427387904,)"), ""), "got 0 bytes"},
		{"rank nine", npy(dict("'<f4'", "False", "(1,1,1,1,1,1,1,1,1)"), "abcd"), "rank"},
		{"more after the dict", npy(dict("'<f4'", "False", "()")+" 1", "abcd"), "goes on"},
		{"too little data", npy(dict("'<f4'", "False", "(2,)"), "abcd"), "got 4 bytes"},
		{"too much data", npy(dict("'<f4'", "False", "()"), "abcdefgh"), "got 8 bytes"},
		{"objects", npy(dict("'|O'", "False", "()"), "\x80\x04N."), "pickle"},
		{"complex numbers", npy(dict("'<c8'", "False", "()"), "12345678"), "complex"},
		{"structured", npy(dict("[('a', '<f4')]", "False", "()"), "abcd"), "structured"},
		{"a subarray", npy(dict("('<f4', (2,))", "False", "()"), "abcd"), "structured"},
		{"dates", npy(dict("'<M8[ns]'", "False", "()"), "12345678"), `"<M8[ns]"`},
		{"raw memory", npy(dict("'|V4'", "False", "()"), "abcd"), `"|V4"`},
		{"long doubles", npy(dict("'<f16'", "False", "()"), "0123456789abcdef"), `"<f16"`},
		{"no byte order", npy(dict("'f4'", "False", "()"), "abcd"), `"f4"`},
		{"no type", npy(dict("''", "False", "()"), ""), `""`},
		{"strings of no size", npy(dict("'|S'", "False", "()"), ""), "characters"},
		{"strings of size 0", npy(dict("'|S0'", "False", "(1000000000000,)"), ""), `"0" characters`},
		{"strings of a signed size", npy(dict("'|S+1'", "False", "()"), "a"), "characters"},
		{"strings too large", npy(dict("'<U1073741824'", "False", "(0,)"), ""), "characters"},
		{"half of a surrogate pair", npy(dict("'<U1'", "False", "()"), "\x00\xd8\x00\x00"), "code point"},
		{"beyond Unicode", npy(dict("'>U1'", "False", "()"), "\xff\xff\xff\xff"), "code point"},
		{"a boolean of 2", npy(dict("'|b1'", "False", "(1,)"), "\x02"), "BOOL element 0 is 2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := tensor.ReadNPY(tt.raw)
			if !errors.Is(err, tensor.ErrInvalid) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v, want a mention of %q", err, tt.says)
			}
		})
	}
}

func TestAppendNPYRefusesWhatNumpyCannotHold(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		tensor tensor.Tensor
		says   string
	}{
		{"brain floats", halves(t, tensor.BF16, nil, 1), "BF16"},
		{"an element that ends in NUL", texts(t, []int{2}, "a", "b\x00"), "element 1"},
		{"one long among many short", texts(t, []int{1 << 16}, append(make([]string, 1<<16-1), strings.Repeat("x", 2048))...), "2048 bytes"},
		{"the zero Tensor", tensor.Tensor{}, "zero Tensor"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := tensor.AppendNPY([]byte("x"), tt.tensor)
			if !errors.Is(err, tensor.ErrInvalid) || !strings.Contains(err.Error(), tt.says) || string(got) != "x" {
				t.Errorf("%d bytes, %v, want a mention of %q", len(got), err, tt.says)
			}
		})
	}
}

//nolint:paralleltest // counts what the whole process allocates
func TestReadNPYAllocatesInProportionToTheInput(t *testing.T) {
	const size = 1 << 20
	data := strings.Repeat("x", size)
	inputs := map[string][]byte{
		"a shape far larger": npy(dict("'|S1'", "False", "(1152921504606846976,)"), data),
		"tiny strings":       npy(dict("'|S1'", "False", "(1048576,)"), data),
		"fortran strings":    npy(dict("'|S1'", "True", "(1024, 1024)"), data),
		"big-endian fortran": npy(dict("'>u2'", "True", "(1024, 512)"), data),
		"a long shape":       npy("{'shape': ("+strings.Repeat("1,", 30000), ""),
	}
	for name, raw := range inputs {
		if got := allocated(func() { _, _ = tensor.ReadNPY(raw) }); got > uint64(7*len(raw)) {
			t.Errorf("%s: %d bytes for %d", name, got, len(raw))
		}
	}
}

func TestReadNPYKeepsTheFileWhereNothingHasToChange(t *testing.T) {
	t.Parallel()
	raw := npy(dict("'<f4'", "False", "(1,)"), "abcd")
	got, err := tensor.ReadNPY(raw)
	if err != nil {
		t.Fatal(err)
	}
	if &got.Data()[0] != &raw[len(raw)-4] {
		t.Error("the data was copied")
	}
}

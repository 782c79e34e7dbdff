package tensor_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/ekiben/ekiben/tensor"
)

// mustBeInvalid is what every decoder says of input that it does not take.
func mustBeInvalid(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, tensor.ErrInvalid) {
		t.Fatalf("an error that is not ErrInvalid: %v", err)
	}
}

func FuzzDecodeBinary(f *testing.F) {
	f.Add([]byte("\x02\x01\x02\x02ab"))
	f.Add([]byte("\x0e\x01\x01\x05\x01\x00\x00\x00x"))
	f.Add([]byte("\x01\x00\x01\x02"))
	f.Fuzz(func(t *testing.T, src []byte) {
		got, rest, err := tensor.DecodeBinary(src)
		if err != nil {
			mustBeInvalid(t, err)
			return
		}
		if back := append(got.AppendBinary(nil), rest...); !bytes.Equal(back, src) {
			t.Fatalf("%x came back as %x", src, back)
		}
	})
}

func FuzzDecodeNamed(f *testing.F) {
	f.Add([]byte("\x00"))
	f.Add([]byte("\x01\x05input\x02\x01\x02\x02abrest"))
	f.Add([]byte("\x02\x00\x0e\x00\x05\x01\x00\x00\x00x\x01b\x0e\x01\x00\x00"))
	f.Fuzz(func(t *testing.T, src []byte) {
		got, rest, err := tensor.DecodeNamed(src)
		if err != nil {
			mustBeInvalid(t, err)
			return
		}
		if err := tensor.CheckNamed(got); err != nil {
			t.Fatal(err)
		}
		if back := append(tensor.AppendNamed(nil, got), rest...); !bytes.Equal(back, src) {
			t.Fatalf("%x came back as %x", src, back)
		}
	})
}

func FuzzParseJSON(f *testing.F) {
	f.Add(uint8(tensor.FP32), uint8(0), []byte{255, 2}, []byte(`[[1.5,-2e3],[0,1E-2]]`))
	f.Add(uint8(tensor.FP16), uint8(0), []byte{2, 1}, []byte(`[0.1,65504]`))
	f.Add(uint8(tensor.Int64), uint8(0), []byte{255, 255}, []byte(`[ [ -9223372036854775808 ] , [1] ]`))
	f.Add(uint8(tensor.Bool), uint8(0), []byte{}, []byte(`true`))
	f.Add(uint8(tensor.Bytes), uint8(tensor.EncodeText), []byte{255}, []byte(`["a\u00e9\ud83c\udf71\n",""]`))
	f.Add(uint8(tensor.Bytes), uint8(tensor.EncodeJSON), []byte{255}, []byte(`[{"a":[1,"]"]},null]`))
	f.Add(uint8(tensor.Bytes), uint8(tensor.EncodeOpaque), []byte{255}, []byte(`["AP8=",""]`))
	f.Fuzz(func(t *testing.T, dtype, enc uint8, dims, raw []byte) {
		shape := make([]int, len(dims))
		for i, d := range dims {
			shape[i] = int(int8(d))
		}
		encoding := tensor.Encoding(enc)
		got, err := tensor.ParseJSON(tensor.DType(dtype), shape, raw, encoding)
		if err != nil {
			mustBeInvalid(t, err)
			return
		}
		if !json.Valid(raw) {
			t.Fatalf("took %q, which is not JSON", raw)
		}
		if _, err := tensor.New(got.DType(), got.Shape(), got.Data()); err != nil {
			t.Fatal(err)
		}
		written, err := tensor.AppendJSON(nil, got, encoding)
		if err != nil {
			if got.Len() > 0 {
				t.Fatal(err)
			}
			return // shapes of very many empty arrays
		}
		back, err := tensor.ParseJSON(got.DType(), got.Shape(), written, encoding)
		if err != nil {
			t.Fatalf("%s: %v", written, err)
		}
		if !back.Equal(got) {
			t.Fatalf("%q was written %s and read as %v %x", raw, written, back.Shape(), back.Data())
		}
	})
}

func FuzzReadNPY(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "npy", "*.npy"))
	if err != nil || len(files) == 0 {
		f.Fatal("no reference files", err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := tensor.ReadNPY(raw)
		if err != nil {
			mustBeInvalid(t, err)
			return
		}
		if _, err := tensor.New(got.DType(), got.Shape(), got.Data()); err != nil {
			t.Fatal(err)
		}
		written, err := tensor.AppendNPY(nil, got)
		if err != nil {
			mustBeInvalid(t, err)
			return
		}
		back, err := tensor.ReadNPY(written)
		if err != nil || !back.Equal(got) {
			t.Fatalf("came back as %v %x, %v", back.Shape(), back.Data(), err)
		}
	})
}

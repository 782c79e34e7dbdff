package tensor_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/ekiben/ekiben/tensor"
)

// image is 602,112 bytes of FP32, an input of common image classifiers.
func image(b *testing.B) tensor.Tensor {
	b.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	values := make([]float32, 3*224*224)
	for i := range values {
		values[i] = random.Float32()*4 - 2
	}
	made, err := tensor.Of([]int{1, 3, 224, 224}, values)
	if err != nil {
		b.Fatal(err)
	}
	return made
}

func kilobyte(b *testing.B) tensor.Tensor {
	b.Helper()
	made, err := tensor.OfStrings([]int{1}, []string{strings.Repeat("x", 1024)})
	if err != nil {
		b.Fatal(err)
	}
	return made
}

func repeat(t tensor.Tensor, n int) []tensor.Tensor {
	ts := make([]tensor.Tensor, n)
	for i := range ts {
		ts[i] = t
	}
	return ts
}

func BenchmarkConcat(b *testing.B) {
	for _, bb := range []struct {
		name string
		dim  int
		in   []tensor.Tensor
	}{
		{"32 texts of 1 KiB", 0, repeat(kilobyte(b), 32)},
		{"32 images", 0, repeat(image(b), 32)},
		{"32 images by channel", 1, repeat(image(b), 32)},
		{"32 images by column", 3, repeat(image(b), 32)},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(bb.in) * len(bb.in[0].Data())))
			for b.Loop() {
				if _, err := tensor.Concat(bb.dim, bb.in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSplit(b *testing.B) {
	ones := make([]int, 32)
	for i := range ones {
		ones[i] = 1
	}
	for name, in := range map[string][]tensor.Tensor{"32 texts of 1 KiB": repeat(kilobyte(b), 32), "32 images": repeat(image(b), 32)} {
		joined, err := tensor.Concat(0, in)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := tensor.Split(joined, 0, ones); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecodeNamed(b *testing.B) {
	for name, in := range map[string]tensor.Tensor{"text of 1 KiB": kilobyte(b), "image": image(b)} {
		src := tensor.AppendNamed(nil, []tensor.Named{{Name: "input", Tensor: in}})
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := tensor.DecodeNamed(src); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParseJSON(b *testing.B) {
	in := image(b)
	nested, err := tensor.AppendJSON(nil, in, tensor.EncodeOpaque)
	if err != nil {
		b.Fatal(err)
	}
	flat, err := tensor.AppendFlatJSON(nil, in, tensor.EncodeOpaque)
	if err != nil {
		b.Fatal(err)
	}
	for name, raw := range map[string][]byte{"nested image": nested, "flat image": flat} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				if _, err := tensor.ParseJSON(tensor.FP32, []int{-1, 3, 224, 224}, raw, tensor.EncodeOpaque); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("nested image of any type", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(nested)))
		for b.Loop() {
			if t, err := tensor.InferJSON(nested, true); err != nil || t.DType() != tensor.FP64 {
				b.Fatal(t.DType(), err)
			}
		}
	})
	text := []byte(`["` + strings.Repeat("x", 1024) + `"]`)
	b.Run("text of 1 KiB", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			if _, err := tensor.ParseJSON(tensor.Bytes, []int{-1}, text, tensor.EncodeText); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkAppendJSON(b *testing.B) {
	for _, bb := range []struct {
		name string
		in   tensor.Tensor
		enc  tensor.Encoding
	}{
		{"image", image(b), tensor.EncodeOpaque},
		{"text of 1 KiB", kilobyte(b), tensor.EncodeText},
		{"opaque 1 KiB", kilobyte(b), tensor.EncodeOpaque},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			var dst []byte
			for b.Loop() {
				var err error
				if dst, err = tensor.AppendJSON(dst[:0], bb.in, bb.enc); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(int64(len(dst)))
		})
	}
}

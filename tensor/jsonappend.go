package tensor

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
)

// maxEmptyArrays bounds the brackets of a tensor without elements, which no
// data pays for.
const maxEmptyArrays = 1 << 16

// AppendJSON appends t as arrays nested by its shape; a scalar is a bare value.
// Floats have as few digits as identify them. It fails for what JSON cannot
// hold: NaN and infinities, and elements of [Bytes] that are not what enc says.
// Where it fails it returns dst as it was.
func AppendJSON(dst []byte, t Tensor, enc Encoding) ([]byte, error) {
	if err := checkWritable(t); err != nil {
		return dst, err
	}
	if err := checkEmptyArrays(t); err != nil {
		return dst, err
	}
	w := writer{out: dst, dtype: t.dtype, shape: t.shape, enc: enc, left: t.cursor()}
	return w.finish(dst, w.nested(t.shape))
}

// AppendFlatJSON appends all elements of t in row-major order as one array. It
// fails as [AppendJSON] does.
func AppendFlatJSON(dst []byte, t Tensor, enc Encoding) ([]byte, error) {
	if err := checkWritable(t); err != nil {
		return dst, err
	}
	w := writer{out: dst, dtype: t.dtype, shape: t.shape, enc: enc, left: t.cursor()}
	return w.finish(dst, w.nested([]int{t.Len()}))
}

// checkWritable refuses the zero Tensor.
func checkWritable(t Tensor) error {
	if !t.dtype.Valid() {
		return fmt.Errorf("%w: the zero Tensor has no form to write", ErrInvalid)
	}
	return nil
}

// checkEmptyArrays bounds how many arrays a tensor without elements nests.
func checkEmptyArrays(t Tensor) error {
	if len(t.data) > 0 {
		return nil
	}
	arrays := 1
	for _, d := range t.shape {
		if d == 0 {
			return nil
		}
		if d > maxEmptyArrays/arrays {
			break
		}
		arrays *= d
	}
	return fmt.Errorf("%w: shape %s would be more than %d empty arrays in JSON", ErrInvalid, dims(t.shape), maxEmptyArrays)
}

// writer writes the JSON form of one tensor.
type writer struct {
	out   []byte
	dtype DType
	shape []int
	enc   Encoding
	left  cursor
	index int // of the element being written

	compact bytes.Buffer // scratch of one JSON element
}

// finish is the result: what was written, or dst as it was.
func (w *writer) finish(dst []byte, err error) ([]byte, error) {
	if err != nil {
		return dst, err
	}
	return w.out, nil
}

// nested writes the rest of a shape: an array for each dimension, then elements.
func (w *writer) nested(shape []int) error {
	if len(shape) == 0 {
		err := w.element(w.left.take(1))
		w.index++
		return err
	}
	w.out = append(w.out, '[')
	for i := range shape[0] {
		if i > 0 {
			w.out = append(w.out, ',')
		}
		if err := w.nested(shape[1:]); err != nil {
			return err
		}
	}
	w.out = append(w.out, ']')
	return nil
}

// element writes one element.
func (w *writer) element(data []byte) error {
	switch w.dtype {
	case Bool:
		w.out = strconv.AppendBool(w.out, data[0] == 1)
	case FP16, BF16:
		return w.real(float64(floatOf(w.dtype).widen(binary.LittleEndian.Uint16(data))), 32)
	case FP32:
		return w.real(float64(math.Float32frombits(binary.LittleEndian.Uint32(data))), 32)
	case FP64:
		return w.real(math.Float64frombits(binary.LittleEndian.Uint64(data)), 64)
	case Bytes:
		return w.item(data[prefixSize:])
	default:
		w.integer(data)
	}
	return nil
}

// integer writes an element of the integer types.
func (w *writer) integer(data []byte) {
	var v uint64
	for i, b := range data {
		v |= uint64(b) << (8 * i)
	}
	if w.dtype < Int8 {
		w.out = strconv.AppendUint(w.out, v, 10)
		return
	}
	unused := 64 - 8*len(data)
	w.out = strconv.AppendInt(w.out, int64(v<<unused)>>unused, 10)
}

// real writes an element of the float types, with exponents as ECMAScript has
// them: below 1e-6 and from 1e21 on.
func (w *writer) real(v float64, bits int) error {
	magnitude := math.Abs(v)
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return w.fail("JSON cannot hold %v", v)
	case magnitude != 0 && (magnitude < 1e-6 || magnitude >= 1e21):
		w.out = strconv.AppendFloat(w.out, v, 'e', -1, bits)
	default:
		w.out = strconv.AppendFloat(w.out, v, 'f', -1, bits)
	}
	return nil
}

// item writes an element of BYTES.
func (w *writer) item(item []byte) error {
	switch w.enc {
	case EncodeText:
		if !utf8.Valid(item) {
			return w.fail("is not valid UTF-8, as text must be")
		}
		w.text(item)
	case EncodeJSON:
		w.compact.Reset()
		if err := json.Compact(&w.compact, item); err != nil {
			return w.fail("is not JSON: %v", err)
		}
		if !utf8.Valid(item) {
			return w.fail("is not valid UTF-8, as JSON must be")
		}
		w.out = append(w.out, w.compact.Bytes()...)
	default:
		w.out = append(w.out, '"')
		w.out = base64.StdEncoding.AppendEncode(w.out, item)
		w.out = append(w.out, '"')
	}
	return nil
}

// text writes valid UTF-8 as a string.
func (w *writer) text(item []byte) {
	w.out = append(w.out, '"')
	for {
		end := slices.IndexFunc(item, func(c byte) bool { return c < ' ' || c == '"' || c == '\\' })
		if end < 0 {
			break
		}
		w.out = append(w.out, item[:end]...)
		switch c := item[end]; c {
		case '"', '\\':
			w.out = append(w.out, '\\', c)
		case '\n':
			w.out = append(w.out, `\n`...)
		case '\r':
			w.out = append(w.out, `\r`...)
		case '\t':
			w.out = append(w.out, `\t`...)
		default:
			const hex = "0123456789abcdef"
			w.out = append(w.out, `\u00`...)
			w.out = append(w.out, hex[c>>4], hex[c&15])
		}
		item = item[end+1:]
	}
	w.out = append(w.out, item...)
	w.out = append(w.out, '"')
}

// fail makes an error about the element being written.
func (w *writer) fail(format string, args ...any) error {
	return fmt.Errorf("%w: element %d of shape %s: %s", ErrInvalid, w.index, dims(w.shape), fmt.Sprintf(format, args...))
}

package gateway

import (
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

// acceptedTypes are the media types that the method's arguments may come in,
// the most usual first.
//
//	application/json            every method
//	text/plain (any text/…)     one argument: BYTES of text, or opaque, or ANY,
//	                            which is a JSON string then; one row
//	application/octet-stream    one argument: BYTES, one row; or numbers, little-
//	                            endian, with at most one dimension free
//	image/…, audio/…, video/…   one argument: BYTES that are opaque; one row
//	application/x-npy           one argument
//
// One argument is that of a method that has no other, or whose others are all
// optional.
func acceptedTypes(m *method) []string {
	types := []string{mediaJSON}
	if m.single == nil {
		return types
	}
	if takesText(m.single) {
		types = append(types, mediaText)
	}
	if takesElement(m.single) || takesRaw(m.single) {
		types = append(types, mediaOctets)
	}
	return append(types, mediaNPY)
}

// takesText reports whether text can be the argument.
func takesText(v *runnables.ValueSpec) bool {
	if v.DType == tensor.Any {
		return v.Content == runnables.JSON
	}
	return takesElement(v) && v.Content != runnables.JSON
}

// takesElement reports whether one element of BYTES can be the argument.
func takesElement(v *runnables.ValueSpec) bool {
	return v.DType == tensor.Bytes &&
		!slices.ContainsFunc(v.Shape, func(d int) bool { return d != -1 && d != 1 })
}

// takesRaw reports whether raw numbers can be the argument.
func takesRaw(v *runnables.ValueSpec) bool {
	return v.DType.Size() > 0 && freeDims(v.Shape) <= 1
}

// freeDims counts the dimensions of any size.
func freeDims(shape []int) int {
	n := 0
	for _, d := range shape {
		if d == -1 {
			n++
		}
	}
	return n
}

// decodeInputs makes arguments of a body. [runnables.CheckInputs] must check
// them before they are used.
func decodeInputs(m *method, contentType string, b body) ([]tensor.Named, error) {
	f, media := formOf(contentType)
	if len(b.bytes()) == 0 && (contentType == "" || f == formJSON) && !slices.ContainsFunc(m.Inputs, required) {
		return nil, nil // nothing is an answer where nothing is needed
	}
	if f == formJSON {
		return jsonArguments(m, b.bytes())
	}
	if !m.takes(f) {
		if contentType == "" {
			media = "none"
		}
		refused := unsupported(media, m.accepts)
		if f == formOctets && m.single != nil && m.single.DType == tensor.Any {
			refused.Detail += fmt.Sprintf("; bytes do not tell their type: a runnable takes them if it declares argument %q as bytes", m.single.Name)
		}
		return nil, refused
	}
	t, err := decodeSingle(m, f, b)
	if err != nil {
		return nil, fmt.Errorf("argument %q: %w", m.single.Name, err)
	}
	return []tensor.Named{{Name: m.single.Name, Tensor: t}}, nil
}

// takes reports whether a body of this form can be the arguments.
func (m *method) takes(f form) bool {
	switch {
	case f == formJSON:
		return true
	case m.single == nil:
		return false
	case f == formText:
		return takesText(m.single)
	case f == formOctets:
		return takesElement(m.single) || takesRaw(m.single)
	case f == formFile:
		return takesElement(m.single) && m.single.Content == runnables.Opaque
	}
	return f == formNPY
}

// decodeSingle makes the only argument of a body that is not JSON.
func decodeSingle(m *method, f form, b body) (tensor.Tensor, error) {
	v := m.single
	switch {
	case f == formNPY:
		return decodeNPY(v, b.bytes())
	case f == formText && !utf8.Valid(b.bytes()):
		return tensor.Tensor{}, &Problem{Code: CodeInvalidInput, Detail: "the text is not valid UTF-8"}
	case v.DType == tensor.Any:
		return textDocuments(m.rowShape(), string(b.bytes()))
	case v.DType == tensor.Bytes:
		return b.element(oneOf(v.Shape))
	}
	return decodeRaw(v, b.bytes())
}

// rowShape is the shape of a single document of any type: one row, if there are
// rows.
func (m *method) rowShape() []int {
	if m.Batchable {
		return []int{1}
	}
	return []int{}
}

// textDocuments makes JSON documents of texts, which must be UTF-8.
func textDocuments(shape []int, texts ...string) (tensor.Tensor, error) {
	documents := make([][]byte, len(texts))
	for i, text := range texts {
		raw, err := marshal(text)
		if err != nil {
			return tensor.Tensor{}, err
		}
		documents[i] = raw
	}
	return tensor.OfItems(shape, documents)
}

// oneOf is the shape of one element that fits a spec of dimensions 1 and -1.
func oneOf(spec []int) []int {
	shape := make([]int, len(spec))
	for i := range shape {
		shape[i] = 1
	}
	return shape
}

// decodeRaw reads little-endian numbers. The free dimension, if there is one, is
// what the length says.
func decodeRaw(v *runnables.ValueSpec, raw []byte) (tensor.Tensor, error) {
	shape, free := slices.Clone(v.Shape), slices.Index(v.Shape, -1)
	if free >= 0 {
		shape[free] = 1
		elements, err := tensor.Elements(shape)
		if err != nil {
			return tensor.Tensor{}, err
		}
		row := elements * v.DType.Size()
		if row == 0 || len(raw)%row != 0 {
			return tensor.Tensor{}, fmt.Errorf("%w: %d bytes are no whole number of %d bytes, which %s takes for each of dimension %d",
				tensor.ErrInvalid, len(raw), row, v, free)
		}
		shape[free] = len(raw) / row
	}
	return tensor.New(v.DType, shape, raw)
}

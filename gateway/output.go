package gateway

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

// offeredTypes are the media types that the method's result may be asked for,
// the first when nothing is.
//
//	application/json            every method: the value of one output, or an
//	                            object of several by name
//	text/plain                  one output of text with one element
//	application/octet-stream    one output: BYTES with one element, or numbers,
//	                            little-endian, described by headers
//	application/x-npy           one output
//
// The last two are offered of an output of any type too, and had if it turns out
// to be numbers.
func offeredTypes(m *method) []string {
	types := []string{mediaJSON}
	if m.output == nil {
		return types
	}
	for _, f := range []form{formText, formOctets, formNPY} {
		if canWrite(m.output, f) {
			types = append(types, f.media())
		}
	}
	return types
}

// media is the media type that the form is answered with.
func (f form) media() string {
	switch f {
	case formText:
		return mediaText
	case formOctets:
		return mediaOctets
	case formNPY:
		return mediaNPY
	default:
		return mediaJSON
	}
}

// canWrite reports whether an output can have a form as far as its spec tells:
// what must be one element may turn out to be more.
func canWrite(v *runnables.ValueSpec, f form) bool {
	one := !slices.ContainsFunc(v.Shape, func(d int) bool { return d != -1 && d != 1 })
	switch f {
	case formText:
		return v.DType == tensor.Bytes && v.Content == runnables.Text && one
	case formOctets:
		return v.DType != tensor.Bytes || one
	case formNPY:
		return v.DType != tensor.BF16
	default:
		return true
	}
}

// negotiate chooses the form of a result before the call is queued: what the
// client likes best, JSON among equals. rows is that of the call.
func negotiate(m *method, a accepts, rows int) (form, error) {
	best, quality := formUnknown, 0.0
	for _, f := range []form{formJSON, formText, formOctets, formNPY} {
		q := a.quality(f.media())
		if q <= quality {
			continue
		}
		if m.canAnswer(f, rows) {
			best, quality = f, q
		}
	}
	if best != formUnknown {
		return best, nil
	}
	offers := m.offers
	detail := "the result can be had as " + list(offers)
	if slices.ContainsFunc([]form{formText, formOctets}, func(f form) bool {
		return slices.Contains(offers, f.media()) && !m.canAnswer(f, rows)
	}) {
		offers = []string{mediaJSON, mediaNPY}
		detail = fmt.Sprintf("the result of %d rows can be had as %s", rows, list(offers))
	}
	return formUnknown, &Problem{Code: CodeNotAcceptable, Detail: detail, Offers: offers}
}

// canAnswer reports whether the result of a call of so many rows can have a form. A
// method that nothing is known of may turn out to have any.
func (m *method) canAnswer(f form, rows int) bool {
	switch {
	case f == formJSON, !m.known():
		return true
	case m.output == nil:
		return false
	default:
		return canWrite(m.output, f) && m.fitsRows(f, rows)
	}
}

// fitsRows reports whether the result of a call of so many rows can have a form
// that holds one element only.
func (m *method) fitsRows(f form, rows int) bool {
	one := f == formText || f == formOctets && m.output.DType == tensor.Bytes
	return !one || rows == 1
}

// result is a reply in the form that the client gets.
type result struct {
	form  form
	bytes []byte
	// dtype and shape describe raw numbers, which do not do it themselves.
	dtype, shape string
}

// encodeOutputs writes the outputs of a method. An output that it should not have
// is opaque.
func encodeOutputs(m *method, outputs []tensor.Named, f form) (result, error) {
	if f == formJSON {
		raw, err := jsonOutputs(m.specsOf(len(outputs)), outputs)
		if err != nil {
			return result{}, unwritable(err, "application/json", mediaNPY)
		}
		return result{form: formJSON, bytes: raw}, nil
	}
	if len(outputs) != 1 {
		return result{}, onlyJSON("%d values, of which %s holds one", len(outputs), f.media())
	}
	t := outputs[0].Tensor
	switch {
	case m.output != nil && m.output.DType == tensor.Any && t.DType() == tensor.Bytes:
		return result{}, onlyJSON("documents, which %s does not hold", f.media())
	case f == formNPY:
		raw, err := tensor.AppendNPY(nil, t)
		if err != nil {
			return result{}, unwritable(err, mediaNPY, mediaJSON)
		}
		return result{form: f, bytes: raw}, nil
	case f == formText && t.DType() != tensor.Bytes:
		return result{}, onlyJSON("numbers, which %s does not hold", f.media())
	case t.DType() != tensor.Bytes:
		return result{form: f, bytes: t.Data(), dtype: t.DType().String(), shape: shapeHeader(t.Shape())}, nil
	case t.Len() == 1:
		return result{form: f, bytes: t.Data()[headroom:]}, nil // behind its length
	}
	return result{}, &Problem{
		Code:   CodeNotAcceptable,
		Detail: fmt.Sprintf("the result has %d elements, of which %s holds one", t.Len(), f.media()),
		Offers: []string{mediaJSON, mediaNPY},
	}
}

// jsonOutputs writes the value of one output, or an object of several by name.
func jsonOutputs(specs []runnables.ValueSpec, outputs []tensor.Named) ([]byte, error) {
	if len(outputs) == 1 {
		return appendOutput(nil, specs, outputs[0])
	}
	dst := []byte{'{'}
	for i, out := range outputs {
		if i > 0 {
			dst = append(dst, ',')
		}
		name, err := marshal(out.Name)
		if err != nil {
			return nil, err
		}
		dst = append(append(dst, name...), ':')
		if dst, err = appendOutput(dst, specs, out); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

func appendOutput(dst []byte, specs []runnables.ValueSpec, out tensor.Named) ([]byte, error) {
	content := runnables.Opaque
	for i := range specs {
		if specs[i].Name == out.Name && (specs[i].DType == out.Tensor.DType() || specs[i].DType == tensor.Any) {
			content = specs[i].Content
		}
	}
	dst, err := tensor.AppendJSON(dst, out.Tensor, encodingOf(content))
	if err != nil {
		return nil, fmt.Errorf("output %q: %w", out.Name, err)
	}
	return dst, nil
}

// onlyJSON says what a result of any type has turned out to be, which only JSON
// holds.
func onlyJSON(format string, args ...any) *Problem {
	return &Problem{
		Code:   CodeNotAcceptable,
		Detail: "the result turned out to be " + fmt.Sprintf(format, args...) + "; ask for it with Accept: " + mediaJSON,
		Offers: []string{mediaJSON},
	}
}

// unwritable says that a result cannot have the form that was asked for, and
// which it can.
func unwritable(err error, media, instead string) *Problem {
	return &Problem{
		Code:   CodeNotAcceptable,
		Detail: fmt.Sprintf("the result cannot be written as %s: %v; ask for it with Accept: %s", media, err, instead),
		Offers: []string{instead},
	}
}

// shapeHeader writes a shape as 2,3. That of a scalar is empty.
func shapeHeader(shape []int) string {
	dims := make([]string, len(shape))
	for i, d := range shape {
		dims[i] = strconv.Itoa(d)
	}
	return strings.Join(dims, ",")
}

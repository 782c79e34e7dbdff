package runnables

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/ekiben/ekiben/tensor"
)

// bytesCodec is for strings and byte slices.
type bytesCodec struct {
	t       reflect.Type
	content Content
}

func (c bytesCodec) spec() ValueSpec { return ValueSpec{DType: tensor.Bytes, Content: c.content} }

func (c bytesCodec) decode(t tensor.Tensor, rows int) (reflect.Value, error) {
	if err := wantItems(t, rows); err != nil {
		return reflect.Value{}, err
	}
	if c.t.Kind() == reflect.String {
		return convertSlice(reflect.ValueOf(t.Strings()), c.t), nil
	}
	// A function may change its arguments, a tensor must not change.
	values := reflect.MakeSlice(reflect.SliceOf(c.t), rows, rows)
	for i, item := range t.Items() {
		values.Index(i).SetBytes(bytes.Clone(item))
	}
	return values, nil
}

func (c bytesCodec) encode(values reflect.Value, _ RowErrors) (tensor.Tensor, error) {
	shape := []int{values.Len()}
	if c.t.Kind() == reflect.String {
		rows := make([]string, values.Len())
		for i := range rows {
			rows[i] = values.Index(i).String()
		}
		return tensor.OfStrings(shape, rows)
	}
	rows := make([][]byte, values.Len())
	for i := range rows {
		rows[i] = values.Index(i).Bytes()
	}
	return tensor.OfItems(shape, rows)
}

// jsonRaw is a document that is passed on as it is.
type jsonRaw = json.RawMessage

// jsonCodec is for everything that is one JSON document.
type jsonCodec struct{ t reflect.Type }

func (c jsonCodec) spec() ValueSpec { return ValueSpec{DType: tensor.Bytes, Content: JSON} }

func (c jsonCodec) decode(t tensor.Tensor, rows int) (reflect.Value, error) {
	if err := wantItems(t, rows); err != nil {
		return reflect.Value{}, err
	}
	values := reflect.MakeSlice(reflect.SliceOf(c.t), rows, rows)
	failed := RowErrors{}
	for i, item := range t.Items() {
		into := reflect.New(c.t)
		if err := json.Unmarshal(item, into.Interface()); err != nil {
			failed[i] = InputErrorf("the JSON document does not fit: %w", err)
		} else {
			values.Index(i).Set(into.Elem())
		}
	}
	if len(failed) > 0 {
		return values, failed
	}
	return values, nil
}

func (c jsonCodec) encode(values reflect.Value, skip RowErrors) (tensor.Tensor, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // what it writes is data, not a page
	ends := make([]int, values.Len())
	failed := RowErrors{}
	for i := range ends {
		err := skip[i]
		if err == nil {
			if err = enc.Encode(values.Index(i).Addr().Interface()); err != nil {
				failed[i] = fmt.Errorf("%w: %w", ErrOutput, err)
			}
		}
		if err != nil {
			b.WriteString("null\n")
		}
		ends[i] = b.Len()
	}
	rows := make([][]byte, len(ends))
	start := 0
	for i, end := range ends {
		rows[i] = b.Bytes()[start : end-1] // Encode ends with a new line
		start = end
	}
	t, err := tensor.OfItems([]int{len(rows)}, rows)
	if err == nil && len(failed) > 0 {
		err = failed
	}
	return t, err
}

func wantItems(t tensor.Tensor, rows int) error {
	if t.DType() != tensor.Bytes || t.Len() != rows {
		return fmt.Errorf("has %d elements of %s, want %d of BYTES", t.Len(), t.DType(), rows)
	}
	return nil
}

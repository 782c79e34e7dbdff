//go:build unix

package process

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

// encode writes a CALL frame, in memory that the next one reuses. Large arguments
// are joined in the region of inputs, others in the frame.
func (c *child) encode(method int, sig *runnables.Signature, parts [][]tensor.Tensor, slot uint32) ([]byte, error) {
	rows, inline, err := c.arrange(sig, parts)
	if err != nil {
		return nil, err
	}
	c.tail = appendBorders(c.tail[:0], sig, parts)
	b := appendHeader(c.frame[:0], frameCall, c.sent)
	b = appendPayloadHeader(b, payload{method: method, rows: rows, slot: slot, values: c.values, tail: c.tail})
	for _, v := range c.values {
		b = appendValueHeader(b, v)
	}
	b = slices.Grow(b, inline+len(c.tail))
	for a, v := range c.values {
		if v.omitted || v.region {
			continue
		}
		n := len(b)
		b = b[:n+v.size]
		if err := join(b[n:], sig, parts[a]); err != nil {
			return nil, err
		}
	}
	b = append(b, c.tail...)
	if cap(b) <= remembered {
		c.frame = b
	}
	return b, setLength(b)
}

// appendBorders appends the tail of a CALL: how many rows each of several calls has.
func appendBorders(dst []byte, sig *runnables.Signature, parts [][]tensor.Tensor) []byte {
	given := slices.IndexFunc(parts, func(ts []tensor.Tensor) bool { return len(ts) > 1 && ts[0].DType().Valid() })
	if given < 0 {
		return dst
	}
	for i, t := range parts[given] {
		separator := byte(',')
		if i == 0 {
			separator = '['
		}
		dst = strconv.AppendInt(append(dst, separator), int64(t.Shape()[sig.BatchDim.In]), 10)
	}
	return append(dst, ']')
}

// arrange says in values where each argument is, and puts the large ones there.
// inline is the size of the others.
func (c *child) arrange(sig *runnables.Signature, parts [][]tensor.Tensor) (rows, inline int, err error) {
	if len(parts) != len(sig.Inputs) || len(parts) > maxValues {
		return 0, 0, fmt.Errorf("method %q takes %d arguments, not %d", sig.Name, len(sig.Inputs), len(parts))
	}
	c.values = slices.Grow(c.values[:0], len(parts))[:len(parts)]
	rows, end := 1, 0
	for a, ts := range parts {
		v, err := joined(sig, ts)
		if err != nil {
			return 0, 0, fmt.Errorf("argument %q of method %q: %w", sig.Inputs[a].Name, sig.Name, err)
		}
		if v.size < inlineMax {
			inline += v.size
		} else {
			v.region, v.offset = true, (end+alignment-1)/alignment*alignment
			end = v.offset + v.size
			err := c.input.write(v.offset, v.size, func(dst []byte) error { return join(dst, sig, ts) })
			if err != nil {
				return 0, 0, err
			}
		}
		if sig.Batchable && !v.omitted {
			rows = v.shape[sig.BatchDim.In]
		}
		c.values[a] = v
	}
	return rows, inline, nil
}

// joined describes the tensor that an argument's parts make.
func joined(sig *runnables.Signature, ts []tensor.Tensor) (value, error) {
	switch {
	case len(ts) == 0 || (len(ts) > 1 && !sig.Batchable):
		return value{}, fmt.Errorf("there are %d values of it", len(ts))
	case !ts[0].DType().Valid():
		if slices.ContainsFunc(ts, func(t tensor.Tensor) bool { return t.DType().Valid() }) {
			return value{}, errors.New("some calls leave it out and others do not")
		}
		return value{omitted: true}, nil
	case len(ts) == 1:
		t := ts[0]
		if sig.Batchable {
			if _, err := t.Rows(sig.BatchDim.In); err != nil {
				return value{}, err
			}
		}
		return value{dtype: t.DType(), shape: t.Shape(), size: len(t.Data())}, nil
	default:
		shape, size, err := tensor.ConcatShape(sig.BatchDim.In, ts)
		return value{dtype: ts[0].DType(), shape: shape, size: size}, err
	}
}

// join writes the data of the tensor that an argument's parts make.
func join(dst []byte, sig *runnables.Signature, ts []tensor.Tensor) error {
	if len(ts) == 1 {
		copy(dst, ts[0].Data())
		return nil
	}
	return tensor.ConcatInto(dst, sig.BatchDim.In, ts)
}

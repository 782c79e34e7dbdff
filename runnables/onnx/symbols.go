package onnx

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protowire"
)

// Numbers of the fields that are read here, of messages in onnx.proto3 of ONNX.
const (
	modelGraph  = 7  // ModelProto
	graphInput  = 11 // GraphProto
	graphOutput = 12
	valueName   = 1 // ValueInfoProto
	valueType   = 2
	typeTensor  = 1 // TypeProto
	tensorShape = 2 // TypeProto.Tensor
	shapeDim    = 1 // TensorShapeProto
	dimParam    = 2 // TensorShapeProto.Dimension
)

// maxValueInfo is the most bytes that the description of an input or output may
// have.
const maxValueInfo = 1 << 20

// errModel is wrapped when a file is not what it claims to be.
var errModel = errors.New("not an ONNX model")

// readSymbols reads the names that a model gives to dimensions of its inputs and
// outputs, by the name of these; "" where a dimension has none. Weights are
// skipped, and memory is not needed for them.
func readSymbols(model io.Reader) (map[string][]string, error) {
	symbols := map[string][]string{}
	m := &message{r: bufio.NewReaderSize(model, 64<<10)}
	err := m.each(-1, func(field protowire.Number, size int64) error {
		if field != modelGraph {
			return m.skip(size)
		}
		return m.each(size, func(field protowire.Number, size int64) error {
			if field != graphInput && field != graphOutput || size > maxValueInfo {
				return m.skip(size)
			}
			info := make([]byte, size)
			if _, err := io.ReadFull(m, info); err != nil {
				return fmt.Errorf("%w: %w", errModel, err)
			}
			name, dims := symbolsOf(info)
			symbols[name] = dims
			return nil
		})
	})
	return symbols, err
}

// message reads an encoded message from a stream.
type message struct {
	r *bufio.Reader
	n int64 // bytes read by now
}

func (m *message) ReadByte() (byte, error) {
	b, err := m.r.ReadByte()
	if err == nil {
		m.n++
	}
	return b, err
}

func (m *message) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.n += int64(n)
	return n, err
}

func (m *message) skip(size int64) error {
	n, err := io.CopyN(io.Discard, m.r, size)
	m.n += n
	if err != nil {
		return fmt.Errorf("%w: %w", errModel, err)
	}
	return nil
}

// each calls visit for every field of a message that has a length, which visit
// must read to its end; the others are skipped. size is that of the message, or -1
// if it ends where the stream does.
func (m *message) each(size int64, visit func(field protowire.Number, size int64) error) error {
	end := m.n + size
	for size < 0 || m.n < end {
		tag, err := binary.ReadUvarint(m)
		if size < 0 && errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", errModel, err)
		}
		field, kind := protowire.DecodeTag(tag)
		if err := m.field(field, kind, visit); err != nil {
			return err
		}
	}
	return nil
}

func (m *message) field(field protowire.Number, kind protowire.Type, visit func(protowire.Number, int64) error) error {
	switch kind {
	case protowire.VarintType, protowire.BytesType:
		n, err := binary.ReadUvarint(m)
		if err != nil {
			return fmt.Errorf("%w: %w", errModel, err)
		}
		if kind == protowire.VarintType {
			return nil
		}
		if n > 1<<40 {
			return fmt.Errorf("%w: a field claims %d bytes", errModel, n)
		}
		return visit(field, int64(n))
	case protowire.Fixed32Type:
		return m.skip(4)
	case protowire.Fixed64Type:
		return m.skip(8)
	default:
		return fmt.Errorf("%w: field %d has wire type %d", errModel, field, kind)
	}
}

// symbolsOf reads a ValueInfoProto.
func symbolsOf(info []byte) (name string, dims []string) {
	eachBytes(info, valueName, func(b []byte) { name = string(b) })
	eachBytes(info, valueType, func(t []byte) {
		eachBytes(t, typeTensor, func(t []byte) {
			eachBytes(t, tensorShape, func(shape []byte) {
				eachBytes(shape, shapeDim, func(dim []byte) {
					symbol := ""
					eachBytes(dim, dimParam, func(b []byte) { symbol = string(b) })
					dims = append(dims, symbol)
				})
			})
		})
	})
	return name, dims
}

// eachBytes calls f with every value of one field, up to where the message is no
// message any more.
func eachBytes(message []byte, field protowire.Number, f func([]byte)) {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return
		}
		message = message[n:]
		if n = protowire.ConsumeFieldValue(number, kind, message); n < 0 {
			return
		}
		if number == field && kind == protowire.BytesType {
			value, _ := protowire.ConsumeBytes(message)
			f(value)
		}
		message = message[n:]
	}
}

package process

import "github.com/ekiben/ekiben/tensor"

// Value is a tensor of a payload, for tests.
type Value struct {
	DType   tensor.DType
	Shape   []int
	Omitted bool
	Region  bool
	Offset  int
	Size    int
	Data    []byte
}

// Payload is the body of a CALL or a RESULT, for tests.
type Payload struct {
	Method, Rows int
	Slot         uint32
	Values       []Value
	Tail         []byte
}

// NoSlot is the slot of a payload that has none.
const NoSlot = noSlot

// EncodePayload makes a frame of a payload.
func EncodePayload(kind uint8, id uint64, p Payload) []byte {
	q := payload{method: p.Method, rows: p.Rows, slot: p.Slot, tail: p.Tail}
	for _, v := range p.Values {
		q.values = append(q.values, value{v.DType, v.Shape, v.Omitted, v.Region, v.Offset, v.Size, v.Data})
	}
	b := appendPayload(appendHeader(nil, frameKind(kind), id), q)
	if err := setLength(b); err != nil {
		panic(err)
	}
	return b
}

// ParsePayload reads the body of a CALL or a RESULT.
func ParsePayload(body []byte) (Payload, error) {
	q, err := parsePayload(body)
	p := Payload{Method: q.method, Rows: q.rows, Slot: q.slot, Tail: q.tail}
	for _, v := range q.values {
		p.Values = append(p.Values, Value{v.dtype, v.shape, v.omitted, v.region, v.offset, v.size, v.data})
	}
	return p, err
}

// EncodeMessage makes a frame with a JSON body.
func EncodeMessage(kind uint8, id uint64, message any) ([]byte, error) {
	return appendMessage(nil, frameKind(kind), id, message)
}

// ParseHeader reads the header of a frame.
func ParseHeader(b []byte) (kind string, id uint64, length int, err error) {
	h, err := parseHeader(b)
	return h.kind.String(), h.id, h.length, err
}

// RoundTripMessage reads the JSON body of a frame as what it is, and writes it
// again.
func RoundTripMessage(kind uint8, body []byte) ([]byte, error) {
	var into any
	switch frameKind(kind) {
	case frameStart:
		into = new(startMessage)
	case frameReady:
		into = new(readyMessage)
	default:
		into = new(failure)
	}
	if err := parseMessage(frameKind(kind), body, into); err != nil {
		return nil, err
	}
	b, err := appendMessage(nil, frameKind(kind), 0, into)
	return b[headerSize:], err
}

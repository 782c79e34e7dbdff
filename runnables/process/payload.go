package process

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"

	"github.com/ekiben/ekiben/tensor"
)

// The body of a CALL or a RESULT:
//
//	method   u16   index of the method; 0 in a RESULT
//	count    u16   of tensors
//	rows     u32   size of the batch
//	slot     u32   region of outputs, noSlot for none
//	tail     u32   size of the tail
//	tensors  count headers, each
//	           dtype     u8
//	           rank      u8
//	           flags     u16
//	           reserved  u32   0
//	           offset    u64   in the region
//	           size      u64   of the data
//	           dims      u64   rank times
//	data     of the tensors that are in line, in their order
//	tail     JSON

const (
	payloadSize = 16
	valueSize   = 24
	noSlot      = math.MaxUint32
	maxValues   = math.MaxUint16

	// alignment is that of data in a region.
	alignment = 64
	// inlineMax is the size from which data goes through a region.
	inlineMax = 64 << 10
)

// Flags of a tensor.
const (
	flagRegion  = 1
	flagOmitted = 2
)

// payload is what a CALL or a RESULT carries.
type payload struct {
	method int
	rows   int
	slot   uint32
	values []value
	tail   []byte
}

// value is one tensor of a payload. One that is not in a region has its data.
type value struct {
	dtype   tensor.DType
	shape   []int
	omitted bool // an argument that is left out, nothing else is set
	region  bool
	offset  int // in the region
	size    int
	data    []byte
}

// appendPayloadHeader appends the fixed part of a payload.
func appendPayloadHeader(dst []byte, p payload) []byte {
	dst = binary.LittleEndian.AppendUint16(dst, uint16(p.method))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(p.values)))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(p.rows))
	dst = binary.LittleEndian.AppendUint32(dst, p.slot)
	return binary.LittleEndian.AppendUint32(dst, uint32(len(p.tail)))
}

// appendValueHeader appends the header of a tensor.
func appendValueHeader(dst []byte, v value) []byte {
	if v.omitted {
		return append(append(dst, 0, 0, flagOmitted, 0), make([]byte, valueSize-4)...)
	}
	flags := byte(0)
	if v.region {
		flags = flagRegion
	}
	dst = append(dst, byte(v.dtype), byte(len(v.shape)), flags, 0, 0, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(v.offset))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(v.size))
	for _, d := range v.shape {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(d))
	}
	return dst
}

// appendPayload appends the body of a CALL or a RESULT.
func appendPayload(dst []byte, p payload) []byte {
	dst = appendPayloadHeader(dst, p)
	for _, v := range p.values {
		dst = appendValueHeader(dst, v)
	}
	for _, v := range p.values {
		dst = append(dst, v.data...)
	}
	return append(dst, p.tail...)
}

// parsePayload reads the body of a CALL or a RESULT, all of it. What is in line
// stays where it is in body. Sizes fit data types and shapes, but what is in a
// region may be beyond it, and elements are not looked at.
func parsePayload(body []byte) (payload, error) {
	if len(body) < payloadSize {
		return payload{}, fmt.Errorf("%w: a body of %d bytes, the least is %d", errProtocol, len(body), payloadSize)
	}
	p := payload{
		method: int(binary.LittleEndian.Uint16(body)),
		rows:   int(binary.LittleEndian.Uint32(body[4:])),
		slot:   binary.LittleEndian.Uint32(body[8:]),
	}
	count := int(binary.LittleEndian.Uint16(body[2:]))
	tail := uint64(binary.LittleEndian.Uint32(body[12:]))
	rest := body[payloadSize:]
	if count*valueSize > len(rest) {
		return payload{}, fmt.Errorf("%w: %d tensors in a body of %d bytes", errProtocol, count, len(body))
	}
	p.values = make([]value, count)
	var err error
	for i := range p.values {
		if rest, err = p.values[i].parse(rest); err != nil {
			return payload{}, fmt.Errorf("%w: tensor %d: %w", errProtocol, i, err)
		}
	}
	for i := range p.values {
		v := &p.values[i]
		if v.region || v.omitted {
			continue
		}
		if v.size > len(rest) {
			return payload{}, fmt.Errorf("%w: tensor %d has %d bytes in line, %d are left", errProtocol, i, v.size, len(rest))
		}
		v.data, rest = rest[:v.size:v.size], rest[v.size:]
	}
	if tail != uint64(len(rest)) {
		return payload{}, fmt.Errorf("%w: %d bytes follow the data, the tail has %d", errProtocol, len(rest), tail)
	}
	if tail > 0 {
		p.tail = rest
	}
	return p, nil
}

// parse reads the header of a tensor and returns what follows it.
func (v *value) parse(b []byte) (rest []byte, err error) {
	if len(b) < valueSize {
		return nil, fmt.Errorf("its header is cut off after %d bytes", len(b))
	}
	dtype, rank, flags := tensor.DType(b[0]), int(b[1]), binary.LittleEndian.Uint16(b[2:])
	reserved := binary.LittleEndian.Uint32(b[4:])
	offset, size := binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:])
	dims := b[valueSize:]
	if flags == flagOmitted {
		if dtype != 0 || rank != 0 || reserved != 0 || offset != 0 || size != 0 {
			return nil, fmt.Errorf("it is left out, but not empty")
		}
		v.omitted = true
		return dims, nil
	}
	switch {
	case flags&^flagRegion != 0 || reserved != 0:
		return nil, fmt.Errorf("reserved bits are set")
	case !dtype.Valid():
		return nil, fmt.Errorf("data type %d is unknown", uint8(dtype))
	case rank > tensor.MaxRank:
		return nil, fmt.Errorf("rank is %d, the most is %d", rank, tensor.MaxRank)
	case len(dims) < rank*8:
		return nil, fmt.Errorf("its shape is cut off")
	case flags == 0 && offset != 0:
		return nil, fmt.Errorf("it is in line, but has offset %d", offset)
	case offset%alignment != 0:
		return nil, fmt.Errorf("offset %d is no multiple of %d", offset, alignment)
	case offset > math.MaxInt || size > math.MaxInt-offset:
		return nil, fmt.Errorf("offset %d and size %d are impossible", offset, size)
	}
	v.dtype, v.region, v.offset, v.size = dtype, flags == flagRegion, int(offset), int(size)
	v.shape = make([]int, rank)
	for i := range v.shape {
		d := binary.LittleEndian.Uint64(dims[i*8:])
		if d > math.MaxInt {
			return nil, fmt.Errorf("dimension %d is %d", i, d)
		}
		v.shape[i] = int(d)
	}
	return dims[rank*8:], v.checkSize()
}

// checkSize holds the size against the data type and the shape.
func (v *value) checkSize() error {
	n, err := tensor.Elements(v.shape)
	if err != nil {
		return err
	}
	if v.dtype == tensor.Bytes {
		return nil // the elements say
	}
	if hi, want := bits.Mul64(uint64(n), uint64(v.dtype.Size())); hi != 0 || want != uint64(v.size) {
		return fmt.Errorf("%d elements of %s have %d bytes, not %d", n, v.dtype, want, v.size)
	}
	return nil
}

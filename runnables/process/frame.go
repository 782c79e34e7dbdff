package process

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// A frame is a header and a body, numbers are little-endian:
//
//	length    u32   of the body, at most maxBody
//	kind      u8
//	flags     u8    0
//	reserved  u16   0
//	id        u64   numbers calls; 0 in other frames
//	body      length bytes

// protocolVersion is the version of the protocol that this package speaks.
const protocolVersion = 1

const (
	headerSize = 16
	maxBody    = 1 << 30
)

// frameKind is what a frame is for.
type frameKind uint8

const (
	frameStart  frameKind = 1
	frameReady  frameKind = 2
	frameFailed frameKind = 3
	frameCall   frameKind = 4
	frameResult frameKind = 5
	frameError  frameKind = 6
)

func (k frameKind) String() string {
	names := [...]string{frameStart: "START", frameReady: "READY", frameFailed: "FAILED", frameCall: "CALL", frameResult: "RESULT", frameError: "ERROR"}
	if k == 0 || int(k) >= len(names) {
		return fmt.Sprintf("kind %d", uint8(k))
	}
	return names[k]
}

// errProtocol is wrapped by errors about what the other end sent: the ends do
// not understand each other, and the channel is of no use any more.
var errProtocol = errors.New("the protocol is broken")

// header is the first part of a frame.
type header struct {
	kind   frameKind
	id     uint64
	length int // of the body
}

// appendHeader appends the header of a frame whose body, of a length that is not
// known yet, is appended next; setLength ends the frame.
func appendHeader(dst []byte, kind frameKind, id uint64) []byte {
	dst = append(dst, 0, 0, 0, 0, byte(kind), 0, 0, 0)
	return binary.LittleEndian.AppendUint64(dst, id)
}

// setLength completes a frame that is the whole of b.
func setLength(b []byte) error {
	n := len(b) - headerSize
	if n > maxBody {
		return fmt.Errorf("a frame of %d bytes is too large, the most is %d", n, maxBody)
	}
	binary.LittleEndian.PutUint32(b, uint32(n))
	return nil
}

// parseHeader reads the header that b, of at least headerSize bytes, begins with.
func parseHeader(b []byte) (header, error) {
	h := header{
		kind:   frameKind(b[4]),
		id:     binary.LittleEndian.Uint64(b[8:]),
		length: int(binary.LittleEndian.Uint32(b)),
	}
	switch {
	case h.kind < frameStart || h.kind > frameError:
		return header{}, fmt.Errorf("%w: a frame of unknown %s", errProtocol, h.kind)
	case b[5] != 0 || b[6] != 0 || b[7] != 0:
		return header{}, fmt.Errorf("%w: a %s frame with reserved bits set", errProtocol, h.kind)
	case h.length > maxBody:
		return header{}, fmt.Errorf("%w: a %s frame of %d bytes, the most is %d", errProtocol, h.kind, h.length, maxBody)
	case h.id != 0 && h.kind < frameCall:
		return header{}, fmt.Errorf("%w: a %s frame with id %d", errProtocol, h.kind, h.id)
	}
	return h, nil
}

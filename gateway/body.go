package gateway

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/ekiben/ekiben/tensor"
)

const (
	// headroom is left before every body, for the length that makes it one
	// element of BYTES without copying it.
	headroom = 4

	// trusted is how much of a Content-Length is allocated on its word; the rest
	// when that much has arrived.
	trusted = 64 << 10

	// unknownRoom is what is allocated for a body of unknown size at first.
	unknownRoom = 4 << 10
)

// body is what a request carried, with headroom before it.
type body struct{ buffer []byte }

// bytes is the body itself.
func (b body) bytes() []byte {
	if len(b.buffer) == 0 {
		return nil
	}
	return b.buffer[headroom:]
}

// element is the body as one element of BYTES. The tensor keeps the memory; the
// body must not be changed from here on.
func (b body) element(shape []int) (tensor.Tensor, error) {
	if len(b.buffer) == 0 {
		b.buffer = make([]byte, headroom)
	}
	size := len(b.buffer) - headroom
	if uint64(size) > math.MaxUint32 {
		return tensor.Tensor{}, tooLarge(math.MaxUint32)
	}
	binary.LittleEndian.PutUint32(b.buffer, uint32(size))
	return tensor.New(tensor.Bytes, shape, b.buffer)
}

// budget bounds the memory of the bodies of all requests, or of their answers. It counts
// what is allocated, not what was announced: who fills it has to send as much.
type budget struct {
	used  atomic.Int64
	limit int64
}

// claim is what one request took from the budget. Its request owns it.
type claim struct {
	from *budget
	held int64
}

// take asks for n bytes more.
func (c *claim) take(n int64) error {
	if c.from.used.Add(n) > c.from.limit {
		c.from.used.Add(-n)
		return refuse(CodeOverloaded, refusedBytes, "too many bytes are in flight")
	}
	c.held += n
	return nil
}

// giveBack returns all that was taken.
func (c *claim) giveBack() {
	c.from.used.Add(-c.held)
	c.held = 0
}

// readBody reads the body of a request, decompressed. The limit holds for what
// comes out, and for what arrives.
func readBody(r *http.Request, limit int64, memory *claim) (body, error) {
	if r.ContentLength == 0 {
		return body{}, nil
	}
	if r.ContentLength > limit {
		return body{}, tooLarge(limit)
	}
	encoding := r.Header.Get("Content-Encoding")
	if encoding == "" || strings.EqualFold(encoding, "identity") {
		b, err := readAll(r.Body, r.ContentLength, limit, memory)
		return b, arrival(err)
	}
	plain, err := decompress(encoding, http.MaxBytesReader(nil, r.Body, limit))
	if err != nil {
		return body{}, err
	}
	b, err := readAll(plain, -1, limit, memory)
	if err == nil {
		err = plain.Close()
	}
	return b, inflation(err)
}

// readAll reads everything, at most limit bytes. size is how much it is, or -1.
// With a size there is one allocation, or two for more than [trusted].
func readAll(from io.Reader, size, limit int64, memory *claim) (body, error) {
	room := min(limit, unknownRoom)
	if size >= 0 {
		room = min(size, trusted)
	}
	buffer, err := grown(nil, room, memory)
	if err != nil {
		return body{}, err
	}
	buffer = buffer[:headroom]
	for {
		n, err := from.Read(buffer[len(buffer):cap(buffer)])
		buffer = buffer[:len(buffer)+n]
		read := int64(len(buffer) - headroom)
		switch {
		case read > limit:
			return body{}, tooLarge(limit)
		case errors.Is(err, io.EOF):
			return body{buffer}, nil
		case err != nil:
			return body{}, err
		case read == size:
			return body{buffer}, nil
		case len(buffer) < cap(buffer):
			continue
		}
		if room = size; size < 0 {
			room = min(4*read, limit)
		}
		if buffer, err = grown(buffer, room, memory); err != nil {
			return body{}, err
		}
	}
}

// grown is a copy of a buffer with room for so many bytes of body, and one that
// shows that there are more.
func grown(buffer []byte, room int64, memory *claim) ([]byte, error) {
	size := headroom + room + 1
	if err := memory.take(size - int64(cap(buffer))); err != nil {
		return nil, err
	}
	return append(make([]byte, 0, size), buffer...), nil
}

// decompress undoes one Content-Encoding: gzip, or deflate, which is zlib's
// format by RFC 9110 and often a bare stream in the wild.
func decompress(encoding string, from io.Reader) (io.ReadCloser, error) {
	switch strings.ToLower(encoding) {
	case "gzip", "x-gzip":
		plain, err := gzip.NewReader(from)
		return plain, inflation(err)
	case "deflate":
		peeked := bufio.NewReader(from)
		if head, err := peeked.Peek(2); err == nil && zlibHeader(head) {
			plain, err := zlib.NewReader(peeked)
			return plain, inflation(err)
		}
		return flate.NewReader(peeked), nil
	}
	return nil, &Problem{
		Code:    CodeUnsupportedMediaType,
		Detail:  "content encoding " + quote(encoding) + " is not taken, but gzip, deflate and none are",
		Accepts: []string{"gzip", "deflate", "identity"},
	}
}

// zlibHeader reports whether two bytes begin a zlib stream (RFC 1950 section
// 2.2): method 8, and a multiple of 31.
func zlibHeader(head []byte) bool {
	return head[0]&0x0f == 8 && binary.BigEndian.Uint16(head)%31 == 0
}

// inflation says that a body could not be decompressed.
func inflation(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*Problem](err); ok {
		return err
	}
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) || errors.As(err, new(*http.MaxBytesError)) {
		return arrival(err)
	}
	return &Problem{Code: CodeInvalidInput, Detail: fmt.Sprintf("the body cannot be decompressed: %v", err)}
}

// arrival says that a body did not arrive as announced.
func arrival(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*Problem](err); ok {
		return err
	}
	if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge(large.Limit)
	}
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() {
		return &Problem{Code: CodeInvalidInput, Detail: "the body did not arrive in time", Retryable: true}
	}
	return &Problem{Code: CodeInvalidInput, Detail: "the body ended early"}
}

func tooLarge(limit int64) *Problem {
	return &Problem{Code: CodeTooLarge, Detail: fmt.Sprintf("the body is larger than %d bytes", limit)}
}

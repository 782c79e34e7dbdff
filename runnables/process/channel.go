//go:build unix

package process

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
)

// channel is one end of the socket that frames travel on. Reading and writing
// each belong to one goroutine at a time.
type channel struct {
	conn *net.UnixConn

	// unread are the bytes that were read ahead.
	buffer []byte
	unread []byte
}

// readAhead is how much is asked of the socket at once: small frames come with
// one system call.
const readAhead = 8 << 10

// openChannel makes a channel of a connected socket. It closes file.
func openChannel(file *os.File) (*channel, error) {
	conn, err := net.FileConn(file)
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("open the channel: %w", err)
	}
	socket, ok := conn.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(errors.New("open the channel: it is no Unix socket"), conn.Close())
	}
	return &channel{conn: socket, buffer: make([]byte, readAhead)}, nil
}

// errUnsent is that the time was over before the first byte of a frame was
// written: the other end knows nothing of it.
var errUnsent = fmt.Errorf("nothing was sent: %w", os.ErrDeadlineExceeded)

// send writes a frame.
func (c *channel) send(frame []byte) error {
	n, err := c.conn.Write(frame)
	if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) {
		return errUnsent
	}
	return err
}

// sendMessage writes a frame with a JSON body.
func (c *channel) sendMessage(kind frameKind, id uint64, message any) error {
	frame, err := appendMessage(nil, kind, id, message)
	if err != nil {
		return err
	}
	return c.send(frame)
}

// receive reads the next frame. Its body belongs to the caller. The error is
// io.EOF where the other end closed the channel after a whole frame.
func (c *channel) receive() (header, []byte, error) {
	for len(c.unread) < headerSize {
		if err := c.more(); err != nil {
			return header{}, nil, err
		}
	}
	h, err := parseHeader(c.unread)
	if err != nil {
		return header{}, nil, err
	}
	c.unread = c.unread[headerSize:]
	body, err := c.body(h.length)
	return h, body, err
}

// more reads into the buffer, behind what is unread.
func (c *channel) more() error {
	n := copy(c.buffer, c.unread)
	m, err := c.conn.Read(c.buffer[n:])
	c.unread = c.buffer[:n+m]
	if errors.Is(err, io.EOF) && n > 0 {
		return io.ErrUnexpectedEOF
	}
	return err
}

// largestStep is how much memory is made at once for a body that has not come
// yet: what it claims may not be true.
const largestStep = 1 << 20

// body reads the n bytes of a body.
func (c *channel) body(n int) ([]byte, error) {
	ready := min(n, len(c.unread))
	body := append(make([]byte, 0, min(n, largestStep)), c.unread[:ready]...)
	c.unread = c.unread[ready:]
	for len(body) < n {
		if len(body) == cap(body) {
			body = slices.Grow(body, min(n-len(body), len(body)))
		}
		m, err := c.conn.Read(body[len(body):min(cap(body), n)])
		body = body[:len(body)+m]
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	return body, nil
}

// shut ends the channel in both directions. What has arrived can still be read.
func (c *channel) shut() {
	_ = c.conn.CloseRead()
	_ = c.conn.CloseWrite()
}

func (c *channel) close() error { return c.conn.Close() }

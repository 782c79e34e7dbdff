package loadtest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxIdle is how long a connection may rest before it is replaced rather than
// used again: servers close idle ones, and the request that meets that is lost.
const maxIdle = 30 * time.Second

// LeanClient speaks just enough HTTP/1.1 to measure a server on the processors
// that it shares with it: keep-alive, content-length and chunked bodies, one
// write a request, nothing allocated for an answer. No https, no redirects, no
// compression. A call in flight ends by its timeout or by Close, not by its
// context.
type LeanClient struct {
	// Timeout bounds a call: connecting, sending and reading each.
	Timeout time.Duration

	// Dial opens a connection; nil means TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	mu     sync.Mutex
	idle   map[string][]*leanConn // by host, the last used at the end; guarded by mu
	open   map[*leanConn]struct{} // guarded by mu
	closed bool                   // guarded by mu
}

// leanConn is one connection. It belongs to the call that holds it, or to the
// idle list.
type leanConn struct {
	net.Conn
	r       *bufio.Reader
	lastUse time.Time
}

// Do implements [Client].
func (c *LeanClient) Do(ctx context.Context, r *Request) (Reply, error) {
	if r.URL.Scheme != "http" {
		return Reply{}, fmt.Errorf("%s: the lean client speaks http, not %s", r.Kind, r.URL.Scheme)
	}
	conn, err := c.acquire(ctx, r.URL.Host)
	if err != nil {
		return Reply{}, fmt.Errorf("%s: %w", r.Kind, err)
	}
	reply, keep, err := conn.exchange(r, c.Timeout)
	c.release(r.URL.Host, conn, keep && err == nil)
	if err != nil {
		return Reply{}, fmt.Errorf("%s: %w", r.Kind, err)
	}
	return reply, nil
}

// Close implements [Client].
func (c *LeanClient) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for conn := range c.open {
		_ = conn.Close()
	}
	c.open, c.idle = nil, nil
}

func (c *LeanClient) acquire(ctx context.Context, host string) (*leanConn, error) {
	if conn := c.takeIdle(host); conn != nil {
		return conn, nil
	}
	dial := c.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: c.Timeout}).DialContext
	}
	raw, err := dial(ctx, "tcp", host)
	if err != nil {
		return nil, err
	}
	conn := &leanConn{Conn: raw, r: bufio.NewReaderSize(raw, 8<<10)}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		_ = raw.Close()
		return nil, net.ErrClosed
	}
	if c.open == nil {
		c.open, c.idle = map[*leanConn]struct{}{}, map[string][]*leanConn{}
	}
	c.open[conn] = struct{}{}
	return conn, nil
}

func (c *LeanClient) takeIdle(host string) *leanConn {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		waiting := c.idle[host]
		if len(waiting) == 0 {
			return nil
		}
		conn := waiting[len(waiting)-1]
		c.idle[host] = waiting[:len(waiting)-1]
		if time.Since(conn.lastUse) < maxIdle {
			return conn
		}
		delete(c.open, conn)
		_ = conn.Close()
	}
}

func (c *LeanClient) release(host string, conn *leanConn, keep bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if keep && !c.closed {
		conn.lastUse = time.Now()
		c.idle[host] = append(c.idle[host], conn)
		return
	}
	delete(c.open, conn)
	_ = conn.Close()
}

// exchange sends a request and reads its answer; keep says whether the
// connection can carry another.
func (c *leanConn) exchange(r *Request, timeout time.Duration) (reply Reply, keep bool, err error) {
	if timeout > 0 {
		if err := c.SetDeadline(time.Now().Add(timeout)); err != nil {
			return Reply{}, false, err
		}
	}
	if _, err := c.Write(r.wire); err != nil {
		return Reply{}, false, err
	}
	head, err := c.readHead()
	for err == nil && head.status >= 100 && head.status < 200 {
		head, err = c.readHead()
	}
	if err != nil {
		return Reply{}, false, err
	}
	reply = Reply{Status: head.status}
	reply.Bytes, reply.Code, err = c.readBody(head, r.Method)
	return reply, !head.close && err == nil, err
}

// answerHead is what the client needs of an answer before its body.
type answerHead struct {
	status  int
	length  int64 // of the body; -1 when it is not said
	chunked bool
	close   bool
	problem bool
}

func (c *leanConn) readHead() (answerHead, error) {
	line, err := c.readLine()
	if err != nil {
		return answerHead{}, err
	}
	h := answerHead{length: -1}
	// HTTP/1.1 200 OK
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return h, fmt.Errorf("%w: begins with %.20q", ErrProtocol, line)
	}
	if h.status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return h, fmt.Errorf("%w: status %.20q", ErrProtocol, line)
	}
	for {
		line, err := c.readLine()
		if err != nil {
			return h, err
		}
		if len(line) == 0 {
			return h, nil
		}
		if err := h.field(line); err != nil {
			return h, err
		}
	}
}

// field takes in one header line.
func (h *answerHead) field(line []byte) error {
	name, value, ok := bytes.Cut(line, []byte(":"))
	if !ok {
		return fmt.Errorf("%w: header line %.40q", ErrProtocol, line)
	}
	value = bytes.TrimSpace(value)
	switch len(name) { // most headers are none of these: look no further
	case len("content-length"):
		if bytes.EqualFold(name, []byte("content-length")) {
			length, err := strconv.ParseInt(string(value), 10, 64)
			if err != nil || length < 0 {
				return fmt.Errorf("%w: content-length %.20q", ErrProtocol, value)
			}
			h.length = length
		}
	case len("transfer-encoding"):
		if bytes.EqualFold(name, []byte("transfer-encoding")) {
			h.chunked = bytes.EqualFold(value, []byte("chunked"))
		}
	case len("connection"):
		if bytes.EqualFold(name, []byte("connection")) {
			h.close = bytes.EqualFold(value, []byte("close"))
		}
	case len("content-type"):
		if bytes.EqualFold(name, []byte("content-type")) {
			h.problem = strings.HasPrefix(string(value), "application/problem+json")
		}
	}
	return nil
}

// readLine returns a line without its end, valid until the next read.
func (c *leanConn) readLine() ([]byte, error) {
	line, err := c.r.ReadSlice('\n')
	if err != nil {
		if err == bufio.ErrBufferFull { //nolint:errorlint // bufio returns it bare
			return nil, fmt.Errorf("%w: a header line longer than %d bytes", ErrProtocol, c.r.Size())
		}
		return nil, err
	}
	return bytes.TrimRight(line, "\r\n"), nil
}

// readBody reads the body to its end and returns its size, and the code of a
// problem document.
func (c *leanConn) readBody(h answerHead, method string) (size int64, code string, err error) {
	var body io.Reader
	switch {
	case method == "HEAD" || h.status == 204 || h.status == 304:
		return 0, "", nil
	case h.chunked:
		body = httputil.NewChunkedReader(c.r)
	case h.length >= 0 && !h.problem:
		n, err := c.discard(h.length)
		return n, "", err
	case h.length >= 0:
		body = io.LimitReader(c.r, h.length)
	case h.close:
		body = c.r // to the end of the connection
	default:
		return 0, "", fmt.Errorf("%w: a body without length", ErrProtocol)
	}
	var document []byte
	if h.problem {
		if document, err = io.ReadAll(io.LimitReader(body, maxProblemBytes)); err != nil {
			return 0, "", err
		}
		code = problemCode("application/problem+json", document)
	}
	rest, err := io.Copy(io.Discard, body)
	size = int64(len(document)) + rest
	switch {
	case err != nil:
		return size, "", err
	case h.chunked:
		// The chunked reader stops behind the last chunk, before the line that
		// ends the body.
		_, err = c.readLine()
	case size < h.length:
		err = io.ErrUnexpectedEOF
	}
	return size, code, err
}

func (c *leanConn) discard(length int64) (int64, error) {
	var done int64
	for done < length {
		n, err := c.r.Discard(int(min(length-done, 1<<20)))
		done += int64(n)
		if err == io.EOF {
			return done, io.ErrUnexpectedEOF
		}
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

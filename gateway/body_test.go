package gateway_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ekiben/ekiben/gateway"
)

// squeezed compresses a body.
func squeezed(t *testing.T, encoding string, body []byte) string {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch encoding {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "zlib":
		w = zlib.NewWriter(&b)
	default:
		raw, err := flate.NewWriter(&b, flate.DefaultCompression)
		if err != nil {
			t.Fatal(err)
		}
		w = raw
	}
	_, err := w.Write(body)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// small is a gateway that takes 1000 bytes.
func small(t *testing.T) http.Handler {
	t.Helper()
	return newGateway(t, newFakeQueue(everything()), setup{config: func(c *gateway.Config) {
		c.MaxBody, c.MaxInFlightBytes = 1000, 2000
	}}).Handler()
}

func TestABodyIsReadWhateverItsSizeAndEncoding(t *testing.T) {
	t.Parallel()
	h := newGateway(t, newFakeQueue(everything()), setup{}).Handler()
	for _, size := range []int{0, 1, 1000, 4095, 4096, 4097, 64<<10 - 1, 64 << 10, 64<<10 + 1, 900_000} {
		plain := bytes.Repeat([]byte("0123456789"), size/10+1)[:size]
		for name, tt := range map[string]struct{ encoding, body string }{
			"plain": {"", string(plain)}, "identity": {"identity", string(plain)}, "gzip": {"gzip", squeezed(t, "gzip", plain)},
			"deflate": {"deflate", squeezed(t, "zlib", plain)}, "bare deflate": {"Deflate", squeezed(t, "", plain)},
		} {
			t.Run(fmt.Sprintf("%d bytes, %s", size, name), func(t *testing.T) {
				t.Parallel()
				for _, chunked := range []bool{false, true} {
					r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/runners/all/files", strings.NewReader(tt.body))
					if chunked {
						r.ContentLength = -1
					}
					r.Header.Set("Accept", "application/octet-stream")
					if tt.encoding != "" {
						r.Header.Set("Content-Encoding", tt.encoding)
					}
					w := httptest.NewRecorder()
					h.ServeHTTP(w, r)
					if w.Code != http.StatusOK || !bytes.Equal(w.Body.Bytes(), plain) {
						t.Errorf("chunked %v: %d, %d bytes of %d", chunked, w.Code, w.Body.Len(), size)
					}
				}
			})
		}
	}
}

func TestABodyBeyondTheLimitIsRefused(t *testing.T) {
	t.Parallel()
	zeros := make([]byte, 10<<20)
	for _, tt := range []struct{ name, encoding, body string }{
		{"plain", "", string(zeros[:1001])},
		{"a bomb of gzip", "gzip", squeezed(t, "gzip", zeros)},
		{"a bomb of deflate", "deflate", squeezed(t, "zlib", zeros)},
		{"a little too much in gzip", "gzip", squeezed(t, "gzip", zeros[:1001])},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, length := range []int64{int64(len(tt.body)), -1} {
				r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/runners/all/files", strings.NewReader(tt.body))
				r.ContentLength = length
				r.Header.Set("Content-Encoding", tt.encoding)
				w := httptest.NewRecorder()
				small(t).ServeHTTP(w, r)
				wantProblem(t, w, http.StatusRequestEntityTooLarge, "too_large", "1000 bytes")
			}
		})
	}
}

func TestABodyOfExactlyTheLimitIsTaken(t *testing.T) {
	t.Parallel()
	plain := strings.Repeat("x", 1000)
	for _, tt := range []struct{ encoding, body string }{{"", plain}, {"gzip", squeezed(t, "gzip", []byte(plain))}} {
		w := send(t, small(t), http.MethodPost, "/v1/runners/all/files", tt.body, "Content-Encoding", tt.encoding, "Accept", "application/octet-stream")
		wantBody(t, w, http.StatusOK, plain)
	}
}

func TestABodyThatCannotBeReadIsRefused(t *testing.T) {
	t.Parallel()
	whole := squeezed(t, "gzip", []byte("hello, hello, hello"))
	broken := whole[:len(whole)-5] + "XXXXX"
	for _, tt := range []struct {
		name, encoding, body string
		status               int
		code                 string
	}{
		{"another encoding", "br", "x", 415, "unsupported_media_type"},
		{"two encodings", "gzip, gzip", "x", 415, "unsupported_media_type"},
		{"no gzip", "gzip", "hello", 400, "invalid_input"},
		{"half of gzip", "gzip", whole[:len(whole)/2], 400, "invalid_input"},
		{"a wrong sum", "gzip", broken, 400, "invalid_input"},
		{"no deflate", "deflate", "\xff\xff", 400, "invalid_input"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := send(t, small(t), http.MethodPost, "/v1/runners/all/files", tt.body, "Content-Encoding", tt.encoding)
			p := wantProblem(t, w, tt.status, tt.code)
			if tt.status == http.StatusUnsupportedMediaType && (p.Accepts[0] != "gzip" || w.Header()["Accept-Encoding"][0] != "gzip") {
				t.Errorf("accepts %q, header %q", p.Accepts, w.Header()["Accept-Encoding"])
			}
		})
	}
}

func TestABodyThatEndsEarlyIsRefused(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(small(t))
	t.Cleanup(server.Close)
	conn := dial(t, server.Listener.Addr())
	if _, err := io.WriteString(conn, "POST /v1/runners/all/files HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc"); err != nil {
		t.Fatal(err)
	}
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") {
		t.Errorf("%v: %s", err, answer)
	}
}

func TestABodyThatTakesTooLongIsRefused(t *testing.T) {
	t.Parallel()
	g := newGateway(t, newFakeQueue(everything()), setup{config: func(c *gateway.Config) { c.BodyTimeout = 50 * time.Millisecond }})
	server := httptest.NewServer(g.Handler())
	t.Cleanup(server.Close)
	conn := dial(t, server.Listener.Addr())
	if _, err := io.WriteString(conn, "POST /v1/runners/all/files HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc"); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") || !strings.Contains(string(answer), "in time") {
		t.Errorf("%v: %s", err, answer)
	}
}

func TestABodyThatNobodyReadsDoesNotHoldTheConnection(t *testing.T) {
	t.Parallel()
	g := newGateway(t, newFakeQueue(everything()), setup{config: func(c *gateway.Config) { c.BodyTimeout = 50 * time.Millisecond }})
	server := httptest.NewServer(g.Handler())
	t.Cleanup(server.Close)
	for _, line := range []string{"POST /v1/runners/nobody/files", "GET /livez", "GET /nowhere", "PUT /livez"} {
		conn := dial(t, server.Listener.Addr())
		if _, err := io.WriteString(conn, line+" HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc"); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(conn)
		if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 ") {
			t.Errorf("%s: %v: %s", line, err, answer)
		}
	}
}

func TestWhoOnlyAnnouncesBodiesTakesNoMemoryFromOthers(t *testing.T) {
	t.Parallel()
	g := newGateway(t, newFakeQueue(everything()), setup{config: func(c *gateway.Config) { c.MaxBody, c.MaxInFlightBytes = 1<<20, 2<<20 }})
	server := httptest.NewServer(g.Handler())
	t.Cleanup(server.Close)
	for range 20 {
		conn := dial(t, server.Listener.Addr())
		head := "POST /v1/runners/all/files HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1048576\r\n\r\n"
		if _, err := io.WriteString(conn, head); err != nil {
			t.Fatal(err)
		}
		// The gateway asks for the body when it has made room for it.
		if _, err := io.ReadFull(conn, make([]byte, len("HTTP/1.1 100 Continue\r\n\r\n"))); err != nil {
			t.Fatal(err)
		}
	}
	body := strings.Repeat("x", 500_000)
	w := send(t, g.Handler(), http.MethodPost, "/v1/runners/all/files", body, "Accept", "application/octet-stream")
	wantBody(t, w, http.StatusOK, body)
}

// dial opens a connection that ends with the test.
func dial(t *testing.T, addr net.Addr) *net.TCPConn {
	t.Helper()
	conn, err := net.DialTCP("tcp", nil, addr.(*net.TCPAddr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

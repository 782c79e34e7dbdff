package loadtest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben/ekiben/loadtest"
)

// server answers with every way of framing a body that the clients must read.
func server(t *testing.T) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(body)
	})
	mux.HandleFunc("/chunked", func(w http.ResponseWriter, _ *http.Request) {
		for range 5 {
			_, _ = fmt.Fprint(w, strings.Repeat("x", 1000))
			_ = http.NewResponseController(w).Flush()
		}
	})
	mux.HandleFunc("/full", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = fmt.Fprint(w, `{"code":"queue_full","status":429}`)
	})
	mux.HandleFunc("/fullchunked", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json; charset=utf-8")
		w.WriteHeader(http.StatusTooManyRequests)
		_ = http.NewResponseController(w).Flush()
		_, _ = fmt.Fprint(w, `{"code":"queue_full"}`)
	})
	mux.HandleFunc("/nothing", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("/bye", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		_, _ = fmt.Fprint(w, "bye")
	})
	mux.HandleFunc("/early", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		_, _ = fmt.Fprint(w, "late")
	})
	mux.HandleFunc("/header", func(w http.ResponseWriter, r *http.Request) { _, _ = fmt.Fprint(w, r.Header.Get("X-Test")) })
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func TestClientsReadEveryFramingAndKeepTheConnection(t *testing.T) {
	t.Parallel()
	s := server(t)
	kinds := []struct {
		kind loadtest.Kind
		want loadtest.Reply
	}{
		{loadtest.Kind{Method: "POST", Path: "/echo", Body: loadtest.RandomBytes(100_000, 1)}, loadtest.Reply{Status: 200, Bytes: 100_000}},
		{loadtest.Kind{Method: "POST", Path: "/echo"}, loadtest.Reply{Status: 200}},
		{loadtest.Kind{Method: "GET", Path: "/chunked"}, loadtest.Reply{Status: 200, Bytes: 5000}},
		{loadtest.Kind{Method: "GET", Path: "/full"}, loadtest.Reply{Status: 429, Code: "queue_full", Bytes: 34}},
		{loadtest.Kind{Method: "GET", Path: "/fullchunked"}, loadtest.Reply{Status: 429, Code: "queue_full", Bytes: 21}},
		{loadtest.Kind{Method: "GET", Path: "/nothing"}, loadtest.Reply{Status: 204}},
		{loadtest.Kind{Method: "HEAD", Path: "/full"}, loadtest.Reply{Status: 429}},
		{loadtest.Kind{Method: "GET", Path: "/bye"}, loadtest.Reply{Status: 200, Bytes: 3}},
		{loadtest.Kind{Method: "GET", Path: "/early"}, loadtest.Reply{Status: 200, Bytes: 4}},
		{loadtest.Kind{Method: "GET", Path: "/header", Header: http.Header{"X-Test": {"abc"}}}, loadtest.Reply{Status: 200, Bytes: 3}},
		{loadtest.Kind{Method: "GET", Path: "/none?a=b"}, loadtest.Reply{Status: 404, Bytes: 19}},
	}
	for name, client := range map[string]loadtest.Client{
		"lean":     &loadtest.LeanClient{Timeout: time.Minute},
		"standard": loadtest.NewStandardClient(2, time.Minute),
	} {
		t.Cleanup(client.Close)
		for _, k := range append(kinds, kinds...) { // twice: on a used connection too
			r, err := loadtest.NewRequest(s.URL, k.kind)
			if err != nil {
				t.Fatal(err)
			}
			got, err := client.Do(t.Context(), r)
			if err != nil {
				t.Fatalf("%s client, %s: %v", name, k.kind.Path, err)
			}
			if got != k.want {
				t.Errorf("%s client, %s %s: %+v, want %+v", name, k.kind.Method, k.kind.Path, got, k.want)
			}
		}
	}
}

func TestTheLeanClientUsesAConnectionAgain(t *testing.T) {
	t.Parallel()
	s := server(t)
	dials := 0
	client := &loadtest.LeanClient{Timeout: time.Minute, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		dials++
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
	defer client.Close()
	r, err := loadtest.NewRequest(s.URL, loadtest.Kind{Method: "GET", Path: "/chunked"})
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if _, err := client.Do(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if dials != 1 {
		t.Errorf("%d connections for 10 calls in turn, want 1", dials)
	}
}

// dialPipe is a server in memory that reads a request and writes answer.
func dialPipe(t *testing.T, answer func(net.Conn)) func(context.Context, string, string) (net.Conn, error) {
	t.Helper()
	return func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		go func() {
			defer there.Close() //nolint:errcheck // a pipe
			for {
				if _, err := there.Read(make([]byte, 4096)); err != nil {
					return
				}
				answer(there)
			}
		}()
		return here, nil
	}
}

func TestErrorsHaveKinds(t *testing.T) {
	t.Parallel()
	say := func(text string) func(net.Conn) {
		return func(c net.Conn) { _, _ = io.WriteString(c, text); _ = c.Close() }
	}
	for _, tc := range []struct {
		name   string
		answer func(net.Conn)
		want   string
	}{
		{"silence", func(net.Conn) {}, "timeout"},
		{"closed before the answer", func(c net.Conn) { _ = c.Close() }, "connection_closed"},
		{"closed in the head", say("HTTP/1.1 200 OK\r\nContent-Le"), "connection_closed"},
		{"closed in the body", say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123"), "connection_closed"},
		{"closed in a problem", say("HTTP/1.1 429 X\r\nContent-Type: application/problem+json\r\nContent-Length: 10\r\n\r\n123"), "connection_closed"},
		{"closed in a chunk", say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n123"), "connection_closed"},
		{"another protocol", say("SSH-2.0-OpenSSH\r\n"), "protocol"},
		{"a status that is no number", say("HTTP/1.1 abc OK\r\n\r\n"), "protocol"},
		{"a header without a colon", say("HTTP/1.1 200 OK\r\nhello\r\n\r\n"), "protocol"},
		{"a negative length", say("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"), "protocol"},
		{"no length", say("HTTP/1.1 200 OK\r\n\r\n"), "protocol"},
		{"a header without end", say("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("y", 9000) + "\r\n\r\n"), "protocol"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				client := &loadtest.LeanClient{Timeout: time.Second, Dial: dialPipe(t, tc.answer)}
				defer client.Close()
				r, err := loadtest.NewRequest("http://pipe.test", loadtest.Kind{Method: "GET", Path: "/"})
				if err != nil {
					t.Fatal(err)
				}
				reply, err := client.Do(t.Context(), r)
				if err == nil {
					t.Fatalf("answered %+v, want an error", reply)
				}
				if got := loadtest.ErrorKind(err); got != tc.want {
					t.Errorf("kind of %q is %s, want %s", err, got, tc.want)
				}
			})
		})
	}
}

func TestAPortWhereNobodyListensIsConnectionRefused(t *testing.T) {
	t.Parallel()
	s := server(t)
	s.Close()
	for _, client := range []loadtest.Client{&loadtest.LeanClient{Timeout: time.Minute}, loadtest.NewStandardClient(1, time.Minute)} {
		r, err := loadtest.NewRequest(s.URL, loadtest.Kind{Method: "GET", Path: "/"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = client.Do(t.Context(), r); err == nil || loadtest.ErrorKind(err) != "connection_refused" {
			t.Errorf("%T: %v is %s, want connection_refused", client, err, loadtest.ErrorKind(err))
		}
	}
}

func TestAConnectionThatRestedTooLongIsReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dials := 0
		dial := dialPipe(t, func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") })
		client := &loadtest.LeanClient{Timeout: time.Minute, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			dials++
			return dial(ctx, network, address)
		}}
		defer client.Close()
		r, err := loadtest.NewRequest("http://pipe.test", loadtest.Kind{Method: "GET", Path: "/"})
		if err != nil {
			t.Fatal(err)
		}
		for _, pause := range []time.Duration{0, 29 * time.Second, 31 * time.Second} {
			time.Sleep(pause) // virtual
			if _, err := client.Do(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
		if dials != 2 {
			t.Errorf("%d connections, want 2: one rested for 31 s", dials)
		}
	})
}

func TestClosingTheLeanClientEndsCallsInFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := &loadtest.LeanClient{Timeout: time.Hour, Dial: dialPipe(t, func(net.Conn) {})}
		r, err := loadtest.NewRequest("http://pipe.test", loadtest.Kind{Method: "GET", Path: "/"})
		if err != nil {
			t.Fatal(err)
		}
		started := time.Now()
		time.AfterFunc(time.Second, client.Close)
		if _, err := client.Do(t.Context(), r); err == nil {
			t.Error("a call outlived its client")
		}
		if took := time.Since(started); took != time.Second {
			t.Errorf("the call ended after %v, want 1s", took)
		}
		if _, err := client.Do(t.Context(), r); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a call after Close: %v, want net.ErrClosed", err)
		}
	})
}

func TestTargetsAndPathsAreChecked(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"", "localhost:3000", "http://", "ftp://a", "http://a?x=1", "http://a#f", "http://a b"} {
		if _, err := loadtest.ParseTarget(target); err == nil {
			t.Errorf("target %q was taken", target)
		}
	}
	r, err := loadtest.NewRequest("http://a.test:1/base/", loadtest.Kind{Method: "GET", Path: "/x?y=1"})
	if err != nil {
		t.Fatal(err)
	}
	if got := r.URL.String(); got != "http://a.test:1/base/x?y=1" {
		t.Errorf("URL %s", got)
	}
}

package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ekiben/ekiben/gateway"
	"github.com/ekiben/ekiben/queue"
)

func TestRequestsBeyondTheLimitAreRefused(t *testing.T) {
	t.Parallel()
	b := newBlocking()
	g := newGateway(t, b.fakeQueue, setup{config: func(c *gateway.Config) { c.MaxInFlight = 1 }})
	first := make(chan int)
	go func() {
		first <- send(t, g.Handler(), http.MethodPost, "/v1/runners/all/text", "x", "Content-Type", "text/plain").Code
	}()
	<-b.began
	w := send(t, g.Handler(), http.MethodPost, "/v1/runners/all/text", "x", "Content-Type", "text/plain")
	wantProblem(t, w, http.StatusServiceUnavailable, "overloaded", "too many requests")
	if w.Header().Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	for _, path := range []string{"/livez", "/readyz", "/metrics"} {
		if w := send(t, g.Handler(), http.MethodGet, path, ""); w.Code != http.StatusOK {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	close(b.finish)
	if status := <-first; status != http.StatusOK {
		t.Errorf("the first got %d", status)
	}
	wantBody(t, send(t, g.Handler(), http.MethodPost, "/v1/runners/all/text", "x", "Content-Type", "text/plain"), http.StatusOK, `["x"]`)
}

func TestWhoSendsSlowlyTakesNoPlaceFromOthers(t *testing.T) {
	t.Parallel()
	g := newGateway(t, newFakeQueue(everything()), setup{
		services: []gateway.Service{{Name: "s", APIs: []gateway.API{gateway.HandleFunc("/same", same[[]byte])}}},
		config:   func(c *gateway.Config) { c.MaxInFlight = 1 },
	})
	server := httptest.NewServer(g.Handler())
	t.Cleanup(server.Close)
	for _, path := range []string{"/v1/runners/all/files", "/same"} {
		for range 5 {
			conn := dial(t, server.Listener.Addr())
			if _, err := io.WriteString(conn, "POST "+path+" HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			// The gateway asks for the body when it reads it.
			if _, err := io.ReadFull(conn, make([]byte, len("HTTP/1.1 100 Continue\r\n\r\n"))); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 3 { // a place that is not given back would fill the gateway
		wantBody(t, send(t, g.Handler(), http.MethodPost, "/v1/runners/all/text", "x", "Content-Type", "text/plain"), http.StatusOK, `["x"]`)
		wantBody(t, send(t, g.Handler(), http.MethodPost, "/same", "x"), http.StatusOK, "x")
		if w := send(t, g.Handler(), http.MethodGet, "/v1/runners", ""); w.Code != http.StatusOK {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
}

func TestBytesInFlightAreBounded(t *testing.T) {
	t.Parallel()
	b := newBlocking()
	g := newGateway(t, b.fakeQueue, setup{config: func(c *gateway.Config) { c.MaxBody, c.MaxInFlightBytes = 100, 200 }})
	body := strings.Repeat("x", 100)
	first := make(chan int)
	go func() {
		first <- send(t, g.Handler(), http.MethodPost, "/v1/runners/all/text", body, "Content-Type", "text/plain").Code
	}()
	<-b.began
	wantProblem(t, send(t, g.Handler(), http.MethodPost, "/v1/runners/all/text", body, "Content-Type", "text/plain"),
		http.StatusServiceUnavailable, "overloaded", "too many bytes")
	close(b.finish)
	if status := <-first; status != http.StatusOK {
		t.Errorf("the first got %d", status)
	}
	if w := send(t, g.Handler(), http.MethodPost, "/v1/runners/all/text", body, "Content-Type", "text/plain"); w.Code != http.StatusOK {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestAwaitedCallsOfARunnerAreBoundedWhereItSaysSo(t *testing.T) {
	t.Parallel()
	s := everything()
	s.MaxConcurrency = 1
	b := &blocking{fakeQueue: newFakeQueue(s), began: make(chan struct{}, 10), finish: make(chan struct{})}
	b.block()
	g := newGateway(t, b.fakeQueue, setup{})
	first := make(chan int)
	go func() {
		first <- send(t, g.Handler(), http.MethodPost, "/v1/runners/all/text", "x", "Content-Type", "text/plain").Code
	}()
	<-b.began
	w := send(t, g.Handler(), http.MethodPost, "/v1/runners/all/text", "x", "Content-Type", "text/plain")
	wantProblem(t, w, http.StatusServiceUnavailable, "overloaded", "as it may, 1")
	wantMetric(t, g, `ekiben_refused_total{reason="max_concurrency",runner="all"} 1`)
	if w := send(t, g.Handler(), http.MethodPost, "/v1/runners/all/text", "x", "Content-Type", "text/plain", "Prefer", "respond-async"); w.Code != http.StatusAccepted {
		t.Errorf("a job got %d", w.Code)
	}
	close(b.finish)
	if status := <-first; status != http.StatusOK {
		t.Errorf("the first got %d", status)
	}
	wantBody(t, send(t, g.Handler(), http.MethodPost, "/v1/runners/all/text", "x", "Content-Type", "text/plain"), http.StatusOK, `["x"]`)
}

func TestWhoComesTooLateHearsWhenThereIsTime(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		wait, left  time.Duration
		least, most string
	}{
		{30 * time.Second, 20 * time.Second, "10", "12"},
		{20*time.Second + time.Millisecond, 20 * time.Second, "1", "1"},
		{1000 * time.Hour, time.Second, "60", "60"},
		{292 * 365 * 24 * time.Hour, 0, "60", "60"},
	} {
		q := newFakeQueue(everything())
		q.do = func(context.Context, queue.Call) (queue.Reply, error) {
			return queue.Reply{}, fmt.Errorf("queue: %w", &queue.TooLateError{Wait: tt.wait, Left: tt.left})
		}
		g := newGateway(t, q, setup{})
		w := send(t, g.Handler(), http.MethodPost, "/v1/runners/all/text", "x")
		wantProblem(t, w, http.StatusServiceUnavailable, "overloaded")
		if after := w.Header().Get("Retry-After"); len(after) != len(tt.least) || after < tt.least || after > tt.most {
			t.Errorf("wait %s, left %s: Retry-After is %s", tt.wait, tt.left, after)
		}
		wantMetric(t, g, `ekiben_refused_total{reason="overloaded",runner="all"} 1`)
	}
}

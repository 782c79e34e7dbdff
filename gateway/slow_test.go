package gateway_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben/ekiben/gateway"
)

// A pipe takes nothing that is not read.
func TestWhoDoesNotReadItsAnswerHoldsNothingForLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t, newFakeQueue(everything()), setup{services: []gateway.Service{
			{Name: "s", APIs: []gateway.API{gateway.HandleFunc("/same", same[[]byte])}},
		}})
		listener := &piped{conns: make(chan net.Conn, 3), closed: make(chan struct{})}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- g.Serve(ctx, listener) }()
		for _, path := range []string{"/v1/runners/all/files", "/same"} {
			client, server := net.Pipe()
			listener.conns <- server
			go func() {
				_, _ = io.WriteString(client, "POST "+path+" HTTP/1.1\r\nHost: x\r\nAccept: application/octet-stream\r\nContent-Length: 131072\r\n\r\n"+strings.Repeat("x", 1<<17))
			}()
		}
		synctest.Wait()
		wantMetric(t, g, "ekiben_requests_in_flight 2")
		time.Sleep(30 * time.Second) // and a second for its 128 KiB
		wantMetric(t, g, "ekiben_requests_in_flight 2")
		time.Sleep(2 * time.Second)
		wantMetric(t, g, "ekiben_requests_in_flight 0")
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestTheMemoryOfAnswersIsBounded(t *testing.T) {
	t.Parallel()
	g := newGateway(t, newFakeQueue(everything()), setup{
		services: []gateway.Service{{Name: "s", APIs: []gateway.API{gateway.HandleFunc("/large", large)}}},
		config:   func(c *gateway.Config) { c.MaxBody, c.MaxInFlightBytes = 100, 250 },
	})
	run := func(path, body string) int {
		return send(t, g.Handler(), http.MethodPost, path, body, "Content-Type", "application/octet-stream", "Accept", "application/octet-stream").Code
	}
	for range 3 { // what is not given back would fill the gateway
		if got := run("/v1/runners/all/files", strings.Repeat("x", 100)); got != http.StatusOK {
			t.Errorf("an answer that fits got %d", got)
		}
		if got := run("/large", strings.Repeat("x", 10)); got != http.StatusOK {
			t.Errorf("a service's answer that fits got %d", got)
		}
		if got := run("/large", strings.Repeat("x", 100)); got != http.StatusServiceUnavailable {
			t.Errorf("a service's answer beyond the limit got %d", got)
		}
	}
	wantMetric(t, g, `ekiben_refused_total{reason="in_flight_bytes",runner=""} 3`)
}

// large is three times what it was given.
func large(_ context.Context, _ *gateway.Client, in []byte) ([]byte, error) {
	return []byte(strings.Repeat(string(in), 3)), nil
}

package gateway_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ekiben/ekiben/gateway"
	"github.com/ekiben/ekiben/queue"
)

// discard is a ResponseWriter that keeps nothing.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}

// BenchmarkRun is the gateway's own part of a call of 1 KiB, without network and
// queue.
func BenchmarkRun(b *testing.B) {
	q := newFakeQueue(everything())
	g, err := gateway.New(gateway.DefaultConfig(), gateway.Deps{
		Producer: instant{q}, Jobs: q, Directory: q, Health: q,
		Registry: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	h := g.Handler()
	body := bytes.Repeat([]byte{'x'}, 1024)
	r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "/v1/runners/all/files", nil)
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/octet-stream")
	r.Header.Set("Accept", "application/octet-stream")
	r.RemoteAddr = "127.0.0.1:4711"
	r.ContentLength = int64(len(body))
	w := &discard{http.Header{}}
	reader := bytes.NewReader(body)
	b.ReportAllocs()
	for b.Loop() {
		reader.Reset(body)
		r.Body = io.NopCloser(reader)
		clear(w.header)
		h.ServeHTTP(w, r)
	}
	if w.header.Get("Ekiben-Batch-Rows") != "7" {
		b.Fatal(w.header)
	}
}

// instant answers without keeping the calls.
type instant struct{ *fakeQueue }

func (instant) Do(ctx context.Context, c queue.Call) (queue.Reply, error) { return echo(ctx, c) }

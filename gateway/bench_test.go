package gateway_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ekiben/ekiben/gateway"
	"github.com/ekiben/ekiben/queue"
)

// discard is a ResponseWriter that keeps nothing.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}

func (d *discard) SetReadDeadline(time.Time) error  { return nil }
func (d *discard) SetWriteDeadline(time.Time) error { return nil }

// BenchmarkRun is the gateway's own part of a call of 1 KiB, without network and
// queue.
func BenchmarkRun(b *testing.B) {
	limited := gateway.DefaultConfig()
	limited.CallerRate, limited.CallerBurst = 1e9, 1e9
	limited.TrustedProxies = []string{"127.0.0.0/8"}
	b.Run("default", func(b *testing.B) { benchmarkRun(b, gateway.DefaultConfig()) })
	b.Run("with a rate", func(b *testing.B) { benchmarkRun(b, limited) })
}

func benchmarkRun(b *testing.B, config gateway.Config) {
	b.Helper()
	q := newFakeQueue(everything())
	g, err := gateway.New(config, gateway.Deps{
		Producer: instant{q}, Jobs: q, Keeper: q, DeadLetters: q, Gates: q, Directory: q, Health: q,
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
	r.Header.Set("X-Forwarded-For", "192.0.2.1")
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

func (instant) Do(ctx context.Context, c queue.Call) (queue.Reply, error) {
	c.Answered()
	return echo(ctx, c)
}

// BenchmarkAccepting is what the limit of acceptance costs a call.
func BenchmarkAccepting(b *testing.B) {
	a := gateway.NewAccepting(4096)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			a.One()
		}
	})
}

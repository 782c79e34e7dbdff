package bench_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"testing"

	"github.com/ekiben/ekiben/loadtest/bench"
)

// TestMain makes the test binary play the processes that benchmarks start.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && (os.Args[1] == "gateway" || os.Args[1] == "worker" || os.Args[1] == "tasks") {
		fmt.Printf("pid=%d\n", os.Getpid())
		fmt.Fprintln(os.Stderr, fake(os.Args[1]))
		os.Exit(1)
	}
	if len(os.Args) == 3 && os.Args[1] == "fake-bare" {
		fmt.Printf("pid=%d\n", os.Getpid())
		fmt.Fprintln(os.Stderr, bench.Bare(context.Background(), os.Args[2]))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// fake is a gateway that answers every call with its body, or a worker that
// forms a batch of 32 rows whenever it is asked.
func fake(role string) error {
	if os.Getenv("EKIBEN_REDIS_URL") == "" {
		return fmt.Errorf("a %s needs EKIBEN_REDIS_URL", role)
	}
	addr := os.Getenv("EKIBEN_HTTP_ADDR")
	if role == "tasks" {
		addr = os.Getenv("EKIBEN_OPS_ADDR")
	}
	if role == "worker" {
		addr = os.Getenv("EKIBEN_OPS_ADDR")
		if _, err := os.Stat(os.Getenv("EKIBEN_CONFIG")); err != nil {
			return err
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /v1/runners/{runner}/{method}", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		_, _ = w.Write(body)
	})
	fakeBatches(mux)
	var asked atomic.Int64
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		n := asked.Add(1)
		for _, runner := range []string{"burst", "pair", "sleep"} {
			_, _ = fmt.Fprintf(w, "ekiben_batch_rows_count{runner=%q} %d\n", runner, n)
			_, _ = fmt.Fprintf(w, "ekiben_batch_rows_sum{runner=%q} %d\n", runner, 32*n)
			_, _ = fmt.Fprintf(w, "ekiben_batches_total{runner=%q,reason=\"full\"} %d\n", runner, n)
		}
	})
	return http.ListenAndServe(addr, mux)
}

// fakeBatches takes batches, which are in progress when they are asked for the
// first time, and completed then.
func fakeBatches(mux *http.ServeMux) {
	var lines, polls atomic.Int64
	view := func(w http.ResponseWriter, status string, completed int64) {
		_, _ = fmt.Fprintf(w, `{"id":"b","status":%q,"request_counts":{"total":%d,"completed":%d}}`, status, lines.Load(), completed)
	}
	mux.HandleFunc("POST /v1/batches", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.URL.Query().Get("runner") == "" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		lines.Store(int64(bytes.Count(body, []byte("\n"))))
		polls.Store(0)
		view(w, "validating", 0)
	})
	mux.HandleFunc("GET /v1/batches/b", func(w http.ResponseWriter, _ *http.Request) {
		if polls.Add(1) == 1 {
			view(w, "in_progress", 0)
			return
		}
		view(w, "completed", lines.Load())
	})
}

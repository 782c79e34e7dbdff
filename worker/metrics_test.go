package worker_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/worker"
)

// get asks the operations handler of a worker.
func get(t *testing.T, s *stage, path string) *httptest.ResponseRecorder {
	t.Helper()
	rec := httptest.NewRecorder()
	req := httptest.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodGet, path, http.NoBody)
	worker.Ops(s.worker, s.metrics).ServeHTTP(rec, req)
	return rec
}

// wantMetric checks for a line of /metrics.
func wantMetric(t *testing.T, s *stage, line string) {
	t.Helper()
	name, _, _ := strings.Cut(line, "{")
	body := get(t, s, "/metrics").Body.String()
	if strings.Contains(body, line+"\n") {
		return
	}
	t.Errorf("no metric %s, but:", line)
	for got := range strings.Lines(body) {
		if strings.HasPrefix(got, name) {
			t.Log(got)
		}
	}
}

func TestMetricsCountBatchesAndCalls(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		r := options()
		s := play(t, q, r, kindOf(double("run", func(ctx context.Context, rows []int64) error {
			time.Sleep(100 * time.Millisecond)
			return broken(13)(ctx, rows)
		})))
		time.Sleep(time.Second)
		full := make([]queue.Delivery, 8)
		for i := range full {
			full[i] = call(i, int64(i))
		}
		q.put(full...)
		time.Sleep(time.Second)
		q.put(call(10, 1), call(11, 13))
		time.Sleep(time.Second)
		s.end()
		for _, line := range []string{
			`ekiben_batches_total{method="run",reason="full",runner="fake"} 1`,
			`ekiben_batches_total{method="run",reason="idle",runner="fake"} 1`,
			`ekiben_batch_rows_bucket{method="run",runner="fake",le="8"} 2`,
			`ekiben_batch_rows_bucket{method="run",runner="fake",le="4"} 1`,
			`ekiben_batch_rows_bucket{method="run",runner="fake",le="1024"} 2`,
			`ekiben_batch_execute_seconds_count{method="run",runner="fake"} 2`,
			`ekiben_batch_execute_seconds_sum{method="run",runner="fake"} 0.4`,
			`ekiben_batch_wait_seconds_count{method="run",runner="fake"} 2`,
			`ekiben_call_wait_seconds_count{method="run",runner="fake"} 10`,
			`ekiben_calls_finished_total{method="run",outcome="succeeded",runner="fake"} 9`,
			`ekiben_calls_finished_total{method="run",outcome="failed",runner="fake"} 1`,
			`ekiben_bisections_total{method="run",runner="fake"} 1`,
			`ekiben_instances{runner="fake",state="starting"} 0`,
		} {
			wantMetric(t, s, line)
		}
	})
}

func TestReadyzSaysWhyTheWorkerIsNotReady(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		q.down = true
		s := play(t, q, options(), kindOf(double("run", nil)))
		ready := func(status int, reason string) {
			t.Helper()
			rec := get(t, s, "/readyz")
			var body struct {
				Ready   bool              `json:"ready"`
				Runners map[string]string `json:"runners"`
			}
			if err := json.Unmarshal(rec.Body.Bytes(), &body); err != nil {
				t.Fatal(err)
			}
			if rec.Code != status || body.Ready != (status == http.StatusOK) || !strings.Contains(body.Runners[served], reason) {
				t.Errorf("/readyz is %d %s, want %d and %q", rec.Code, rec.Body, status, reason)
			}
			if live := get(t, s, "/livez"); live.Code != http.StatusOK {
				t.Errorf("/livez is %d", live.Code)
			}
		}
		time.Sleep(time.Second)
		ready(http.StatusServiceUnavailable, "not announced")
		q.do(func() { q.down = false })
		time.Sleep(5 * time.Second)
		ready(http.StatusOK, "")
		s.stop()
		synctest.Wait()
		ready(http.StatusServiceUnavailable, "draining")
		s.end()
	})
}

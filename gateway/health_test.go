package gateway_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben/ekiben/gateway"
	"github.com/ekiben/ekiben/queue"
)

func TestReadyzSaysWhyNot(t *testing.T) {
	t.Parallel()
	const yes = "{\"status\":\"ok\"}\n"
	durable := func(c *gateway.Config) { c.RequireDurable = true }
	no := func(reasons string) string { return `{"status":"unavailable","reasons":[` + reasons + "]}\n" }
	for _, tt := range []struct {
		name    string
		config  func(*gateway.Config)
		down    error
		durable queue.Durability
		check   error
		status  int
		body    string
	}{
		{"all is well", durable, nil, queue.Durability{}, nil, 200, yes},
		{"redis is away", nil, queue.ErrUnavailable, queue.Durability{}, nil, 503, no(`"redis cannot be reached"`)},
		{"durability is not asked for", nil, nil, queue.Durability{Problem: "no append-only file"}, nil, 200, yes},
		{"it is", durable, nil, queue.Durability{Problem: "no append-only file"}, nil, 503, no(`"redis is not durable: no append-only file"`)},
		{"a check fails too", durable, nil, queue.Durability{Problem: "x"}, errors.New("not warm"), 503, no(`"redis is not durable: x","worker: not warm"`)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			q := newFakeQueue()
			q.down, q.durable = tt.down, tt.durable
			h := newGateway(t, q, setup{config: tt.config, checks: map[string]func(context.Context) error{
				"worker": func(context.Context) error { return tt.check },
			}}).Handler()
			for _, path := range []string{"/readyz", "/healthz"} {
				wantBody(t, send(t, h, http.MethodGet, path, ""), tt.status, tt.body)
			}
			wantBody(t, send(t, h, http.MethodGet, "/livez", ""), http.StatusOK, yes)
			if w := send(t, h, http.MethodHead, "/readyz", ""); w.Code != tt.status {
				t.Errorf("HEAD: %d", w.Code)
			}
		})
	}
}

func TestReadyzAsksRedisTwiceASecondAtMost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		h := newGateway(t, newFakeQueue(), setup{checks: map[string]func(context.Context) error{"count": func(context.Context) error {
			asked++
			return nil
		}}}).Handler()
		for range 100 {
			send(t, h, http.MethodGet, "/readyz", "")
			time.Sleep(10 * time.Millisecond)
		}
		if asked != 2 {
			t.Errorf("asked %d times in a second", asked)
		}
	})
}

func TestMetricsHaveNoSeriesOfUnknownNames(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue(everything())
		q.stats["all"] = queue.Stats{
			Depth: 12, WaitingRows: 30, Bytes: 4096, Oldest: 1500 * time.Millisecond, Workers: 2, DeadLetters: 3, Errands: queue.ErrandStats{Due: 6, Oldest: 7500 * time.Millisecond},
			Lanes: [3]queue.LaneStats{{Calls: 1}, {Calls: 4}, {}}, Callers: 5, ResultBytes: 99, Degraded: true, Gate: queue.GatePaused,
		}
		g := newGateway(t, q, setup{})
		defer running(t, g)()
		synctest.Wait()
		send(t, g.Handler(), http.MethodPost, "/v1/runners/all/text", "x", "Content-Type", "text/plain")
		send(t, g.Handler(), http.MethodPost, "/v1/runners/all/nothing", "x")
		send(t, g.Handler(), http.MethodPost, "/v1/runners/secret-name/text", "x")
		send(t, g.Handler(), http.MethodGet, "/secret-path", "")
		for _, line := range []string{
			`ekiben_requests_total{code="200",route="run",runner="all"} 1`,
			`ekiben_requests_total{code="404",route="run",runner="all"} 1`,
			`ekiben_requests_total{code="404",route="run",runner=""} 1`,
			`ekiben_requests_total{code="404",route="none",runner=""} 1`,
			`ekiben_request_seconds_count{route="run",runner="all"} 2`,
			`ekiben_requests_in_flight 0`,
			`ekiben_call_queue_seconds_sum{runner="all"} 0.0015`,
			`ekiben_call_execute_seconds_sum{runner="all"} 0.002`,
			`ekiben_call_batch_rows_sum{runner="all"} 7`,
			`ekiben_queue_depth{runner="all"} 12`,
			`ekiben_queue_waiting_rows{runner="all"} 30`,
			`ekiben_queue_bytes{runner="all"} 4096`,
			`ekiben_queue_oldest_seconds{runner="all"} 1.5`,
			`ekiben_workers{runner="all"} 2`,
			`ekiben_dead_letters{runner="all"} 3`,
			`ekiben_errands_due{runner="all"} 6`,
			`ekiben_errands_oldest_seconds{runner="all"} 7.5`,
			`ekiben_queue_waiting_calls{lane="high",runner="all"} 1`,
			`ekiben_queue_waiting_calls{lane="normal",runner="all"} 4`,
			`ekiben_queue_waiting_calls{lane="low",runner="all"} 0`,
			`ekiben_queue_callers{runner="all"} 5`,
			`ekiben_result_bytes{runner="all"} 99`,
			`ekiben_runner_degraded{runner="all"} 1`,
			`ekiben_queue_paused{runner="all"} 1`,
		} {
			wantMetric(t, g, line)
		}
		if all := send(t, g.Handler(), http.MethodGet, "/metrics", "").Body.String(); strings.Contains(all, "secret") {
			t.Error("a client made a series")
		}
	})
}

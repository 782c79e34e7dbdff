package gateway_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/ekiben/ekiben/queue"
)

func TestAQueueTellsWhatItLooksLike(t *testing.T) {
	t.Parallel()
	q := newFakeQueue(everything(), iris())
	q.stats["all"] = queue.Stats{
		Depth: 9, Waiting: 6, WaitingRows: 7, Bytes: 800, Oldest: 2500 * time.Millisecond, Workers: 2, DeadLetters: 4,
		Lanes: [3]queue.LaneStats{{Calls: 1, Rows: 2, Oldest: time.Second}, {Calls: 2, Rows: 2}, {Calls: 3, Rows: 3, Oldest: 2500 * time.Millisecond}},
		Gate:  queue.GatePaused, Callers: 3, ResultBytes: 12, Degraded: true,
	}
	h := newGateway(t, q, setup{}).Handler()
	const want = `{"runner":"all","gate":"paused","degraded":true,"depth":9,"waiting":6,"waiting_rows":7,"bytes":800,"oldest_seconds":2.5,` +
		`"lanes":{"high":{"calls":1,"rows":2,"oldest_seconds":1},"normal":{"calls":2,"rows":2,"oldest_seconds":0},"low":{"calls":3,"rows":3,"oldest_seconds":2.5}},` +
		`"callers":3,"workers":2,"result_bytes":12,"dead_letters":4,"limits":{"max_queue":100,"max_queue_bytes":1048576,"from_zero":false}}`
	wantBody(t, send(t, h, http.MethodGet, "/v1/queues/all", ""), http.StatusOK, want+"\n")
	send(t, h, http.MethodGet, "/v1/queues/iris_clf", "")
	var list struct{ Queues []json.RawMessage }
	w := send(t, h, http.MethodGet, "/v1/queues", "")
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || len(list.Queues) != 2 || string(list.Queues[0]) != want {
		t.Errorf("%d %s: %v", w.Code, w.Body, err)
	}
	wantProblem(t, send(t, h, http.MethodGet, "/v1/queues/nobody", ""), http.StatusNotFound, "not_found", "nobody")
	q.down = queue.ErrUnavailable
	wantProblem(t, send(t, h, http.MethodGet, "/v1/queues/all", ""), http.StatusServiceUnavailable, "unavailable")
	wantProblem(t, send(t, h, http.MethodGet, "/v1/queues", ""), http.StatusServiceUnavailable, "unavailable")
	wantBody(t, send(t, newGateway(t, newFakeQueue(), setup{}).Handler(), http.MethodGet, "/v1/queues", ""), http.StatusOK, `{"queues":[]}`+"\n")
}

func TestAQueueIsPausedResumedAndDrained(t *testing.T) {
	t.Parallel()
	q := newFakeQueue(everything())
	h := newGateway(t, q, setup{}).Handler()
	for _, tt := range []struct {
		action string
		gate   queue.Gate
	}{{"pause", queue.GatePaused}, {"resume", queue.GateOpen}, {"drain", queue.GateDraining}, {"drain", queue.GateDraining}} {
		w := local(t, h, http.MethodPost, "/v1/queues/all/"+tt.action)
		var view struct{ Gate queue.Gate }
		if err := json.Unmarshal(w.Body.Bytes(), &view); err != nil || w.Code != http.StatusOK || view.Gate != tt.gate || q.stats["all"].Gate != tt.gate {
			t.Errorf("%s: %d %s: %v", tt.action, w.Code, w.Body, err)
		}
	}
	wantProblem(t, local(t, h, http.MethodPost, "/v1/queues/nobody/pause"), http.StatusNotFound, "not_found")
	wantProblem(t, local(t, h, http.MethodPost, "/v1/queues/all/stop"), http.StatusNotFound, "not_found")
	q.down = queue.ErrUnavailable
	wantProblem(t, local(t, h, http.MethodPost, "/v1/queues/all/pause"), http.StatusServiceUnavailable, "unavailable")
}

func TestPagesOfOtherSitesDoNotChangeTheSystem(t *testing.T) {
	t.Parallel()
	q := newFakeQueue(everything())
	h := newGateway(t, q, setup{}).Handler()
	for _, c := range changes() {
		wantProblem(t, local(t, h, c[0], c[1], "Sec-Fetch-Site", "cross-site"), http.StatusForbidden, "forbidden")
	}
	var w *httptest.ResponseRecorder
	if w = local(t, h, http.MethodPost, "/v1/queues/all/pause", "Origin", "http://attacker.example"); w.Code != http.StatusForbidden {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	if q.stats["all"].Gate != "" {
		t.Error("it was changed")
	}
}

package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ekiben/ekiben/gateway"
	"github.com/ekiben/ekiben/queue"
)

// failing makes a queue whose awaited calls end with an error.
func failing(err error) *fakeQueue {
	q := newFakeQueue(everything())
	q.do = func(context.Context, queue.Call) (queue.Reply, error) { return queue.Reply{}, err }
	return q
}

func runText(t *testing.T, q *fakeQueue) (status int, body string, header http.Header) {
	t.Helper()
	w := send(t, newGateway(t, q, setup{}).Handler(), http.MethodPost, "/v1/runners/all/text", "a", "Content-Type", "text/plain")
	return w.Code, w.Body.String(), w.Header()
}

func TestEveryErrorOfTheQueueHasOneProblem(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		err     error
		want    string
		retries bool // has Retry-After
	}{
		{"full", queue.ErrFull, `{"type":"about:blank","title":"Too Many Requests","status":429,"code":"queue_full","detail":"the runner's queue is full","retryable":true}`, true},
		{"no room for results", queue.ErrResultsFull, `{"type":"about:blank","title":"Too Many Requests","status":429,"code":"queue_full","detail":"the results of the runner's jobs take all the room they have; calls that are waited for are still taken","retryable":true}`, true},
		{"the caller's share", queue.ErrCallerFull, `{"type":"about:blank","title":"Too Many Requests","status":429,"code":"caller_limit","detail":"you have your share of the runner's queue, which others need too","retryable":true}`, true},
		{"too late", &queue.TooLateError{Wait: 2500 * time.Millisecond, Left: time.Second}, `{"type":"about:blank","title":"Service Unavailable","status":503,"code":"overloaded","detail":"the call would wait for about 2.5s, and has to begin within 1s","retryable":true}`, true},
		{"closed", queue.ErrClosed, `{"type":"about:blank","title":"Service Unavailable","status":503,"code":"draining","detail":"the runner's queue is being drained","retryable":true}`, true},
		{"key reused", queue.ErrKeyReused, `{"type":"about:blank","title":"Unprocessable Entity","status":422,"code":"key_reused","detail":"this id or Idempotency-Key was used for another call: send the same call, or choose another","retryable":false}`, false},
		{"not retryable", queue.ErrNotRetryable, `{"type":"about:blank","title":"Conflict","status":409,"code":"conflict","detail":"it cannot be run again: it has not ended, has succeeded, or its input is not kept","retryable":false}`, false},
		{"unknown dead letter", queue.ErrUnknownDeadLetter, `{"type":"about:blank","title":"Not Found","status":404,"code":"not_found","detail":"there is no such dead letter, or none any more","retryable":false}`, false},
		{"no worker", queue.ErrNoWorker, `{"type":"about:blank","title":"Service Unavailable","status":503,"code":"no_worker","detail":"no worker serves the runner at present","retryable":true}`, true},
		{"unavailable", queue.ErrUnavailable, `{"type":"about:blank","title":"Service Unavailable","status":503,"code":"unavailable","detail":"the queue cannot be reached at present","retryable":true}`, true},
		{"deadline", queue.ErrDeadline, `{"type":"about:blank","title":"Gateway Timeout","status":504,"code":"deadline_exceeded","detail":"the call had no answer when its time was over","retryable":false}`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			status, body, header := runText(t, failing(fmt.Errorf("accept: 10.0.0.7: %w", tt.err)))
			if body != tt.want || !strings.Contains(tt.want, strconv.Itoa(status)) {
				t.Errorf("got %d %s\nwant %s", status, body, tt.want)
			}
			seconds, err := strconv.Atoi(header.Get("Retry-After"))
			if tt.retries && (err != nil || seconds < 1 || seconds > 60) || !tt.retries && header.Get("Retry-After") != "" {
				t.Errorf("Retry-After %q", header.Get("Retry-After"))
			}
			if got := header.Get("Cache-Control"); got != "no-store" {
				t.Errorf("Cache-Control %q", got)
			}
		})
	}
}

func TestEveryFailureOfACallHasOneProblem(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		code   string
		status int
		want   string
	}{
		{queue.CodeInvalidInput, 400, "invalid_input"},
		{queue.CodeMismatch, 422, "mismatch"},
		{queue.CodeRunnerFailed, 500, "runner_failed"},
		{queue.CodeWorkerLost, 500, "worker_lost"},
		{queue.CodeLost, 500, "call_lost"},
		{queue.CodeDeadline, 504, "deadline_exceeded"},
		{"of_a_newer_worker", 500, "runner_failed"},
	} {
		t.Run(tt.code, func(t *testing.T) {
			t.Parallel()
			q := newFakeQueue(everything())
			q.do = func(context.Context, queue.Call) (queue.Reply, error) {
				return queue.Reply{Err: &queue.CallError{Code: tt.code, Message: "the model says no", Retryable: true}}, nil
			}
			w := send(t, newGateway(t, q, setup{}).Handler(), http.MethodPost, "/v1/runners/all/text", "a", "Content-Type", "text/plain")
			if p := wantProblem(t, w, tt.status, tt.want, "the model says no"); !p.Retryable {
				t.Error("not retryable")
			}
		})
	}
}

func TestAnUnknownErrorTellsTheLogAndNotTheClient(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	h := newGateway(t, failing(errors.New("dial tcp 10.0.0.7: refused")), setup{log: &log}).Handler()
	w := send(t, h, http.MethodPost, "/v1/runners/all/text", "a", "Content-Type", "text/plain")
	p := wantProblem(t, w, http.StatusInternalServerError, "internal")
	if p.Detail != "internal error" || strings.Contains(w.Body.String(), "10.0.0.7") {
		t.Errorf("the client is told %s", w.Body)
	}
	if p.ErrorID == "" || !strings.Contains(log.String(), p.ErrorID) || !strings.Contains(log.String(), "10.0.0.7") {
		t.Errorf("error %q is not in the log: %s", p.ErrorID, log.String())
	}
}

func TestRoutesThatAreNotThereAreProblemsToo(t *testing.T) {
	t.Parallel()
	h := newGateway(t, newFakeQueue(everything()), setup{}).Handler()
	wantProblem(t, send(t, h, http.MethodGet, "/nowhere", ""), http.StatusNotFound, "not_found", "route")
	wantProblem(t, send(t, h, http.MethodPost, "/v1/runners/all/text/more", ""), http.StatusNotFound, "not_found", `"text/more"`)
	w := send(t, h, http.MethodPut, "/v1/runners/all/text", "")
	wantProblem(t, w, http.StatusMethodNotAllowed, "method_not_allowed")
	if allow := w.Header().Get("Allow"); !strings.Contains(allow, "POST") {
		t.Errorf("Allow %q", allow)
	}
}

func TestARunnerThatStartsForTheFirstTimeIsThereSoon(t *testing.T) {
	t.Parallel()
	q := newFakeQueue(everything())
	q.beats["new"] = []queue.Heartbeat{{Worker: "w"}}
	w := send(t, newGateway(t, q, setup{}).Handler(), http.MethodPost, "/v1/runners/new/run", "x")
	wantProblem(t, w, http.StatusServiceUnavailable, "no_worker", `runner "new" is starting`)
	if !strings.Contains(w.Body.String(), `"retryable":true`) || w.Header().Get("Retry-After") == "" {
		t.Errorf("%s, again after %q", w.Body, w.Header().Get("Retry-After"))
	}
}

func TestUnknownRunnersAndMethodsAreNotFound(t *testing.T) {
	t.Parallel()
	h := newGateway(t, newFakeQueue(everything()), setup{}).Handler()
	for _, name := range []string{"nobody", "Not%20a%20name", "..%2f..%2fetc", "%22%3Cscript%3E", strings.Repeat("x", 5000)} {
		w := send(t, h, http.MethodPost, "/v1/runners/"+name+"/text", "x")
		wantProblem(t, w, http.StatusNotFound, "not_found", "there is no runner")
		if w.Body.Len() > 500 {
			t.Errorf("the problem has %d bytes", w.Body.Len())
		}
	}
	p := wantProblem(t, send(t, h, http.MethodPost, "/v1/runners/all/nothing", "x"), http.StatusNotFound, "not_found", `"nothing"`, "vectors")
	if len(p.Methods) != 9 || p.Methods[0] != "text" {
		t.Errorf("methods %q", p.Methods)
	}
}

func TestPagesOfOtherSitesMayNotRunCalls(t *testing.T) {
	t.Parallel()
	q := newFakeQueue(everything())
	h := newGateway(t, q, setup{}).Handler()
	w := send(t, h, http.MethodPost, "/v1/runners/all/text", "x", "Content-Type", "text/plain", "Sec-Fetch-Site", "cross-site")
	wantProblem(t, w, http.StatusForbidden, "forbidden")
	if q.queued() > 0 {
		t.Error("it was queued")
	}
	w = send(t, h, http.MethodPost, "/v1/runners/all/text", "x", "Content-Type", "text/plain", "Sec-Fetch-Site", "same-origin")
	wantBody(t, w, http.StatusOK, `["x"]`)
}

func TestTheListOfCodesIsClosed(t *testing.T) {
	t.Parallel()
	want := map[gateway.Code]int{
		"invalid_input": 400, "forbidden": 403, "not_found": 404, "method_not_allowed": 405, "not_acceptable": 406, "conflict": 409,
		"canceled": 409, "too_large": 413, "unsupported_media_type": 415, "mismatch": 422, "queue_full": 429, "internal": 500,
		"runner_failed": 500, "worker_lost": 500, "call_lost": 500, "no_worker": 503, "unavailable": 503, "draining": 503, "deadline_exceeded": 504,
		"unauthorized": 401, "key_reused": 422, "rate_limited": 429, "caller_limit": 429, "overloaded": 503,
	}
	if len(gateway.Codes()) != len(want) {
		t.Errorf("got %d codes, want %d", len(gateway.Codes()), len(want))
	}
	for _, code := range gateway.Codes() {
		if code.Status() != want[code] {
			t.Errorf("%s has status %d, want %d", code, code.Status(), want[code])
		}
	}
	if got := gateway.Code("new").Status(); got != http.StatusInternalServerError {
		t.Errorf("a code that is not on the list has status %d", got)
	}
}

func TestAPanicIsThatRequestsError(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	q := newFakeQueue(everything())
	q.do = func(context.Context, queue.Call) (queue.Reply, error) { panic("oh dear") }
	h := newGateway(t, q, setup{log: &log, config: func(c *gateway.Config) { c.MaxInFlight = 1 }}).Handler()
	for range 3 { // a request that is not given back would fill the gateway
		w := send(t, h, http.MethodPost, "/v1/runners/all/text", "x", "Content-Type", "text/plain")
		wantProblem(t, w, http.StatusInternalServerError, "internal")
	}
	if !strings.Contains(log.String(), "oh dear") || !strings.Contains(log.String(), "problem_test.go") {
		t.Errorf("the log has no stack: %s", log.String())
	}
}

func TestAConfigurationReportsEveryFault(t *testing.T) {
	t.Parallel()
	_, err := gateway.New(gateway.Config{
		Addr: "nowhere", DrainDelay: -1, DrainTimeout: -1, MaxInFlightBytes: -1, MaxTimeout: -1, TrustedProxies: []string{"10.0.0.0/8", "::ffff:10.0.0.0/104", "proxy"},
		CallerHeader: "a b", CallerRate: math.NaN(), CallerBurst: -1, CallerShare: math.NaN(),
	}, gateway.Deps{})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"address", "request timeout", "largest body", "most rows", "requests in flight", "bytes in flight", "body timeout",
		"drain delay", "drain timeout", "most request timeout", "most connections", `"::ffff:10.0.0.0/104"`, `"proxy"`, "caller header",
		"caller rate", "caller burst", "caller share", "producer", "jobs", "directory", "health", "registry",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
}

func TestJSONShowsWhatItWasGivenAsItIs(t *testing.T) {
	t.Parallel()
	q := newFakeQueue(everything())
	q.jobs["x"] = queue.Job{ID: "x", State: queue.Failed, Err: &queue.CallError{Code: queue.CodeRunnerFailed, Message: "a <b> & c"}}
	h := newGateway(t, q, setup{}).Handler()
	w := send(t, h, http.MethodPost, "/v1/runners/all/text", `{"<a&b>":1}`, "Content-Type", "application/json")
	wantProblem(t, w, http.StatusBadRequest, "invalid_input")
	for _, tt := range []struct{ body, want string }{
		{w.Body.String(), `<a&b>`},
		{send(t, h, http.MethodGet, "/v1/jobs/x", "").Body.String(), `"a <b> & c"`},
	} {
		if !strings.Contains(tt.body, tt.want) {
			t.Errorf("%s is not in %s", tt.want, tt.body)
		}
	}
}

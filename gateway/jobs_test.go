package gateway_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/tensor"
)

// job is a job as clients read it.
type job struct {
	ID, Runner, Method, State string
	Priority                  string
	Rows, Attempt             int
	ClientID                  string   `json:"client_id"`
	Position                  *int     `json:"position"`
	ExpectedStart             *float64 `json:"expected_start_seconds"`
	CreatedAt                 string   `json:"created_at"`
	StartByAt                 string   `json:"start_by_at"`
	StartedAt                 string   `json:"started_at"`
	FinishedAt                string   `json:"finished_at"`
	DeadlineAt                string   `json:"deadline_at"`
	ExpiresAt                 string   `json:"expires_at"`
	Error                     *struct {
		Code, Message string
		Retryable     bool
	}
	URLs struct{ Self, Result, Cancel, Retry string }
}

func wantJob(t *testing.T, w *httptest.ResponseRecorder, status int, state queue.State) job {
	t.Helper()
	var j job
	dec := json.NewDecoder(strings.NewReader(w.Body.String()))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&j); err != nil {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	if w.Code != status || j.State != string(state) {
		t.Errorf("got %d %s, want %d and state %s", w.Code, w.Body, status, state)
	}
	return j
}

// ended makes a queue with a job in this state, whose id is "all~0~x".
func ended(t *testing.T, state queue.State, reply queue.Reply) *fakeQueue {
	t.Helper()
	q := newFakeQueue(everything())
	q.jobs["all~0~x"] = queue.Job{
		ID: "all~0~x", Runner: "all", Method: "text", State: state, Rows: 1, Created: createdAt,
		Started: createdAt.Add(time.Second), Finished: createdAt.Add(2 * time.Second), Deadline: createdAt.Add(time.Minute), Expires: createdAt.Add(time.Hour),
		Err: reply.Err,
	}
	q.replies["all~0~x"] = reply
	return q
}

func texts(t *testing.T, items ...string) tensor.Named {
	t.Helper()
	made, err := tensor.OfStrings([]int{len(items)}, items)
	if err != nil {
		t.Fatal(err)
	}
	return tensor.Named{Name: "input_text", Tensor: made}
}

func submitText(t *testing.T, q *fakeQueue, prefer string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	return send(t, newGateway(t, q, setup{}).Handler(), http.MethodPost, "/v1/runners/all/text", "a",
		append([]string{"Content-Type", "text/plain", "Prefer", prefer}, headers...)...)
}

func TestRespondAsyncAnswersWithTheJob(t *testing.T) {
	t.Parallel()
	q := newFakeQueue(everything())
	w := submitText(t, q, "respond-async")
	j := wantJob(t, w, http.StatusAccepted, queue.Queued)
	if j.ID != q.last(t).ID || j.Runner != "all" || j.Method != "text" || j.CreatedAt != "2026-09-30T12:00:00.123Z" || j.StartedAt != "" {
		t.Errorf("got %+v", j)
	}
	self := "/v1/jobs/" + j.ID
	if j.URLs.Self != self || j.URLs.Result != self+"/result" || j.URLs.Cancel != self || j.URLs.Retry != self+"/retry" {
		t.Errorf("urls %+v", j.URLs)
	}
	for name, want := range map[string]string{"Location": self, "Preference-Applied": "respond-async", "Retry-After": "1", "Cache-Control": "no-store"} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if a := q.last(t).Admission; a.NeedWorker {
		t.Error("a job waits for a worker to come")
	}
}

func TestWaitAnswersWithTheResultIfItComesInTime(t *testing.T) {
	t.Parallel()
	q := newFakeQueue(everything())
	out := texts(t, "a")
	q.wait = func(j queue.Job) queue.Job {
		j.State = queue.Succeeded
		q.replies[j.ID] = queue.Reply{Outputs: []tensor.Named{out}}
		return j
	}
	w := submitText(t, q, "wait=10", "Accept", "text/plain")
	wantBody(t, w, http.StatusOK, "a")
	if w.Header().Get("Preference-Applied") != "wait=10" || !strings.HasPrefix(w.Header().Get("Location"), "/v1/jobs/all~0~") {
		t.Errorf("headers %v", w.Header())
	}
}

func TestWaitAnswersWithTheJobIfItTakesLonger(t *testing.T) {
	t.Parallel()
	q := newFakeQueue(everything())
	q.wait = func(j queue.Job) queue.Job {
		j.State, j.Started = queue.Running, createdAt
		return j
	}
	j := wantJob(t, submitText(t, q, "respond-async, wait=1"), http.StatusAccepted, queue.Running)
	if j.StartedAt == "" {
		t.Errorf("got %+v", j)
	}
}

func TestAJobThatIsAcceptedIsAnsweredWhateverHappensWhileWaiting(t *testing.T) {
	t.Parallel()
	q := newFakeQueue(everything())
	q.wait = func(j queue.Job) queue.Job {
		q.mu.Lock()
		defer q.mu.Unlock()
		delete(q.jobs, j.ID)
		return j
	}
	wantJob(t, submitText(t, q, "wait=1"), http.StatusAccepted, queue.Queued)
}

func TestAJobIsRefusedAsACallIs(t *testing.T) {
	t.Parallel()
	q := newFakeQueue(everything())
	q.submitErr = queue.ErrFull
	w := submitText(t, q, "respond-async")
	wantProblem(t, w, http.StatusTooManyRequests, "queue_full")
	if w.Header().Get("Location") != "" || w.Header().Get("Retry-After") == "" {
		t.Errorf("headers %v", w.Header())
	}
	wantProblem(t, submitText(t, q, "wait=1", "Accept", "image/png"), http.StatusNotAcceptable, "not_acceptable")
}

func TestAJobTellsItsState(t *testing.T) {
	t.Parallel()
	q := ended(t, queue.Failed, queue.Reply{Err: &queue.CallError{Code: queue.CodeWorkerLost, Message: "lost", Retryable: true}})
	w := send(t, newGateway(t, q, setup{}).Handler(), http.MethodGet, "/v1/jobs/all~0~x", "")
	j := wantJob(t, w, http.StatusOK, queue.Failed)
	if j.FinishedAt != "2026-09-30T12:00:02.123Z" || j.DeadlineAt != "2026-09-30T12:01:00.123Z" || j.ExpiresAt != "2026-09-30T13:00:00.123Z" {
		t.Errorf("got %+v", j)
	}
	if j.Error == nil || j.Error.Code != "worker_lost" || j.Error.Message != "lost" || !j.Error.Retryable {
		t.Errorf("error %+v", j.Error)
	}
}

func TestAJobCanBeWaitedFor(t *testing.T) {
	t.Parallel()
	q := ended(t, queue.Queued, queue.Reply{})
	q.wait = func(j queue.Job) queue.Job {
		j.State = queue.Running
		return j
	}
	w := send(t, newGateway(t, q, setup{}).Handler(), http.MethodGet, "/v1/jobs/all~0~x", "", "Prefer", "wait=5")
	wantJob(t, w, http.StatusOK, queue.Running)
	if got := w.Header().Get("Preference-Applied"); got != "wait=5" {
		t.Errorf("Preference-Applied %q", got)
	}
}

func TestAResultIsThatOfTheJobsState(t *testing.T) {
	t.Parallel()
	get := func(t *testing.T, q *fakeQueue, headers ...string) *httptest.ResponseRecorder {
		t.Helper()
		return send(t, newGateway(t, q, setup{}).Handler(), http.MethodGet, "/v1/jobs/all~0~x/result", "", headers...)
	}
	t.Run("succeeded", func(t *testing.T) {
		t.Parallel()
		q := ended(t, queue.Succeeded, queue.Reply{Outputs: []tensor.Named{texts(t, "a")}})
		g := newGateway(t, q, setup{})
		send(t, g.Handler(), http.MethodGet, "/v1/runners/all", "") // now the spec is known
		wantBody(t, send(t, g.Handler(), http.MethodGet, "/v1/jobs/all~0~x/result", "", "Accept", "text/plain"), http.StatusOK, "a")
		wantProblem(t, send(t, g.Handler(), http.MethodGet, "/v1/jobs/all~0~x/result", "", "Accept", "image/png"), http.StatusNotAcceptable, "not_acceptable")
	})
	t.Run("succeeded, of a runner that was not asked for yet", func(t *testing.T) {
		t.Parallel()
		q := ended(t, queue.Succeeded, queue.Reply{Outputs: []tensor.Named{texts(t, "a")}})
		wantBody(t, get(t, q), http.StatusOK, `["a"]`)
	})
	t.Run("succeeded, of a runner that is gone", func(t *testing.T) {
		t.Parallel()
		q := ended(t, queue.Succeeded, queue.Reply{Outputs: []tensor.Named{texts(t, "a")}})
		clear(q.specs)
		wantBody(t, get(t, q), http.StatusOK, `["YQ=="]`)
		wantBody(t, get(t, q, "Accept", "text/plain"), http.StatusOK, "a")
		wantBody(t, get(t, q, "Accept", "application/octet-stream"), http.StatusOK, "a")
		p := wantProblem(t, get(t, q, "Accept", "image/png"), http.StatusNotAcceptable, "not_acceptable")
		if got := strings.Join(p.Offers, " "); got != "application/json text/plain application/octet-stream application/x-npy" {
			t.Errorf("offers %q", got)
		}
	})
	t.Run("numbers, of a runner that is gone", func(t *testing.T) {
		t.Parallel()
		numbers, err := tensor.Of([]int{1, 2}, []float32{1, 2})
		if err != nil {
			t.Fatal(err)
		}
		q := ended(t, queue.Succeeded, queue.Reply{Outputs: []tensor.Named{{Name: "x", Tensor: numbers}}})
		clear(q.specs)
		wantBody(t, get(t, q, "Accept", "application/x-npy"), http.StatusOK, npy(t, []int{1, 2}, float32(1), 2))
		wantProblem(t, get(t, q, "Accept", "text/plain;q=1, application/json;q=0"), http.StatusNotAcceptable, "not_acceptable", "numbers")
	})
	t.Run("succeeded, of a runner that cannot be looked up now", func(t *testing.T) {
		t.Parallel()
		q := ended(t, queue.Succeeded, queue.Reply{Outputs: []tensor.Named{texts(t, "a")}})
		q.specErr = queue.ErrUnavailable
		wantProblem(t, get(t, q, "Accept", "text/plain"), http.StatusServiceUnavailable, "unavailable")
	})
	for _, state := range []queue.State{queue.Queued, queue.Running} {
		t.Run(string(state), func(t *testing.T) {
			t.Parallel()
			w := get(t, ended(t, state, queue.Reply{}))
			wantJob(t, w, http.StatusAccepted, state)
			if got := w.Header().Get("Retry-After"); got != "1" {
				t.Errorf("Retry-After %q", got)
			}
		})
	}
	for _, tt := range []struct {
		state  queue.State
		status int
		code   string
	}{{queue.Failed, 500, "runner_failed"}, {queue.Canceled, 409, "canceled"}, {queue.Expired, 504, "deadline_exceeded"}} {
		t.Run(string(tt.state), func(t *testing.T) {
			t.Parallel()
			q := ended(t, tt.state, queue.Reply{Err: &queue.CallError{Code: queue.CodeRunnerFailed, Message: "it failed"}})
			wantProblem(t, get(t, q, "Accept", "image/png"), tt.status, tt.code)
		})
	}
}

func TestAJobIsCanceledOnceOrMore(t *testing.T) {
	t.Parallel()
	h := newGateway(t, ended(t, queue.Queued, queue.Reply{}), setup{}).Handler()
	for range 2 {
		wantJob(t, send(t, h, http.MethodDelete, "/v1/jobs/all~0~x", ""), http.StatusOK, queue.Canceled)
	}
	h = newGateway(t, ended(t, queue.Succeeded, queue.Reply{}), setup{}).Handler()
	wantProblem(t, send(t, h, http.MethodDelete, "/v1/jobs/all~0~x", ""), http.StatusConflict, "conflict", "succeeded")
}

func TestAJobThatIsNotThereIsNotFound(t *testing.T) {
	t.Parallel()
	h := newGateway(t, newFakeQueue(everything()), setup{}).Handler()
	for _, r := range [][2]string{
		{http.MethodGet, "/v1/jobs/all~0~y"},
		{http.MethodGet, "/v1/jobs/%7B%7D"},
		{http.MethodGet, "/v1/jobs/all~0~y/result"},
		{http.MethodDelete, "/v1/jobs/all~0~y"},
	} {
		wantProblem(t, send(t, h, r[0], r[1], ""), http.StatusNotFound, "not_found", "no such job")
	}
}

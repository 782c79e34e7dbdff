package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ekiben/ekiben/gateway"
	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/tensor"
)

func TestASubmissionIsReadAsTheBodyOfARequestIs(t *testing.T) {
	t.Parallel()
	q := newFakeQueue(everything())
	calls := newGateway(t, q, setup{}).Calls()
	body := []byte("hello")
	retry := queue.Retry{Most: 3, Backoff: time.Second, MaxBackoff: time.Minute}
	job, err := calls.SubmitBody(t.Context(), gateway.Submission{
		Runner: "all", Method: "text", ContentType: "text/plain", Body: body, ID: "all~0~tick",
		Caller: "schedule", Timeout: time.Hour, Lane: queue.Low, Retry: retry,
	})
	if err != nil || job.ID != "all~0~tick" || job.State != queue.Queued {
		t.Fatalf("got %+v, %v", job, err)
	}
	c := q.last(t)
	if c.Caller != "schedule" || c.Timeout != time.Hour || c.Lane != queue.Low || c.Retry != retry || c.Admission.NeedWorker {
		t.Errorf("queued %+v", c)
	}
	sent := send(t, newGateway(t, q, setup{}).Handler(), http.MethodPost, "/v1/runners/all/text", "hello", "Content-Type", "text/plain", "Prefer", "respond-async")
	if posted := q.last(t); sent.Code != http.StatusAccepted || !bytes.Equal(posted.Inputs[0].Tensor.Data(), c.Inputs[0].Tensor.Data()) || posted.Group != c.Group {
		t.Errorf("%d %s queued %+v, the submission %+v", sent.Code, sent.Body, posted, c)
	}
	body[0] = 'J'
	if text := c.Inputs[0].Tensor.Strings()[0]; text != "hello" {
		t.Errorf("the caller's body is kept: %q", text)
	}
}

func TestASubmissionThatIsNotTakenIsAProblem(t *testing.T) {
	t.Parallel()
	q := newFakeQueue(everything())
	calls := newGateway(t, q, setup{config: func(c *gateway.Config) { c.MaxBody, c.MaxInFlightBytes = 100, 200 }}).Calls()
	for name, s := range map[string]gateway.Submission{
		"not_found":              {Runner: "none", Method: "text"},
		"invalid_input":          {Runner: "all", Method: "text", ContentType: "application/json", Body: []byte("{")},
		"too_large":              {Runner: "all", Method: "text", ContentType: "text/plain", Body: make([]byte, 101)},
		"unsupported_media_type": {Runner: "all", Method: "text", ContentType: "image/png"},
	} {
		_, err := calls.SubmitBody(t.Context(), s)
		if p := calls.Problem(t.Context(), err); err == nil || string(p.Code) != name {
			t.Errorf("%s: got %v", name, err)
		}
	}
	_, err := calls.SubmitBody(t.Context(), gateway.Submission{Runner: "all", Method: "text", ContentType: "text/plain", Timeout: 25 * time.Hour})
	wantInvalid(t, err)
	q.submitErr = queue.ErrFull
	_, err = calls.SubmitBody(t.Context(), gateway.Submission{Runner: "all", Method: "text", ContentType: "text/plain"})
	if !errors.Is(err, queue.ErrFull) || calls.Problem(t.Context(), err).Code != gateway.CodeQueueFull {
		t.Errorf("got %v", err)
	}
}

func TestResultJSONIsWhatTheRouteAnswers(t *testing.T) {
	t.Parallel()
	q := newFakeQueue(everything())
	text, err := tensor.OfStrings([]int{1}, []string{"hi"})
	if err != nil {
		t.Fatal(err)
	}
	out := []tensor.Named{{Name: "input_text", Tensor: text}}
	for id, state := range map[string]queue.State{
		"queued": queue.Queued, "running": queue.Running, "done": queue.Succeeded, "bad": queue.Failed, "gone": queue.Canceled, "late": queue.Expired,
	} {
		q.jobs["all~0~"+id] = queue.Job{ID: "all~0~" + id, Runner: "all", Method: "text", State: state, Rows: 1, Ahead: -1}
	}
	q.replies["all~0~done"] = queue.Reply{Outputs: out}
	q.replies["all~0~bad"] = queue.Reply{Err: &queue.CallError{Code: queue.CodeRunnerFailed, Message: "it broke"}}
	g := newGateway(t, q, setup{})
	for _, id := range []string{"queued", "running", "done", "bad", "gone", "late", "unknown"} {
		want := send(t, g.Handler(), http.MethodGet, "/v1/jobs/all~0~"+id+"/result", "", "Accept", "application/json")
		status, body, err := g.Calls().ResultJSON(t.Context(), "all~0~"+id)
		if err != nil || status != want.Code || !sameJSON(t, body, want.Body.Bytes()) {
			t.Errorf("%s: got %d %s %v\nwant %d %s", id, status, body, err, want.Code, want.Body)
		}
	}
	job := q.jobs["all~0~done"]
	job.Attempt = 1
	q.jobs[job.ID] = job
	q.tries = map[string][]queue.Try{job.ID: {{Err: &queue.CallError{Code: queue.CodeWorkerLost, Message: "lost"}}}}
	q.hooks = map[string]queue.Hook{job.ID: {Webhook: queue.Webhook{URL: "https://example.com/h"}, State: queue.HookPending}}
	want := send(t, g.Handler(), http.MethodGet, "/v1/jobs/all~0~done", "")
	body, err := g.Calls().JobJSON(t.Context(), "all~0~done")
	if err != nil || !sameJSON(t, body, want.Body.Bytes()) || !strings.Contains(string(body), `"attempts":[`) || !strings.Contains(string(body), `"webhook":{`) {
		t.Errorf("got %s %v, want %s", body, err, want.Body)
	}
}

func TestResultJSONDoesNotBlameTheJobForWhatIsNotItsFault(t *testing.T) {
	t.Parallel()
	q := newFakeQueue(everything())
	q.jobs["all~0~x"] = queue.Job{ID: "all~0~x", Runner: "all", Method: "text", State: queue.Succeeded, Rows: 1}
	q.down = queue.ErrUnavailable
	calls := newGateway(t, q, setup{}).Calls()
	if status, body, err := calls.ResultJSON(t.Context(), "all~0~x"); !errors.Is(err, queue.ErrUnavailable) {
		t.Errorf("got %d %s %v", status, body, err)
	}
	q.down = context.DeadlineExceeded
	if status, body, err := calls.ResultJSON(t.Context(), "all~0~x"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %d %s %v", status, body, err)
	}
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	one, _ := json.Marshal(x)
	other, _ := json.Marshal(y)
	return string(one) == string(other)
}

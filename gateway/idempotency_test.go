package gateway_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ekiben/ekiben/gateway"
	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/tensor"
)

const putText = "/v1/jobs/order-17?runner=all&method=text"

// succeed ends the jobs that are waited for with their own inputs.
func succeed(q *fakeQueue) {
	q.wait = func(j queue.Job) queue.Job {
		q.mu.Lock()
		defer q.mu.Unlock()
		j.State = queue.Succeeded
		q.replies[j.ID] = queue.Reply{Outputs: q.calls[len(q.calls)-1].Inputs}
		return j
	}
}

func put(t *testing.T, h http.Handler, path, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	return send(t, h, http.MethodPut, path, body, append([]string{"Content-Type", "text/plain"}, headers...)...)
}

func keyed(t *testing.T, h http.Handler, key, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	return send(t, h, http.MethodPost, "/v1/runners/all/text", body, append([]string{"Content-Type", "text/plain", "Idempotency-Key", key}, headers...)...)
}

func TestAJobMayHaveAnIDOfItsClient(t *testing.T) {
	t.Parallel()
	q := newFakeQueue(everything())
	h := newGateway(t, q, setup{}).Handler()
	w := put(t, h, putText, "a", "Ekiben-Priority", "low")
	j := wantJob(t, w, http.StatusAccepted, queue.Queued)
	if j.ID != q.last(t).ID || j.ClientID != "order-17" || j.Priority != "low" || w.Header().Get("Location") != j.URLs.Self {
		t.Errorf("got %+v, %v", j, w.Header())
	}
	for _, path := range []string{j.URLs.Self, "/v1/jobs/order-17", "/v1/jobs/" + j.ID} {
		if got := wantJob(t, send(t, h, http.MethodGet, path, ""), http.StatusOK, queue.Queued); got.ID != j.ID {
			t.Errorf("%s: got %+v", path, got)
		}
	}
	wantJob(t, send(t, h, http.MethodGet, "/v1/jobs/order-17/result", ""), http.StatusAccepted, queue.Queued)
	if got := wantJob(t, send(t, h, http.MethodDelete, "/v1/jobs/order-17", ""), http.StatusOK, queue.Canceled); got.ClientID != "order-17" {
		t.Errorf("got %+v", got)
	}
	again := wantJob(t, send(t, h, http.MethodPost, "/v1/jobs/order-17/retry", ""), http.StatusAccepted, queue.Queued)
	if again.ID != j.ID || again.Attempt != 1 || again.ClientID != "order-17" {
		t.Errorf("got %+v", again)
	}
	if q.queued() != 1 {
		t.Errorf("%d calls were queued", q.queued())
	}
}

func TestTheSamePutIsTheSameJob(t *testing.T) {
	t.Parallel()
	q := newFakeQueue(everything())
	h := newGateway(t, q, setup{}).Handler()
	first := wantJob(t, put(t, h, putText, "a"), http.StatusAccepted, queue.Queued)
	// Neither times, nor priority, nor what is wanted of the answer make it another.
	second := wantJob(t, put(t, h, putText, "a", "Ekiben-Timeout", "1s", "Ekiben-Priority", "high", "Prefer", "respond-async"), http.StatusAccepted, queue.Queued)
	if first.ID != second.ID || q.queued() != 1 {
		t.Errorf("jobs %s and %s, %d calls", first.ID, second.ID, q.queued())
	}
	out := texts(t, "a")
	done := q.jobs[first.ID]
	done.State = queue.Succeeded
	q.jobs[first.ID], q.replies[first.ID] = done, queue.Reply{Outputs: []tensor.Named{out}}
	wantJob(t, put(t, h, putText, "a"), http.StatusOK, queue.Succeeded)
	wantBody(t, put(t, h, putText, "a", "Prefer", "wait=0"), http.StatusOK, `["a"]`)
	wantBody(t, send(t, h, http.MethodGet, "/v1/jobs/order-17/result", ""), http.StatusOK, `["a"]`)
	if q.queued() != 1 {
		t.Errorf("%d calls were queued", q.queued())
	}
}

func TestAPutMayWaitForItsOutcome(t *testing.T) {
	t.Parallel()
	q := newFakeQueue(everything())
	succeed(q)
	w := put(t, newGateway(t, q, setup{}).Handler(), putText, "a", "Prefer", "wait=5", "Accept", "text/plain")
	wantBody(t, w, http.StatusOK, "a")
	if got := w.Header().Get("Preference-Applied"); got != "wait=5" {
		t.Errorf("Preference-Applied %q", got)
	}
}

func TestAnotherCallUnderTheSameNameIsRefused(t *testing.T) {
	t.Parallel()
	q := newFakeQueue(everything())
	h := newGateway(t, q, setup{}).Handler()
	wantJob(t, put(t, h, putText, "a"), http.StatusAccepted, queue.Queued)
	for name, w := range map[string]*httptest.ResponseRecorder{
		"body":         put(t, h, putText, "b"),
		"method":       put(t, h, "/v1/jobs/order-17?runner=all&method=one-text", "a"),
		"content type": send(t, h, http.MethodPut, putText, `["a"]`, "Content-Type", "application/json"),
	} {
		if p := wantProblem(t, w, http.StatusUnprocessableEntity, "key_reused", "another"); p.Retryable {
			t.Errorf("%s: retryable", name)
		}
	}
	if q.queued() != 1 {
		t.Errorf("%d calls were queued", q.queued())
	}
	// A key with the text of an id is not that id.
	wantJob(t, keyed(t, h, "order-17", "c", "Prefer", "respond-async"), http.StatusAccepted, queue.Queued)
}

func TestAnIDOfTheQueueIsAnIDLikeAnyOtherForWhoChoosesIt(t *testing.T) {
	t.Parallel()
	q := ended(t, queue.Failed, queue.Reply{})
	h := newGateway(t, q, setup{}).Handler()
	mine := wantJob(t, put(t, h, "/v1/jobs/all~0~x?runner=all&method=text", "a"), http.StatusAccepted, queue.Queued)
	if got := wantJob(t, send(t, h, http.MethodGet, "/v1/jobs/all~0~x", ""), http.StatusOK, queue.Queued); got.ID != mine.ID || mine.ID == "all~0~x" {
		t.Errorf("got %+v, want %+v", got, mine)
	}
	if q.jobs["all~0~x"].State != queue.Failed {
		t.Error("the other job was touched")
	}
}

func TestAPutThatSaysItWronglyIsNotGuessed(t *testing.T) {
	t.Parallel()
	q := newFakeQueue(everything())
	h := newGateway(t, q, setup{}).Handler()
	for _, tt := range []struct {
		path  string
		words []string
	}{
		{"/v1/jobs/a%20b?runner=all&method=text", []string{`"a b"`, "1 to 128"}},
		{"/v1/jobs/a%2Fb?runner=all&method=text", []string{`"a/b"`}},
		{"/v1/jobs/%C3%A4?runner=all&method=text", []string{"characters"}},
		{"/v1/jobs/" + strings.Repeat("a", 129) + "?runner=all&method=text", []string{"1 to 128"}},
		{"/v1/jobs/a", []string{"?runner=RUNNER&method=METHOD"}},
		{"/v1/jobs/a?runner=all", []string{"method=METHOD"}},
		{"/v1/jobs/a?runner=all&method=", []string{"method is empty"}},
		{"/v1/jobs/a?runner=all&runner=all&method=text", []string{"2 times"}},
		{"/v1/jobs/a?runner=all&method=text&timeout=3", []string{`"timeout"`, "runner and method"}},
		{"/v1/jobs/a?runner=%zz", []string{"query"}},
	} {
		wantProblem(t, put(t, h, tt.path, "a"), http.StatusBadRequest, "invalid_input", tt.words...)
	}
	wantProblem(t, put(t, h, "/v1/jobs/a?runner=nobody&method=text", "a"), http.StatusNotFound, "not_found", "nobody")
	wantProblem(t, put(t, h, "/v1/jobs/a?runner=all&method=nothing", "a"), http.StatusNotFound, "not_found", "nothing")
	wantProblem(t, put(t, h, putText, "a", "Ekiben-Timeout", "x"), http.StatusBadRequest, "invalid_input", "Ekiben-Timeout")
	if q.queued() > 0 || len(q.kept.aliases) > 0 {
		t.Errorf("%d calls were queued, names are %v", q.queued(), q.kept.aliases)
	}
	longest := strings.Repeat("Az0._~-9", 16)
	wantJob(t, put(t, h, "/v1/jobs/"+longest+"?runner=all&method=text", "a"), http.StatusAccepted, queue.Queued)
}

func TestACallWithAKeyIsAnsweredLikeAnyOtherAndRunsOnce(t *testing.T) {
	t.Parallel()
	q := newFakeQueue(everything())
	succeed(q)
	h := newGateway(t, q, setup{}).Handler()
	w := keyed(t, h, "k1", "a")
	wantBody(t, w, http.StatusOK, `["a"]`)
	if w.Header().Get("Preference-Applied") != "" || !strings.HasPrefix(w.Header().Get("Location"), "/v1/jobs/all~0~") {
		t.Errorf("headers %v", w.Header())
	}
	if !q.last(t).Admission.NeedWorker {
		t.Error("who waits needs a worker")
	}
	for _, same := range []string{"k1", `"k1"`} { // the quotes of the RFC's draft are not part of it
		wantBody(t, keyed(t, h, same, "a"), http.StatusOK, `["a"]`)
		wantBody(t, keyed(t, h, same, "a", "Prefer", "respond-async"), http.StatusOK, `["a"]`)
	}
	wantProblem(t, keyed(t, h, "k1", "b"), http.StatusUnprocessableEntity, "key_reused")
	if q.queued() != 1 {
		t.Errorf("%d calls were queued", q.queued())
	}
	for _, a := range q.kept.aliases {
		if want := time.Minute + time.Hour + time.Minute; a.ttl != want {
			t.Errorf("the key is known for %s, want %s", a.ttl, want)
		}
	}
}

func TestACallWithAKeyThatIsUnderWayIsNotWaitedForAgain(t *testing.T) {
	t.Parallel()
	q := newFakeQueue(everything())
	h := newGateway(t, q, setup{}).Handler()
	first := wantJob(t, keyed(t, h, "k", "a", "Prefer", "respond-async"), http.StatusAccepted, queue.Queued)
	if q.last(t).Admission.NeedWorker {
		t.Error("a job waits for a worker to come")
	}
	waited := false
	q.wait = func(j queue.Job) queue.Job {
		waited = true
		return j
	}
	if again := wantJob(t, keyed(t, h, "k", "a"), http.StatusAccepted, queue.Queued); again.ID != first.ID || waited {
		t.Errorf("got %+v, waited %t", again, waited)
	}
	if wantJob(t, keyed(t, h, "k", "a", "Prefer", "wait=1"), http.StatusAccepted, queue.Queued); !waited {
		t.Error("who prefers to wait does not")
	}
}

func TestACallThatWasRefusedMayBeSentAgainUnderItsName(t *testing.T) {
	t.Parallel()
	q := newFakeQueue(everything())
	h := newGateway(t, q, setup{}).Handler()
	q.submitErr = queue.ErrFull
	wantProblem(t, keyed(t, h, "k", "a"), http.StatusTooManyRequests, "queue_full")
	wantProblem(t, put(t, h, putText, "a"), http.StatusTooManyRequests, "queue_full")
	wantProblem(t, send(t, h, http.MethodGet, "/v1/jobs/order-17", ""), http.StatusNotFound, "not_found")
	refused := q.last(t).ID
	q.submitErr = nil
	if j := wantJob(t, put(t, h, putText, "a"), http.StatusAccepted, queue.Queued); j.ID != refused {
		t.Errorf("it got another id: %s, was %s", j.ID, refused)
	}
	succeed(q)
	wantBody(t, keyed(t, h, "k", "a"), http.StatusOK, `["a"]`) // and is waited for, since nobody did
}

func TestNamesBelongToTheirCaller(t *testing.T) {
	t.Parallel()
	q := newFakeQueue(everything())
	h := newGateway(t, q, setup{}).Handler()
	from := func(addr, method, path, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
		r.RemoteAddr = addr
		r.Header.Set("Content-Type", "text/plain")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	one := wantJob(t, from("10.0.0.1:5", http.MethodPut, putText, "a"), http.StatusAccepted, queue.Queued)
	two := wantJob(t, from("10.0.0.2:5", http.MethodPut, putText, "b"), http.StatusAccepted, queue.Queued)
	if one.ID == two.ID {
		t.Error("two callers share a job")
	}
	if got := wantJob(t, from("10.0.0.2:6", http.MethodGet, "/v1/jobs/order-17", ""), http.StatusOK, queue.Queued); got.ID != two.ID {
		t.Errorf("got %+v", got)
	}
	wantProblem(t, from("10.0.0.3:5", http.MethodGet, "/v1/jobs/order-17", ""), http.StatusNotFound, "not_found")
}

func TestNamesAreNotGuessedWhileTheQueueIsAway(t *testing.T) {
	t.Parallel()
	q := newFakeQueue(everything())
	h := newGateway(t, q, setup{}).Handler()
	wantJob(t, put(t, h, putText, "a"), http.StatusAccepted, queue.Queued)
	q.down = queue.ErrUnavailable
	for _, w := range []*httptest.ResponseRecorder{
		put(t, h, putText, "a"), keyed(t, h, "k", "a"), send(t, h, http.MethodGet, "/v1/jobs/order-17", ""),
		send(t, h, http.MethodDelete, "/v1/jobs/order-17", ""), send(t, h, http.MethodPost, "/v1/jobs/order-17/retry", ""),
		send(t, h, http.MethodGet, "/v1/jobs/nobodys", ""),
	} {
		wantProblem(t, w, http.StatusServiceUnavailable, "unavailable")
	}
	if q.queued() != 1 {
		t.Errorf("%d calls were queued", q.queued())
	}
}

func TestKeysThatAreNoneAreRefused(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"", `""`, `"half`, "a b", "ä", strings.Repeat("k", 256), "a\tb"} {
		w := keyed(t, newGateway(t, newFakeQueue(everything()), setup{}).Handler(), key, "a")
		wantProblem(t, w, http.StatusBadRequest, "invalid_input", "Idempotency-Key")
	}
	w := keyed(t, newGateway(t, newFakeQueue(everything()), setup{}).Handler(), "a", "a", "Idempotency-Key", "b")
	wantProblem(t, w, http.StatusBadRequest, "invalid_input", "2 times")
	q := newFakeQueue(everything())
	succeed(q)
	wantBody(t, keyed(t, newGateway(t, q, setup{}).Handler(), strings.Repeat("k", 255), "a"), http.StatusOK, `["a"]`)
}

func FuzzKey(f *testing.F) {
	for _, s := range []string{"k", `"k"`, `"\"k"`, `"\`, "", "ä", strings.Repeat("k", 256)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		key, err := gateway.IdempotencyKeyOf(http.Header{"Idempotency-Key": {value}})
		if err != nil {
			wantInvalid(t, err)
			return
		}
		if key == "" || len(key) > 255 || strings.Trim(key, "!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~") != "" {
			t.Errorf("%q is the key %q", value, key)
		}
	})
}

func TestAJobWithAKeyThatIsNotDoneInTimeIsAnsweredAsIt(t *testing.T) {
	t.Parallel()
	q := newFakeQueue(everything())
	q.wait = func(j queue.Job) queue.Job {
		j.State = queue.Expired
		return j
	}
	h := newGateway(t, q, setup{}).Handler()
	wantProblem(t, keyed(t, h, "k", "a", "Ekiben-Timeout", "1s"), http.StatusGatewayTimeout, "deadline_exceeded")
	q.wait = func(j queue.Job) queue.Job { return j }
	wantJob(t, keyed(t, h, "other", "a", "Ekiben-Timeout", "1s"), http.StatusAccepted, queue.Queued)
}

func TestCallsWithAKeyThatAreWaitedForCountAsOthersDo(t *testing.T) {
	t.Parallel()
	runner := everything()
	runner.MaxConcurrency = 1
	q := newFakeQueue(runner)
	waiting, end := make(chan struct{}), make(chan struct{})
	q.wait = func(j queue.Job) queue.Job {
		waiting <- struct{}{}
		<-end
		return j
	}
	h := newGateway(t, q, setup{}).Handler()
	answered := make(chan *httptest.ResponseRecorder)
	go func() { answered <- keyed(t, h, "one", "a") }()
	<-waiting
	wantProblem(t, keyed(t, h, "two", "a"), http.StatusServiceUnavailable, "overloaded")
	wantJob(t, keyed(t, h, "three", "a", "Prefer", "respond-async"), http.StatusAccepted, queue.Queued)
	close(end)
	wantJob(t, <-answered, http.StatusAccepted, queue.Queued)
	go func() { answered <- keyed(t, h, "two", "a") }()
	<-waiting // the place was given back
	wantJob(t, <-answered, http.StatusAccepted, queue.Queued)
}

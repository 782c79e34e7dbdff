package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ekiben/ekiben/gateway"
	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

// theater is a gateway with one API, at /api, whose jobs the test runs by hand.
type theater struct {
	q       *fakeQueue
	gateway *gateway.Gateway
	kinds   runnables.Kinds
	runners []runnables.Runner
}

func newTheater[In, Out any](t *testing.T, fn func(context.Context, *gateway.Client, In) (Out, error)) *theater {
	t.Helper()
	s := &theater{q: newFakeQueue(everything())}
	s.gateway = newGateway(t, s.q, setup{
		services: []gateway.Service{{Name: "test", APIs: []gateway.API{gateway.HandleFunc("/api", fn)}}},
		also: func(d *gateway.Deps) {
			told(d)
			d.Background = func(kinds runnables.Kinds, runners []runnables.Runner, _ prometheus.Registerer) (func(context.Context) error, error) {
				s.kinds, s.runners = kinds, runners
				return func(ctx context.Context) error { <-ctx.Done(); return nil }, nil
			}
		},
	})
	return s
}

// post sends a request to the API.
func (s *theater) post(t *testing.T, body string, headers ...string) (status int, answer, location string) {
	t.Helper()
	w := send(t, s.gateway.Handler(), http.MethodPost, "/api", body, headers...)
	return w.Code, w.Body.String(), w.Header().Get("Location")
}

// perform runs the job that was queued last, as a worker would.
func (s *theater) perform(ctx context.Context, t *testing.T) (queue.Call, error) {
	t.Helper()
	call := s.q.last(t)
	r, err := s.kinds[call.Runner].New(ctx, runnables.Setup{})
	if err != nil {
		t.Fatal(err)
	}
	if err := runnables.Validate(r); err != nil {
		t.Fatal(err)
	}
	for _, m := range r.Methods() {
		if m.Name != call.Method {
			continue
		}
		inputs, rows, err := runnables.CheckInputs(m.Signature, call.Inputs)
		if err != nil {
			t.Fatal(err)
		}
		outputs, err := m.Run(ctx, inputs)
		if err != nil {
			return call, err
		}
		if err := runnables.CheckOutputs(m.Signature, outputs, rows); err != nil {
			t.Fatal(err)
		}
		reply := queue.Reply{ID: call.ID}
		for i, out := range outputs {
			reply.Outputs = append(reply.Outputs, tensor.Named{Name: m.Outputs[i].Name, Tensor: out})
		}
		s.q.mu.Lock()
		defer s.q.mu.Unlock()
		job := s.q.jobs[call.ID]
		job.State = queue.Succeeded
		s.q.jobs[call.ID], s.q.replies[call.ID] = job, reply
		return call, nil
	}
	t.Fatalf("there is no method %s", call.Method)
	return call, nil
}

func TestAServiceIsRunAsAJobForWhoAsksForThat(t *testing.T) {
	t.Parallel()
	type answer struct {
		IsPositive bool `json:"is_positive"`
	}
	s := newTheater(t, func(ctx context.Context, c *gateway.Client, text string) (answer, error) {
		got, err := gateway.Run[string](ctx, c, "all", "text", text)
		return answer{got == "BentoML is great"}, err
	})
	if r := s.runners[0]; r.Name != "service.test" || r.Replicas != 16 {
		t.Errorf("served as %+v", r)
	}
	trace := "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for _, headers := range [][]string{
		{"Prefer", "respond-async"}, {"Prefer", "wait=0"}, {"Ekiben-Delay", "10m"}, {"Ekiben-Retry", "3"}, {"Ekiben-Webhook", "https://example.com/h"},
	} {
		status, body, location := s.post(t, "BentoML is great", append(headers, "Content-Type", "application/text", "Traceparent", trace, "Ekiben-Timeout", "5m")...)
		if status != http.StatusAccepted || !strings.HasPrefix(location, "/v1/jobs/service.test~0~") {
			t.Fatalf("%v: got %d %s, %s", headers, status, body, location)
		}
		queued, err := s.perform(t.Context(), t)
		if err != nil || queued.Runner != "service.test" || queued.Method != "api" || queued.Timeout != 5*time.Minute || queued.Admission.NeedWorker {
			t.Fatalf("%v: queued %+v, %v", headers, queued, err)
		}
		if inner := s.q.last(t); inner.Runner != "all" || inner.Caller != "192.0.2.1" || inner.Trace != trace {
			t.Errorf("the function called %+v", inner)
		}
		w := send(t, s.gateway.Handler(), http.MethodGet, location+"/result", "")
		wantBody(t, w, http.StatusOK, `{"is_positive":true}`)
		if w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("headers %v", w.Header())
		}
		code, raw, err := s.gateway.Calls().ResultJSON(t.Context(), strings.TrimPrefix(location, "/v1/jobs/"))
		if err != nil || code != http.StatusOK || string(raw) != `{"is_positive":true}` {
			t.Errorf("got %d %s %v", code, raw, err)
		}
	}
}

func TestTheResultOfAServicesJobHasTheMediaTypeOfItsAnswer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name                               string
		s                                  *theater
		contentType, body, accept          string
		status                             int
		want, wantType, wantJSON, wantWord string
	}{
		{"text", newTheater(t, same[string]), "text/plain", "h<é", "", 200, "h<é", "text/plain; charset=utf-8", `"h<é"`, ""},
		{"text as JSON", newTheater(t, same[string]), "text/plain", "h<é", "application/json", 200, `"h<é"`, "application/json", `"h<é"`, ""},
		{"octets", newTheater(t, same[[]byte]), "image/png", "\x00\xff", "", 200, "\x00\xff", "application/octet-stream", `"AP8="`, ""},
		{"octets as text", newTheater(t, same[[]byte]), "image/png", "\x00\xff", "text/plain", 406, "", "", `"AP8="`, "octet-stream"},
		{"JSON", newTheater(t, same[point]), "application/json", `{"x": 1}`, "", 200, `{"x":1}`, "application/json", `{"x":1}`, ""},
		{"nothing", newTheater(t, same[[]byte]), "", "", "", 200, "", "application/octet-stream", `""`, ""},
		{"null", newTheater(t, same[any]), "application/json", "null", "", 200, "null", "application/json", "null", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			headers := []string{"Prefer", "respond-async"}
			if tt.contentType != "" {
				headers = append(headers, "Content-Type", tt.contentType)
			}
			status, body, location := tt.s.post(t, tt.body, headers...)
			if status != http.StatusAccepted {
				t.Fatalf("got %d %s", status, body)
			}
			if _, err := tt.s.perform(t.Context(), t); err != nil {
				t.Fatal(err)
			}
			w := send(t, tt.s.gateway.Handler(), http.MethodGet, location+"/result", "", "Accept", tt.accept)
			if tt.status != http.StatusOK {
				wantProblem(t, w, tt.status, "not_acceptable", tt.wantWord)
			} else {
				wantBody(t, w, tt.status, tt.want)
				if got := w.Header().Get("Content-Type"); got != tt.wantType {
					t.Errorf("content type %q, want %q", got, tt.wantType)
				}
			}
			_, raw, err := tt.s.gateway.Calls().ResultJSON(t.Context(), strings.TrimPrefix(location, "/v1/jobs/"))
			if err != nil || string(raw) != tt.wantJSON {
				t.Errorf("got %s %v, want %s", raw, err, tt.wantJSON)
			}
		})
	}
}

func TestARequestToAServiceWithAKeyIsRunOnce(t *testing.T) {
	t.Parallel()
	s := newTheater(t, same[string])
	s.q.wait = func(j queue.Job) queue.Job {
		if _, err := s.perform(t.Context(), t); err != nil {
			t.Error(err)
		}
		j.State = queue.Succeeded
		return j
	}
	for range 3 {
		status, body, _ := s.post(t, "x", "Idempotency-Key", "k", "Content-Type", "text/plain")
		if status != http.StatusOK || body != "x" {
			t.Errorf("got %d %s", status, body)
		}
	}
	if n := s.q.queued(); n != 1 {
		t.Errorf("%d calls were queued", n)
	}
	w := send(t, s.gateway.Handler(), http.MethodPost, "/api", "y", "Idempotency-Key", "k", "Content-Type", "text/plain")
	wantProblem(t, w, http.StatusUnprocessableEntity, "key_reused")
}

func TestWhatAServiceDoesNotTakeIsNotQueued(t *testing.T) {
	t.Parallel()
	s := newTheater(t, same[point])
	async := []string{"Prefer", "respond-async", "Content-Type", "application/json"}
	h := s.gateway.Handler()
	wantProblem(t, send(t, h, http.MethodPost, "/api", `{"y":1}`, async...), http.StatusBadRequest, "invalid_input", `"y"`)
	wantProblem(t, send(t, h, http.MethodPost, "/api", `x`, "Prefer", "respond-async", "Content-Type", "text/plain"),
		http.StatusUnsupportedMediaType, "unsupported_media_type")
	wantProblem(t, send(t, h, http.MethodPost, "/api", `{}`, append(async, "Accept", "text/plain")...), http.StatusNotAcceptable, "not_acceptable")
	wantProblem(t, send(t, h, http.MethodPost, "/api", `{}`, append(async, "Ekiben-Retry", "x")...), http.StatusBadRequest, "invalid_input", "Ekiben-Retry")
	s.q.submitErr = queue.ErrFull
	wantProblem(t, send(t, h, http.MethodPost, "/api", `{}`, async...), http.StatusTooManyRequests, "queue_full")
	if len(s.q.jobs) > 0 {
		t.Errorf("jobs %v", s.q.jobs)
	}
}

func TestAServicesJobFailsOfWhatItsFunctionSays(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name             string
		err              error
		input, retryable bool
		word             string
	}{
		{"the client's fault", fmt.Errorf("wrapped: %w", &gateway.Problem{Code: gateway.CodeInvalidInput, Detail: "no such language"}), true, false, "no such language"},
		{"a full queue", fmt.Errorf("run: %w", queue.ErrFull), false, true, "queue_full"},
		{"a failure that may pass", &queue.CallError{Code: queue.CodeRunnerFailed, Message: "out of memory", Retryable: true}, false, true, "out of memory"},
		{"a failure that does not", &queue.CallError{Code: queue.CodeRunnerFailed, Message: "broken"}, false, false, "runner_failed: broken"},
		{"anything else", errors.New("secret"), false, false, "internal error"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newTheater(t, func(context.Context, *gateway.Client, string) (string, error) { return "", tt.err })
			s.post(t, "x", "Prefer", "respond-async", "Content-Type", "text/plain")
			_, err := s.perform(t.Context(), t)
			if err == nil || errors.Is(err, runnables.ErrInput) != tt.input || runnables.IsRetryable(err) != tt.retryable ||
				!strings.Contains(err.Error(), tt.word) || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAServicesJobThatIsCutOffSaysSo(t *testing.T) {
	t.Parallel()
	s := newTheater(t, func(ctx context.Context, _ *gateway.Client, _ string) (string, error) { return "", ctx.Err() })
	s.post(t, "x", "Prefer", "respond-async", "Content-Type", "text/plain")
	late, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	if _, err := s.perform(late, t); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestTheRunnersOfServicesAreCalledByTheirRoutesOnly(t *testing.T) {
	t.Parallel()
	own := spec("service.test", echoes("api", false, value("body", tensor.Bytes, runnables.Opaque)))
	q := newFakeQueue(everything(), own)
	g := newGateway(t, q, setup{})
	h := g.Handler()
	defer running(t, g)()
	get := func(path string) string { return send(t, h, http.MethodGet, path, "").Body.String() }
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(get("/v1/queues"), "service.test"); {
		if time.Now().After(deadline) {
			t.Fatal("the queue is not listed")
		}
	}
	for _, path := range []string{"/v1/runners", "/openapi.json", "/docs"} {
		if body := get(path); strings.Contains(body, "service.test") || !strings.Contains(body, "all") {
			t.Errorf("%s has %s", path, body)
		}
	}
	wantProblem(t, send(t, h, http.MethodGet, "/v1/runners/service.test", ""), http.StatusNotFound, "not_found")
	wantProblem(t, send(t, h, http.MethodPost, "/v1/runners/service.test/api", "x"), http.StatusNotFound, "not_found")
	wantProblem(t, send(t, h, http.MethodPut, "/v1/jobs/a?runner=service.test&method=api", "x"), http.StatusNotFound, "not_found")
	_, err := g.Calls().SubmitBody(t.Context(), gateway.Submission{Runner: "service.test", Method: "api"})
	if p := g.Calls().Problem(t.Context(), err); p == nil || p.Code != gateway.CodeNotFound {
		t.Errorf("got %v", err)
	}
	if q.queued() > 0 {
		t.Error("a call was queued")
	}
}

func TestEveryRouteIsAMethodOfItsOwn(t *testing.T) {
	t.Parallel()
	if got := gateway.MethodOfRoute("/analysis"); got != "analysis" {
		t.Errorf("got %s", got)
	}
	if got := gateway.MethodOfRoute("/text/long"); got != "text.long" {
		t.Errorf("got %s", got)
	}
	seen := map[string]string{}
	for _, route := range []string{
		"/a", "/a/b", "/a.b", "/a-b", "/a_b", "/A", "/a/B", "/a~", "/a-", "/a/b/" + strings.Repeat("c", 80), "/a/b/" + strings.Repeat("c", 81), "/9", "/a..b",
	} {
		name := gateway.MethodOfRoute(route)
		if err := runnables.ValidName(name); err != nil {
			t.Errorf("%s: %v", route, err)
		}
		if seen[name] != "" {
			t.Errorf("%s and %s are both %s", route, seen[name], name)
		}
		seen[name] = route
	}
}

func TestServicesNeedNamesOfTheirOwn(t *testing.T) {
	t.Parallel()
	api := func(route string) []gateway.API {
		return []gateway.API{gateway.HandleFunc(route, same[string])}
	}
	_, err := gateway.New(gateway.DefaultConfig(), setup{services: []gateway.Service{
		{Name: "twice", APIs: api("/a")},
		{Name: "twice", APIs: api("/b")},
		{Name: "", APIs: api("/c")},
		{Name: "A b", APIs: api("/d")},
		{Name: strings.Repeat("x", 56), APIs: api("/e")},
	}}.deps(newFakeQueue()))
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{`service "twice" is there twice`, `service ""`, `service "A b"`, `xxx": name "service.x`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
}

// lastRun is a producer that says when it stopped.
type lastRun struct {
	*fakeQueue
	stopped chan struct{}
}

func (p lastRun) Run(ctx context.Context) error {
	defer close(p.stopped)
	return p.fakeQueue.Run(ctx)
}

func TestJobsOfServicesEndBeforeWhatTakesTheirRepliesIn(t *testing.T) {
	t.Parallel()
	q := lastRun{newFakeQueue(everything()), make(chan struct{})}
	told, end := make(chan struct{}), make(chan struct{})
	g := newGateway(t, q.fakeQueue, setup{
		services: []gateway.Service{{Name: "test", APIs: []gateway.API{gateway.HandleFunc("/api", same[string])}}},
		also: func(d *gateway.Deps) {
			d.Producer = q
			d.Background = func(runnables.Kinds, []runnables.Runner, prometheus.Registerer) (func(context.Context) error, error) {
				return func(ctx context.Context) error {
					<-ctx.Done()
					close(told)
					<-end
					return errors.New("went wrong")
				}, nil
			}
		},
	})
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var serving sync.WaitGroup
	var served error
	serving.Go(func() { served = g.Serve(ctx, l) })
	stop()
	<-told
	select {
	case <-q.stopped:
		t.Error("replies are not taken in any more while a job runs")
	default:
	}
	close(end)
	serving.Wait()
	<-q.stopped
	if served == nil || !strings.Contains(served.Error(), "went wrong") {
		t.Errorf("got %v", served)
	}
}

package gateway_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
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

// fakeQueue is a queue that answers at once. Fields are set before it is used,
// unless mu is held.
type fakeQueue struct {
	mu     sync.Mutex
	calls  []queue.Call
	specs  map[string]runnables.Spec
	stats  map[string]queue.Stats
	beats  map[string][]queue.Heartbeat
	jobs   map[string]queue.Job
	asked  map[string]int // lookups by runner
	sweeps map[string]int

	// do answers awaited calls; the default is their own inputs.
	do func(context.Context, queue.Call) (queue.Reply, error)
	// submitErr, specErr, down and durable are what Submit, Spec, everything and
	// Durability say.
	submitErr, specErr, down error
	durable                  queue.Durability
	// wait is what Wait does to a job; nil leaves it.
	wait    func(queue.Job) queue.Job
	replies map[string]queue.Reply

	// tries and hooks are what became of jobs, now is what time it is.
	tries map[string][]queue.Try
	hooks map[string]queue.Hook
	now   time.Time

	// kept is what it keeps by more than ids.
	kept kept
}

func newFakeQueue(specs ...runnables.Spec) *fakeQueue {
	q := &fakeQueue{
		specs: map[string]runnables.Spec{}, stats: map[string]queue.Stats{}, beats: map[string][]queue.Heartbeat{},
		jobs: map[string]queue.Job{}, asked: map[string]int{}, sweeps: map[string]int{}, replies: map[string]queue.Reply{},
		do: echo,
	}
	for _, s := range specs {
		q.specs[s.Runner] = s
	}
	return q
}

func echo(_ context.Context, c queue.Call) (queue.Reply, error) {
	return queue.Reply{ID: c.ID, Outputs: c.Inputs, Timing: queue.Timing{
		Queue: 1500 * time.Microsecond, Batch: 250 * time.Microsecond, Execute: 2 * time.Millisecond, Rows: 7,
	}}, nil
}

func (q *fakeQueue) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func (q *fakeQueue) Do(ctx context.Context, c queue.Call) (queue.Reply, error) {
	q.mu.Lock()
	q.calls = append(q.calls, c)
	do := q.do
	q.mu.Unlock()
	return do(ctx, c)
}

func (q *fakeQueue) Submit(_ context.Context, c queue.Call) (queue.Job, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.calls = append(q.calls, c)
	job := queue.Job{ID: c.ID, Runner: c.Runner, Method: c.Method, Lane: c.Lane, State: queue.Queued, Rows: c.Rows, Created: createdAt, RetriesLeft: c.Retry.Most}
	if c.Delay > 0 {
		job.RunAt = createdAt.Add(c.Delay)
	}
	if known, ok := q.jobs[c.ID]; ok {
		return known, nil
	}
	if q.submitErr == nil {
		q.jobs[c.ID] = job
	}
	return job, q.submitErr
}

func (q *fakeQueue) Job(_ context.Context, id string) (queue.Job, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	job, ok := q.jobs[id]
	if !ok {
		return queue.Job{}, queue.ErrUnknownJob
	}
	return job, q.down
}

func (q *fakeQueue) Wait(ctx context.Context, id string, _ time.Duration) (queue.Job, error) {
	job, err := q.Job(ctx, id)
	if err == nil && q.wait != nil {
		job = q.wait(job)
		q.mu.Lock()
		q.jobs[id] = job
		q.mu.Unlock()
	}
	return job, err
}

func (q *fakeQueue) Result(_ context.Context, id string) (queue.Reply, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.replies[id], q.down
}

func (q *fakeQueue) Cancel(ctx context.Context, id string) (queue.Job, error) {
	job, err := q.Job(ctx, id)
	if err == nil && !job.State.Terminal() {
		job.State = queue.Canceled
		q.mu.Lock()
		q.jobs[id] = job
		q.mu.Unlock()
	}
	return job, err
}

func (q *fakeQueue) Runners(context.Context) ([]string, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Sorted(maps.Keys(q.specs)), q.down
}

func (q *fakeQueue) Spec(_ context.Context, name string) ([]byte, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.asked[name]++
	if err := cmp.Or(q.down, q.specErr); err != nil {
		return nil, err
	}
	s, ok := q.specs[name]
	if !ok {
		return nil, queue.ErrUnknownRunner
	}
	return json.Marshal(s)
}

func (q *fakeQueue) Stats(_ context.Context, names ...string) ([]queue.Stats, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var all []queue.Stats
	for _, name := range names {
		s := q.stats[name]
		s.Runner = name
		all = append(all, s)
	}
	return all, q.down
}

func (q *fakeQueue) Workers(_ context.Context, name string) ([]queue.Heartbeat, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.beats[name], q.down
}

func (q *fakeQueue) Sweep(_ context.Context, name string) (queue.Swept, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.sweeps[name]++
	return queue.Swept{}, q.down
}

func (q *fakeQueue) Ping(context.Context) error { return q.down }

func (q *fakeQueue) Durability(context.Context) (queue.Durability, error) { return q.durable, q.down }

func (q *fakeQueue) Now(context.Context) (time.Time, error) { return q.now, q.down }

func (q *fakeQueue) Tries(_ context.Context, id string) ([]queue.Try, error) {
	return q.tries[id], q.down
}

func (q *fakeQueue) Hook(_ context.Context, id string) (queue.Hook, error) {
	return q.hooks[id], q.down
}

func (q *fakeQueue) last(t *testing.T) queue.Call {
	t.Helper()
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.calls) == 0 {
		t.Fatal("nothing was queued")
	}
	return q.calls[len(q.calls)-1]
}

func (q *fakeQueue) queued() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.calls)
}

func (q *fakeQueue) lookups(name string) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.asked[name]
}

var createdAt = time.Date(2026, 9, 30, 12, 0, 0, 123456789, time.UTC)

// setup is how a gateway under test differs from the default.
type setup struct {
	config   func(*gateway.Config)
	services []gateway.Service
	checks   map[string]func(context.Context) error
	log      io.Writer
	registry *prometheus.Registry
	also     func(*gateway.Deps)
}

func newGateway(t *testing.T, q *fakeQueue, s setup) *gateway.Gateway {
	t.Helper()
	g, err := gateway.New(s.configuration(), s.deps(q))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func (s setup) configuration() gateway.Config {
	config := gateway.DefaultConfig()
	if s.config != nil {
		s.config(&config)
	}
	return config
}

// deps has the queue for everything that nothing else was set for.
func (s setup) deps(q *fakeQueue) gateway.Deps {
	if s.log == nil {
		s.log = io.Discard
	}
	d := gateway.Deps{
		Producer: q, Jobs: q, Keeper: q, DeadLetters: q, Gates: q, Later: q, Directory: q, Health: q, Services: s.services, Checks: s.checks,
		Registry: cmp.Or(s.registry, prometheus.NewRegistry()), Log: slog.New(slog.NewTextHandler(s.log, nil)),
	}
	if s.also != nil {
		s.also(&d)
	}
	return d
}

// send sends a request to a handler. headers are names and values in turn.
func send(t *testing.T, h http.Handler, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// wantBody fails unless the answer has this status and body.
func wantBody(t *testing.T, w *httptest.ResponseRecorder, status int, body string) {
	t.Helper()
	if w.Code != status || w.Body.String() != body {
		t.Errorf("got %d %s\nwant %d %s", w.Code, w.Body, status, body)
	}
}

// problem is a problem as clients read it.
type problem struct {
	Type, Title, Code, Detail string
	Status                    int
	Retryable                 bool
	Methods, Accepts, Offers  []string
	ErrorID                   string `json:"error_id"`
}

// wantProblem fails unless the answer is a problem with this status and code,
// whose detail mentions the words.
func wantProblem(t *testing.T, w *httptest.ResponseRecorder, status int, code string, words ...string) problem {
	t.Helper()
	var p problem
	dec := json.NewDecoder(bytes.NewReader(w.Body.Bytes()))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("content type %q", got)
	}
	if w.Code != status || p.Status != status || p.Code != code {
		t.Errorf("got %d %s\nwant %d %s", w.Code, w.Body, status, code)
	}
	for _, word := range words {
		if !strings.Contains(p.Detail, word) {
			t.Errorf("detail %q does not mention %q", p.Detail, word)
		}
	}
	return p
}

// spec makes the spec of a runner.
func spec(name string, methods ...runnables.Signature) runnables.Spec {
	s := runnables.Spec{Runner: name, Runnable: "fake", MaxQueue: 100, MaxQueueBytes: 1 << 20}
	for _, m := range methods {
		s.Methods = append(s.Methods, runnables.MethodSpec{Signature: m, MaxBatchSize: 32, MaxLatencyMS: 100})
	}
	return s
}

// value makes a value of a signature.
func value(name string, d tensor.DType, c runnables.Content, shape ...int) runnables.ValueSpec {
	if shape == nil {
		shape = []int{}
	}
	return runnables.ValueSpec{Name: name, DType: d, Shape: shape, Content: c}
}

// echoes makes a method whose outputs are its inputs.
func echoes(name string, batchable bool, values ...runnables.ValueSpec) runnables.Signature {
	return runnables.Signature{Name: name, Batchable: batchable, Inputs: values, Outputs: values}
}

// everything is a runner with one method a kind of value.
func everything() runnables.Spec {
	return spec(
		"all",
		echoes("text", true, value("input_text", tensor.Bytes, runnables.Text, -1)),
		echoes("one-text", false, value("input_text", tensor.Bytes, runnables.Text)),
		echoes("files", true, value("file", tensor.Bytes, runnables.Opaque, -1)),
		echoes("documents", true, value("doc", tensor.Bytes, runnables.JSON, -1)),
		echoes("one-document", false, value("doc", tensor.Bytes, runnables.JSON)),
		echoes("rows", true, value("x", tensor.FP32, "", -1, 2)),
		echoes("vectors", true, value("x", tensor.FP64, "", -1, -1)),
		echoes("brains", true, value("x", tensor.BF16, "", -1)),
		echoes("two", true, value("x", tensor.Int32, "", -1), value("text", tensor.Bytes, runnables.Text, -1)),
	)
}

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// wantInvalid fails unless the error is a problem that says what is right.
func wantInvalid(t *testing.T, err error) {
	t.Helper()
	var p *gateway.Problem
	if !errors.As(err, &p) || p.Code != gateway.CodeInvalidInput || p.Detail == "" {
		t.Errorf("got %v", err)
	}
}

package tasks_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/ekiben/ekiben/internal/redistest"
	"github.com/ekiben/ekiben/internal/webhook"
	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/queue/tasks"
)

// fakeQueue keeps jobs, their webhooks and errands in memory.
type fakeQueue struct {
	mu      sync.Mutex
	jobs    map[string]queue.Job
	hooks   map[string]queue.Hook
	errands []queue.Errand
	ripened []queue.Errand
	notes   int
	// keepErrands makes ErrandDone fail; ripenErr is what Ripen fails with, noteErr what
	// the first notes do.
	keepErrands bool
	ripenErr    error
	noteErr     func(n int) error
}

func newFakeQueue() *fakeQueue {
	return &fakeQueue{jobs: map[string]queue.Job{}, hooks: map[string]queue.Hook{}}
}

// ended makes a job that has ended and whose webhook is to be told, and returns
// its errand.
func (q *fakeQueue) ended(url string) queue.Errand {
	q.mu.Lock()
	defer q.mu.Unlock()
	id := queue.NewID("echo")
	q.jobs[id] = queue.Job{ID: id, Runner: "echo", Method: "run", State: queue.Succeeded, Finished: time.Now().Add(-time.Second)}
	q.hooks[id] = queue.Hook{Webhook: queue.Webhook{URL: url}, N: 1, State: queue.HookPending}
	e := queue.Errand{Kind: queue.ErrandWebhook, Runner: "echo", Job: id, N: 1, At: time.Now().Truncate(time.Millisecond).UTC()}
	q.errands = append(q.errands, e)
	return e
}

func (q *fakeQueue) hook(id string) queue.Hook {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.hooks[id]
}

func (q *fakeQueue) left() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.errands)
}

func (q *fakeQueue) change(f func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	f()
}

func (*fakeQueue) Runners(context.Context) ([]string, error) { return []string{"none", "echo"}, nil }

func (*fakeQueue) Now(context.Context) (time.Time, error) { return time.Now(), nil }

func (q *fakeQueue) Errands(_ context.Context, runner string, limit int) ([]queue.Errand, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var page []queue.Errand
	for _, e := range q.errands {
		if e.Runner == runner && len(page) < limit {
			page = append(page, e)
		}
	}
	return page, nil
}

// of are the errands of a runner by whether they are due.
func (q *fakeQueue) of(runner string, which queue.Outstanding) (found []queue.Errand) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range q.errands {
		if due := !e.At.After(time.Now()); e.Runner == runner && which != queue.JobsNear && due == (which == queue.ErrandsDue) {
			found = append(found, e)
		}
	}
	return found
}

func (q *fakeQueue) Stats(_ context.Context, runners ...string) (all []queue.Stats, err error) {
	for _, runner := range runners {
		n := queue.ErrandStats{Due: len(q.of(runner, queue.ErrandsDue)), Ahead: len(q.of(runner, queue.ErrandsAhead))}
		all = append(all, queue.Stats{Runner: runner, Errands: n})
	}
	return all, nil
}

func (q *fakeQueue) Outstanding(_ context.Context, runner string, which queue.Outstanding, offset, limit int) ([]queue.Errand, error) {
	es := q.of(runner, which)
	es = es[min(offset, len(es)):]
	return es[:min(limit, len(es))], nil
}

func (q *fakeQueue) ErrandDone(_ context.Context, e queue.Errand) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.keepErrands {
		return queue.ErrUnavailable
	}
	q.errands = slices.DeleteFunc(q.errands, func(other queue.Errand) bool { return other.ID() == e.ID() })
	return nil
}

func (q *fakeQueue) Ripen(_ context.Context, e queue.Errand) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ripenErr == nil {
		q.ripened = append(q.ripened, e)
	}
	return q.ripenErr
}

func (q *fakeQueue) Job(_ context.Context, id string) (queue.Job, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	job, ok := q.jobs[id]
	if !ok {
		return job, queue.ErrUnknownJob
	}
	return job, nil
}

func (q *fakeQueue) Hook(_ context.Context, id string) (queue.Hook, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	hook, ok := q.hooks[id]
	if !ok {
		return hook, queue.ErrUnknownJob
	}
	return hook, nil
}

func (q *fakeQueue) NoteHook(ctx context.Context, id string, h queue.Hook) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.notes++
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", queue.ErrUnavailable, ctx.Err())
	}
	if q.noteErr != nil {
		if err := q.noteErr(q.notes); err != nil {
			return err
		}
	}
	q.hooks[id] = h
	return nil
}

// inbox is a receiver of webhooks. It verifies what it gets.
type inbox struct {
	url string
	// answer is called after a message was counted; nil answers 200.
	answer http.HandlerFunc

	mu  sync.Mutex
	got map[string][]string // bodies by webhook-id
}

var key = "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))

func newInbox(t *testing.T, answer http.HandlerFunc) *inbox {
	t.Helper()
	in := &inbox{answer: answer, got: map[string][]string{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if verifier, err := standardwebhooks.NewWebhook(key); err != nil || verifier.Verify(body, r.Header) != nil {
			t.Errorf("a message is not signed: %v", r.Header)
		}
		in.mu.Lock()
		id := r.Header.Get("webhook-id")
		in.got[id] = append(in.got[id], string(body))
		in.mu.Unlock()
		if in.answer != nil {
			in.answer(w, r)
		}
	}))
	t.Cleanup(server.Close)
	in.url = server.URL
	return in
}

// count is how often a message came.
func (in *inbox) count(e queue.Errand) int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.got[e.Job+":1"])
}

func (in *inbox) total() (ids, messages int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, bodies := range in.got {
		messages += len(bodies)
	}
	return len(in.got), messages
}

// place is a Redis and a prefix of keys in it.
type place struct{ url, prefix string }

func ownPlace(t *testing.T) place {
	t.Helper()
	return place{redistest.URL(t), redistest.Prefix()}
}

// newServer makes a server that may tell loopback.
func newServer(t *testing.T, at place, q *fakeQueue, log *slog.Logger) *tasks.Server {
	t.Helper()
	d := depsOf(at, q)
	policy, err := webhook.NewPolicy([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	signer, err := webhook.NewSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	d.Sender = webhook.NewSender(policy, signer, webhook.Options{})
	if log != nil {
		d.Log = log
	}
	s, err := tasks.New(tasks.DefaultConfig(), d)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newServerWithoutSecret(t *testing.T, q *fakeQueue) *tasks.Server {
	t.Helper()
	s, err := tasks.New(tasks.DefaultConfig(), depsOf(ownPlace(t), q))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func depsOf(at place, q *fakeQueue) tasks.Deps {
	return tasks.Deps{
		URL: at.url, Prefix: at.prefix, Errands: q, Hooks: q, Registry: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
		View: func(_ context.Context, id string) ([]byte, error) {
			return json.Marshal(map[string]string{"id": id})
		},
	}
}

// start runs a server until the test ends, or stop is called.
func start(t *testing.T, s *tasks.Server) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// eventually waits for what must come.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for tick := time.NewTicker(10 * time.Millisecond); ; <-tick.C {
		if holds() {
			tick.Stop()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s did not come", what)
		}
	}
}

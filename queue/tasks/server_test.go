package tasks_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/ekiben/ekiben/internal/redistest"
	"github.com/ekiben/ekiben/internal/tcpproxy"
	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/queue/embedded"
	"github.com/ekiben/ekiben/queue/tasks"
)

func TestWebhooksAreTold(t *testing.T) {
	t.Parallel()

	memory, err := embedded.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(memory.Close)
	for name, at := range map[string]place{"redis": ownPlace(t), "embedded": {memory.URL(), "e"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			q, in := newFakeQueue(), newInbox(t, nil)
			e := q.ended(in.url)
			later := queue.Errand{Kind: queue.ErrandLater, Runner: "echo", Job: queue.NewID("echo"), N: 3, At: time.Now().Truncate(time.Millisecond).UTC()}
			q.errands = append(q.errands, later)
			start(t, newServer(t, at, q, nil))
			eventually(t, "the note", func() bool { return q.hook(e.Job).State == queue.HookDelivered })
			eventually(t, "the job", func() bool {
				q.mu.Lock()
				defer q.mu.Unlock()
				return len(q.ripened) == 1 && q.ripened[0] == later
			})
			eventually(t, "the end of the errands", func() bool { return q.left() == 0 })
			if hook := q.hook(e.Job); hook.Status != http.StatusOK || hook.Deliveries != 1 || hook.At.IsZero() || hook.URL != in.url {
				t.Errorf("noted %+v", hook)
			}
			var message struct {
				Type      string
				Timestamp time.Time
				Data      struct{ ID string }
			}
			if err := json.Unmarshal([]byte(in.got[e.Job+":1"][0]), &message); err != nil {
				t.Fatal(err)
			}
			if message.Type != "job.succeeded" || message.Timestamp.IsZero() || message.Data.ID != e.Job {
				t.Errorf("sent %+v", message)
			}
			eventually(t, "an empty queue", func() bool {
				c := counts(t, at)
				return c[tasks.Active]+c[tasks.Waiting]+c[tasks.Scheduled]+c[tasks.Retrying]+c[tasks.Failed] == 0
			})
		})
	}
}

func reader(t *testing.T, at place, q *fakeQueue) *tasks.Reader {
	t.Helper()
	r, err := tasks.NewReader(at.url, at.prefix, q)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func counts(t *testing.T, at place) tasks.Counts {
	t.Helper()
	c, err := reader(t, at, newFakeQueue()).Counts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestReceiversThatFailAreToldAgain(t *testing.T) {
	t.Parallel()

	var n atomic.Int32
	q := newFakeQueue()
	in := newInbox(t, func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) < 3 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	e := q.ended(in.url)
	at := ownPlace(t)
	start(t, newServer(t, at, q, nil))
	eventually(t, "the note", func() bool { return q.hook(e.Job).State == queue.HookDelivered })
	if hook := q.hook(e.Job); in.count(e) != 3 || hook.Deliveries != 3 {
		t.Errorf("%d messages, noted %+v", in.count(e), hook)
	}
}

func TestReceiversThatAreGoneAreLeft(t *testing.T) {
	t.Parallel()

	q, in := newFakeQueue(), newInbox(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no more", http.StatusGone) })
	e := q.ended(in.url)
	start(t, newServer(t, ownPlace(t), q, nil))
	eventually(t, "the note", func() bool { return q.hook(e.Job).State == queue.HookGone })
	if hook := q.hook(e.Job); hook.Answer != "no more\n" || hook.Status != http.StatusGone || in.count(e) != 1 {
		t.Errorf("%d messages, noted %+v", in.count(e), hook)
	}
}

func TestPrivateReceiversAreNotTold(t *testing.T) {
	t.Parallel()

	q := newFakeQueue()
	e := q.ended("https://10.0.0.1/hook")
	s := newServer(t, ownPlace(t), q, nil)
	if err := s.Handle(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if hook := q.hook(e.Job); hook.State != queue.HookFailed || hook.Status != 0 || !strings.Contains(hook.Answer, "10.0.0.1") {
		t.Errorf("noted %+v", hook)
	}
}

func TestHandlersRunTwiceHaveOneEffect(t *testing.T) {
	t.Parallel()

	q, in := newFakeQueue(), newInbox(t, nil)
	e := q.ended(in.url)
	s := newServer(t, ownPlace(t), q, nil)
	for range 2 {
		if err := s.Handle(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if in.count(e) != 1 || q.notes != 1 {
		t.Errorf("%d messages, %d notes", in.count(e), q.notes)
	}
}

// A process dies at each step of a webhook; another ends it. The receiver knows
// what comes twice by its id.
func TestWebhooksOutliveProcessesAtEveryStep(t *testing.T) {
	t.Parallel()

	for name, step := range map[string]struct {
		die  func(t *testing.T, s *tasks.Server, q *fakeQueue, e queue.Errand)
		most int
	}{
		"the errand is written":           {func(*testing.T, *tasks.Server, *fakeQueue, queue.Errand) {}, 1},
		"asynq has it, it is not removed": {notRemoved, 1},
		"it is told, that is not noted": {func(t *testing.T, s *tasks.Server, q *fakeQueue, e queue.Errand) {
			t.Helper()
			ctx, kill := context.WithCancel(t.Context())
			q.change(func() { q.noteErr = func(int) error { kill(); return queue.ErrUnavailable } })
			if err := s.Handle(ctx, e); !errors.Is(err, queue.ErrUnavailable) {
				t.Fatal(err)
			}
			q.change(func() { q.noteErr = nil })
		}, 2},
		"that is noted, asynq does not know": {doneUnheard, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			q, in, at := newFakeQueue(), newInbox(t, nil), ownPlace(t)
			e := q.ended(in.url)
			step.die(t, newServer(t, at, q, nil), q, e)
			start(t, newServer(t, at, q, nil))
			eventually(t, "the note", func() bool { return q.hook(e.Job).State == queue.HookDelivered && q.left() == 0 })
			eventually(t, "an empty queue", func() bool { c := counts(t, at); return c[tasks.Active]+c[tasks.Waiting] == 0 })
			if ids, n := in.total(); ids != 1 || n != step.most || in.count(e) != n {
				t.Errorf("%d messages with %d ids, want %d with one", n, ids, step.most)
			}
		})
	}
}

func TestSeveralServersTellEachWebhookOnce(t *testing.T) {
	t.Parallel()

	const jobs = 150
	q, in, at := newFakeQueue(), newInbox(t, nil), ownPlace(t)
	for range jobs {
		q.ended(in.url)
	}
	for range 3 {
		start(t, newServer(t, at, q, nil))
	}
	eventually(t, "the notes", func() bool {
		q.mu.Lock()
		defer q.mu.Unlock()
		for _, hook := range q.hooks {
			if hook.State != queue.HookDelivered {
				return false
			}
		}
		return len(q.errands) == 0
	})
	if ids, n := in.total(); ids != jobs || n != jobs {
		t.Errorf("%d messages with %d ids, want %d", n, ids, jobs)
	}
}

// says waits for a line of the log.
type says struct {
	slog.Handler
	word string
	once sync.Once
	said chan struct{}
}

func (s *says) Enabled(context.Context, slog.Level) bool { return true }

func (s *says) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if strings.Contains(a.Value.String(), s.word) {
			s.once.Do(func() { close(s.said) })
		}
		return true
	})
	return nil
}

// Redis goes away when the receiver has answered. That is noted when it is back;
// asynq's end of the task is lost, and its repair does nothing since 0.25. It runs
// the task again when the lease is over, and nobody is told twice.
func TestRedisAwayAfterAMessageDoesNotSendItAgain(t *testing.T) {
	t.Parallel()

	server := redistest.Start(t)
	proxy := tcpproxy.Start(t, server.Addr)
	at := place{"redis://" + proxy.Addr(), "seam"}
	q := newFakeQueue()
	in := newInbox(t, func(http.ResponseWriter, *http.Request) { proxy.Refuse() })
	q.noteErr = func(n int) error {
		if n <= 10 { // about 2 s
			return queue.ErrUnavailable
		}
		return nil
	}
	e := q.ended(in.url)
	lost := &says{Handler: slog.DiscardHandler, word: "Could not remove task id=" + e.ID(), said: make(chan struct{})}
	start(t, newServer(t, at, q, slog.New(lost)))
	eventually(t, "the note", func() bool { return q.hook(e.Job).State == queue.HookDelivered })
	<-lost.said
	proxy.Restore()

	// The lease is over: what asynq's recoverer does then, 60 to 90 s later.
	direct := redis.NewClient(&redis.Options{Addr: server.Addr})
	t.Cleanup(func() { _ = direct.Close() })
	key := func(part string) string { return "asynq:{seam-tasks}:" + part }
	if n, err := direct.LRem(t.Context(), key("active"), 0, e.ID()).Result(); n != 1 || err != nil {
		t.Fatalf("asynq has %d tasks that run, want the one whose end it lost: %v", n, err)
	}
	direct.ZRem(t.Context(), key("lease"), e.ID())
	direct.HSet(t.Context(), key("t:"+e.ID()), "state", "pending")
	direct.LPush(t.Context(), key("pending"), e.ID())
	eventually(t, "the end of the task", func() bool { return direct.Exists(t.Context(), key("t:"+e.ID())).Val() == 0 })
	if in.count(e) != 1 || q.hook(e.Job).Deliveries != 1 {
		t.Errorf("%d messages, noted %+v", in.count(e), q.hook(e.Job))
	}
}

func TestWithoutASecretWebhooksWait(t *testing.T) {
	t.Parallel()

	q := newFakeQueue()
	e := q.ended("https://example.com")
	s := newServerWithoutSecret(t, q)
	err := s.Handle(t.Context(), e)
	if err == nil || tasks.IsFailure(err) || !strings.Contains(err.Error(), "EKIBEN_WEBHOOK_SECRET") || q.hook(e.Job).State != queue.HookPending {
		t.Errorf("got %v, noted %+v", err, q.hook(e.Job))
	}
	old := e
	old.At = e.At.Add(-tasks.DeliverFor - time.Hour)
	job := q.jobs[e.Job]
	job.Finished = old.At
	q.jobs[e.Job] = job
	if err := s.Handle(t.Context(), old); err != nil || q.hook(e.Job).State != queue.HookFailed {
		t.Errorf("in the end: got %v, noted %+v", err, q.hook(e.Job))
	}
}

func TestTasksThatAreNotOursAreGivenUp(t *testing.T) {
	t.Parallel()

	s := newServer(t, ownPlace(t), newFakeQueue(), nil)
	id := queue.NewID("echo")
	for kind, payload := range map[string]string{
		"webhook": "", "later": "webhook:" + id + ":1 5", "x": "x:" + id + ":1 5", "sweeps": "sweeps:1",
	} {
		if err := s.HandleRaw(t.Context(), kind, payload); !errors.Is(err, asynq.SkipRetry) {
			t.Errorf("%s %q: %v, want that it is not tried again", kind, payload, err)
		}
	}
	for _, payload := range []string{"webhook:" + id, "webhook:" + id + ":x 5", "webhook:" + id + ":1", "webhook:nobody:1 5", "webhook"} {
		if err := s.HandleRaw(t.Context(), "webhook", payload); !errors.Is(err, asynq.SkipRetry) {
			t.Errorf("%q: %v, want that it is not tried again", payload, err)
		}
	}
}

func TestConfigurationsThatCannotWorkAreRefused(t *testing.T) {
	t.Parallel()

	_, err := tasks.New(tasks.Config{Concurrency: 1001}, tasks.Deps{})
	for _, want := range []string{"concurrency", "redis url", "prefix", "errands", "hooks", "view", "registry"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}

func ExampleStates() {
	fmt.Println(tasks.States())
	// Output: [active retrying waiting scheduled failed]
}

package tasks_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/queue/embedded"
	"github.com/ekiben/ekiben/queue/tasks"
)

// client is a connection of the test's own.
func client(t *testing.T, at place) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(at.url)
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(options)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// places are a Redis and the embedded one.
func places(t *testing.T) map[string]place {
	t.Helper()
	memory, err := embedded.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(memory.Close)
	return map[string]place{"redis": ownPlace(t), "embedded": {memory.URL(), "e"}}
}

func TestTasksAreListed(t *testing.T) {
	t.Parallel()

	for name, at := range places(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			r := reader(t, at, newFakeQueue())
			if page, next, err := r.List(t.Context(), "", "", 10); err != nil || len(page) != 0 || next != "" {
				t.Fatalf("an empty list: %v, next %q, %v", page, next, err)
			}
			enqueue := asynq.NewClientFromRedisClient(client(t, at))
			soon := time.Now().Add(time.Hour).Truncate(time.Second).UTC()
			want := map[string]tasks.State{}
			for i := range 5 {
				id := fmt.Sprintf("webhook:%s:%d", queue.NewID("echo"), i)
				state, options := tasks.Waiting, []asynq.Option{asynq.Queue(at.prefix + "-tasks"), asynq.TaskID(id)}
				if i%2 == 0 {
					state, options = tasks.Scheduled, append(options, asynq.ProcessAt(soon))
				}
				want[id] = state
				if _, err := enqueue.Enqueue(asynq.NewTask("webhook", []byte(id+" 0")), options...); err != nil {
					t.Fatal(err)
				}
			}
			c := counts(t, at)
			if c[tasks.Waiting] != 2 || c[tasks.Scheduled] != 3 || c[tasks.Active] != 0 || c[tasks.Failed] != 0 || c[tasks.Retrying] != 0 {
				t.Errorf("counts %v", c)
			}
			for size := 1; size <= 6; size++ {
				got := map[string]tasks.State{}
				for cursor, pages := "", 0; pages == 0 || cursor != ""; pages++ {
					page, next, err := r.List(t.Context(), "", cursor, size)
					if err != nil || len(page) == 0 || len(page) > size || pages > 9 {
						t.Fatalf("page %d of %d: %v %v", pages, size, page, err)
					}
					for _, task := range page {
						got[task.ID] = task.State
						if task.Kind != "webhook" || task.ID[8:len(task.ID)-2] != task.Job || (task.State == tasks.Scheduled) != task.Next.Equal(soon) {
							t.Errorf("got %+v", task)
						}
					}
					cursor = next
				}
				if fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("pages of %d: got %v, want %v", size, got, want)
				}
			}
			if page, _, err := r.List(t.Context(), tasks.Scheduled, "", 10); err != nil || len(page) != 3 {
				t.Errorf("scheduled: %v, %v", page, err)
			}
			for _, bad := range []string{"x", "1.2", "0.0.1", "0.1.0", "0.1.1001", "0.-1.1", "0.1.1.1", "0.99999999999999999999.1"} {
				if _, _, err := r.List(t.Context(), "", bad, 10); !errors.Is(err, tasks.ErrCursor) {
					t.Errorf("cursor %q: %v", bad, err)
				}
			}
		})
	}
}

func TestTasksThatAreTriedAgainSayWhy(t *testing.T) {
	t.Parallel()

	q, at := newFakeQueue(), ownPlace(t)
	in := newInbox(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "not today", http.StatusTeapot) })
	e := q.ended(in.url)
	start(t, newServer(t, at, q, nil))
	eventually(t, "the task that waits", func() bool { return counts(t, at)[tasks.Retrying] == 1 })
	page, _, err := reader(t, at, q).List(t.Context(), tasks.Retrying, "", 1)
	if err != nil || len(page) != 1 || page[0].Job != e.Job || page[0].LastError != "status 418: not today\n" || page[0].Next.IsZero() {
		t.Errorf("got %+v, %v", page, err)
	}
	if hook := q.hook(e.Job); hook.State != queue.HookPending || hook.Status != http.StatusTeapot || hook.Deliveries != 1 {
		t.Errorf("noted %+v", hook)
	}
}

// What asynq lost is found: it has no lease, and nobody works on it.
func TestTasksWithoutALeaseAreGivenBack(t *testing.T) {
	t.Parallel()

	for name, at := range places(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			q, in := newFakeQueue(), newInbox(t, nil)
			e := q.ended(in.url)
			s := newServer(t, at, q, nil)
			if _, err := s.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			c := client(t, at)
			key := func(part string) string { return "asynq:{" + at.prefix + "-tasks}:" + part }
			if id := c.LMove(t.Context(), key("pending"), key("active"), "RIGHT", "LEFT").Val(); id != e.ID() {
				t.Fatalf("asynq's list has %q", id)
			}
			c.HSet(t.Context(), key("t:"+e.ID()), "state", "active")
			c.LPush(t.Context(), key("active"), "vanished", "leased")
			c.ZAdd(t.Context(), key("lease"), redis.Z{Member: "leased", Score: 1e12})
			active := func() int64 { return c.LLen(t.Context(), key("active")).Val() }

			if err := s.Sweep(t.Context(), time.Hour); err != nil || active() != 3 {
				t.Fatalf("seen for the first time: %d left, %v", active(), err)
			}
			if err := s.Sweep(t.Context(), 0); err != nil || active() != 1 {
				t.Fatalf("after its time: %d left, want the one with a lease: %v", active(), err)
			}
			if n := c.HLen(t.Context(), at.prefix+"-tasks:orphans").Val(); n != 0 {
				t.Errorf("%d are still noted", n)
			}
			start(t, s)
			eventually(t, "the note", func() bool { return q.hook(e.Job).State == queue.HookDelivered })
		})
	}
}

func TestASweepIsMadeOnceATick(t *testing.T) {
	t.Parallel()

	at := ownPlace(t)
	for range 3 {
		if err := newServer(t, at, newFakeQueue(), nil).Tick(t.Context(), "sweep:1"); err != nil {
			t.Fatal(err)
		}
	}
	if n := counts(t, at)[tasks.Waiting]; n != 1 {
		t.Fatalf("%d sweeps", n)
	}
	start(t, newServer(t, at, newFakeQueue(), nil))
	eventually(t, "the end of the sweep", func() bool { c := counts(t, at); return c[tasks.Waiting]+c[tasks.Active] == 0 })
	if err := newServer(t, at, newFakeQueue(), nil).Tick(t.Context(), "sweep:1"); err != nil || counts(t, at)[tasks.Waiting] != 0 {
		t.Errorf("another one of the same tick: %v", err)
	}
}

// What no process of tasks has taken up is there all the same.
func TestErrandsAreListedBeforeAsynqHasThem(t *testing.T) {
	t.Parallel()

	q, at := newFakeQueue(), ownPlace(t)
	r := reader(t, at, q)
	due := []queue.Errand{q.ended("https://example.com"), q.ended("https://example.com"), q.ended("https://example.com")}
	ahead := q.delayed()
	ahead.At = ahead.At.Add(time.Hour)
	q.errands[3] = ahead
	c, err := r.Counts(t.Context())
	if err != nil || c[tasks.Waiting] != 3 || c[tasks.Scheduled] != 1 {
		t.Errorf("counts %v, %v", c, err)
	}
	var got []string
	for cursor := "start"; cursor != ""; {
		page, next, err := r.List(t.Context(), "", strings.TrimPrefix(cursor, "start"), 2)
		if err != nil || len(page) == 0 {
			t.Fatalf("List(%s) = %v, %v", cursor, page, err)
		}
		for _, task := range page {
			got = append(got, task.ID)
			if task.Job == "" || (task.State == tasks.Scheduled) != task.Next.Equal(ahead.At) || task.Kind == "" {
				t.Errorf("got %+v", task)
			}
		}
		cursor = next
	}
	if want := []string{due[0].ID(), due[1].ID(), due[2].ID(), ahead.ID()}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if page, next, err := r.List(t.Context(), tasks.Scheduled, "", 2); err != nil || len(page) != 1 || next != "" {
		t.Errorf("scheduled: %v, next %q, %v", page, next, err)
	}
}

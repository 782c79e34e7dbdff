package queue_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ekiben/ekiben/internal/redistest"
	"github.com/ekiben/ekiben/queue"
)

func TestARedisThatRefusesIsNotOneThatIsAway(t *testing.T) {
	t.Parallel()

	for _, tt := range []struct {
		name       string
		how, words string
		undo       string
	}{
		{"memory is full", "config set maxmemory 1", "OOM ", "config set maxmemory 0"},
		{"it is a replica", "replicaof 127.0.0.1 1", "READONLY ", "replicaof no one"},
		{"it wants a password", "acl setuser default resetpass >secret", "WRONGPASS ", ""},
		{"the user may not", "acl setuser default -@all", "NOPERM ", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			c := queue.DefaultConfig()
			c.URL = server.URL
			if tt.words == "WRONGPASS " {
				c.URL = strings.Replace(server.URL, "redis://", "redis://:wrong@", 1)
			}
			admin := raw(t, server)
			order := func(words string) {
				t.Helper()
				args := []any{}
				for w := range strings.FieldsSeq(words) {
					args = append(args, w)
				}
				if err := admin.Do(t.Context(), args...).Err(); err != nil {
					t.Fatal(err)
				}
			}
			order(tt.how)
			b := connect(t, c)
			_, err := b.Submit(t.Context(), call("x"))
			if !errors.Is(err, queue.ErrRefused) || !errors.Is(err, queue.ErrUnavailable) || !strings.Contains(err.Error(), tt.words) {
				t.Fatalf("got %v, want Redis's %q", err, tt.words)
			}
			if tt.undo == "" {
				return
			}
			order(tt.undo)
			if _, err := b.Submit(t.Context(), call("y")); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestARedisThatIsAwayDoesNotRefuse(t *testing.T) {
	t.Parallel()

	server := redistest.Start(t)
	c := queue.DefaultConfig()
	c.URL = server.URL
	b := connect(t, c)
	server.Kill()
	x := call("x")
	x.Timeout = 5 * time.Second
	if _, err := b.Do(t.Context(), x); !errors.Is(err, queue.ErrUnavailable) || errors.Is(err, queue.ErrRefused) {
		t.Errorf("got %v", err)
	}
}

func TestFullRedisIsDrained(t *testing.T) {
	t.Parallel()

	server := redistest.Start(t)
	c := queue.DefaultConfig()
	soon(&c)
	c.URL = server.URL
	b := connect(t, c)
	admin := raw(t, server)
	for name, end := range map[string]func([]queue.Delivery) []queue.Outcome{"succeed": answer, "fail": failed} {
		w := b.NewConsumer(runner, name, 0)
		var replies []<-chan outcome
		for range 3 {
			replies = append(replies, b.do(call("awaited")))
		}
		job, err := b.Submit(t.Context(), call("job"))
		if err != nil {
			t.Fatal(err)
		}
		for b.stats().Waiting < 4 {
			<-time.After(time.Millisecond)
		}
		if err := admin.ConfigSet(t.Context(), "maxmemory", "1").Err(); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Submit(t.Context(), call("x")); !errors.Is(err, queue.ErrRefused) {
			t.Errorf("Submit() = %v, want ErrRefused", err)
		}
		batch := b.cut(w, any32)
		if _, err := w.Renew(t.Context()); err != nil {
			t.Error(err)
		}
		if err := w.Release(t.Context(), batch.Deliveries); err != nil {
			t.Error(err)
		}
		for n := 0; n < 4; {
			ds := b.cut(w, queue.Ask{Rows: 1, Enough: 1}).Deliveries
			b.finish(w, end(ds))
			n += len(ds)
		}
		if _, err := b.Sweep(t.Context(), runner); err != nil {
			t.Error(err)
		}
		for _, r := range replies {
			if r := <-r; r.err != nil || (r.Err != nil) != (name == "fail") {
				t.Errorf("%s: Do() = %+v", name, r)
			}
		}
		if j, err := b.Job(t.Context(), job.ID); err != nil || !j.State.Terminal() {
			t.Errorf("%s: Job() = %+v, %v", name, j, err)
		}
		b.rest()
		if err := admin.ConfigSet(t.Context(), "maxmemory", "0").Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// failed lets every delivery fail.
func failed(ds []queue.Delivery) []queue.Outcome {
	out := make([]queue.Outcome, len(ds))
	for i, d := range ds {
		out[i] = queue.Outcome{Delivery: d, Reply: queue.Reply{Err: &queue.CallError{Code: queue.CodeRunnerFailed, Message: "no"}}}
	}
	return out
}

func TestRepliesToASlowGatewayAreBounded(t *testing.T) {
	t.Parallel()

	server := redistest.Start(t)
	c := queue.DefaultConfig()
	c.URL, c.MaxReplyBytes = server.URL, 1000
	b := connect(t, c)
	w := b.NewConsumer(runner, "w", 0)
	replies := "ekiben:{gw~" + b.gateway + "}:replies"
	done := b.do(call("first"))
	b.finish(w, answer(b.cut(w, any32).Deliveries))
	if r := <-done; r.err != nil {
		t.Fatal(r.err)
	}
	admin := raw(t, server)
	for range 3 {
		x := call("x")
		x.Timeout = 3 * time.Second
		b.do(x)
		batch := b.cut(w, any32)
		// As if the gateway had not read for long.
		if err := admin.Set(t.Context(), "ekiben:{gw~"+b.gateway+"}:bytes", 1<<20, time.Minute).Err(); err != nil {
			t.Fatal(err)
		}
		b.finish(w, answer(batch.Deliveries))
	}
	added, err := admin.XInfoStream(t.Context(), replies).Result()
	if err != nil || added.EntriesAdded > 2 {
		t.Errorf("%d letters were sent, %v; want the first and one that was not checked", added.EntriesAdded, err)
	}
}

package queue_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/ekiben/ekiben/internal/redistest"
	"github.com/ekiben/ekiben/internal/tcpproxy"
	"github.com/ekiben/ekiben/queue"
)

// weak is a queue behind a network that fails on command, and the same queue
// over one that does not.
type weak struct {
	*bench

	net   *tcpproxy.Proxy
	sound *bench
}

func setupWeak(t *testing.T) *weak {
	t.Helper()
	s := redistest.Start(t)
	c := queue.DefaultConfig()
	c.URL = s.URL
	sound := connect(t, c)
	p := tcpproxy.Start(t, s.Addr)
	c.URL = "redis://" + p.Addr()
	return &weak{bench: connect(t, c), net: p, sound: sound}
}

// sha is what a request to run a script contains.
func (w *weak) sha(script string) string { return queue.ScriptSHA(w.Queue, script) }

// warm makes one call on all of the path, so that the server knows the scripts.
func (w *weak) warm() {
	w.t.Helper()
	done := w.do(call("warm"))
	c := w.NewConsumer(runner, "warm", 0)
	w.finish(c, answer(w.cut(c, any32).Deliveries))
	if r := <-done; r.err != nil {
		w.t.Fatal(r.err)
	}
}

type outcome struct {
	queue.Reply

	err error
}

func (b *bench) do(c queue.Call) <-chan outcome {
	done := make(chan outcome, 1)
	go func() {
		r, err := b.Do(b.t.Context(), c)
		done <- outcome{r, err}
	}()
	return done
}

func (b *bench) finish(c *queue.Consumer, out []queue.Outcome) {
	b.t.Helper()
	if _, err := c.Finish(b.t.Context(), out); err != nil {
		b.t.Fatal(err)
	}
}

func TestAwaitedCallWhoseAcceptanceIsLostIsAnOrphanUntilItsDeadline(t *testing.T) {
	t.Parallel()

	w := setupWeak(t)
	w.warm()
	lost := w.net.LoseAnswer(w.sha("accept"))
	c := call("orphan")
	c.Timeout = 300 * time.Millisecond
	if _, err := w.Do(t.Context(), c); !errors.Is(err, queue.ErrUnavailable) {
		t.Fatalf("Do() = %v, want ErrUnavailable", err)
	}
	<-lost
	if s := w.sound.stats(); s.Depth != 1 {
		t.Fatalf("%d calls are queued, want the orphan", s.Depth)
	}
	for s := w.sound.stats(); s.Depth > 0; s = w.sound.stats() {
		if _, err := w.sound.Sweep(t.Context(), runner); err != nil {
			t.Fatal(err)
		}
	}
	if s := w.sound.stats(); s.Expired != 1 {
		t.Errorf("stats: %+v, want one expired", s)
	}
	w.sound.rest()
}

func TestOrphanRunsOnceAtMost(t *testing.T) {
	t.Parallel()

	w := setupWeak(t)
	w.warm()
	w.net.LoseAnswer(w.sha("accept"))
	if _, err := w.Do(t.Context(), call("orphan")); !errors.Is(err, queue.ErrUnavailable) {
		t.Fatalf("Do() = %v, want ErrUnavailable", err)
	}
	c := w.sound.NewConsumer(runner, "w", 0)
	batch := w.sound.cut(c, any32)
	if len(batch.Deliveries) != 1 || batch.More {
		t.Fatalf("cut %+v, want the orphan alone", batch)
	}
	w.sound.finish(c, answer(batch.Deliveries))
	w.sound.rest()
}

func TestAwaitedCallWhoseRequestIsLostIsNotQueued(t *testing.T) {
	t.Parallel()

	w := setupWeak(t)
	w.warm()
	w.net.LoseRequest(w.sha("accept"))
	if _, err := w.Do(t.Context(), call("lost")); !errors.Is(err, queue.ErrUnavailable) {
		t.Fatalf("Do() = %v, want ErrUnavailable", err)
	}
	w.sound.rest()
}

func TestJobWhoseAcceptanceIsLostIsQueuedOnce(t *testing.T) {
	t.Parallel()

	for name, lose := range map[string]func(*tcpproxy.Proxy, string) <-chan struct{}{
		"answer": (*tcpproxy.Proxy).LoseAnswer, "request": (*tcpproxy.Proxy).LoseRequest,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			w := setupWeak(t)
			w.warm()
			lost := lose(w.net, w.sha("accept"))
			c := call("job")
			j, err := w.Submit(t.Context(), c)
			if err != nil || j.State != queue.Queued {
				t.Fatalf("Submit() = %+v, %v", j, err)
			}
			<-lost
			if s := w.sound.stats(); s.Depth != 1 || s.Accepted != 2 {
				t.Errorf("stats: %+v, want one entry", s)
			}
		})
	}
}

func TestBatchWhoseCutIsLostComesWithTheNextCut(t *testing.T) {
	t.Parallel()

	w := setupWeak(t)
	w.warm()
	for _, s := range []string{"a", "b", "c"} {
		if _, err := w.Submit(t.Context(), call(s)); err != nil {
			t.Fatal(err)
		}
	}
	c := w.NewConsumer(runner, "w", 0)
	two := queue.Ask{Rows: 2, Enough: 1}
	held := w.cut(c, queue.Ask{Rows: 1, Enough: 1}) // and keeps it over what follows
	lost := w.net.LoseAnswer(w.sha("cut"))
	if _, err := c.Cut(t.Context(), two); !errors.Is(err, queue.ErrUnavailable) {
		t.Fatalf("Cut() = %v, want ErrUnavailable", err)
	}
	<-lost
	if s := w.sound.stats(); s.Waiting != 0 || s.Depth != 3 {
		t.Fatalf("stats: %+v, want all three in flight", s)
	}
	batch := w.cut(c, two)
	if len(batch.Deliveries) != 2 || said(batch.Deliveries[0].Inputs) != "b" || batch.Deliveries[0].Suspect {
		t.Fatalf("cut %+v, want b and c, not suspect", batch)
	}
	w.finish(c, answer(append(held.Deliveries, batch.Deliveries...)))
	w.sound.rest()
}

func TestBatchWhoseCutIsLostIsGivenBackByLeaving(t *testing.T) {
	t.Parallel()

	w := setupWeak(t)
	w.warm()
	if _, err := w.Submit(t.Context(), call("a")); err != nil {
		t.Fatal(err)
	}
	c := w.NewConsumer(runner, "w", 0)
	w.net.CutAnswer(w.sha("cut"), 40)
	if _, err := c.Cut(t.Context(), any32); !errors.Is(err, queue.ErrUnavailable) {
		t.Fatalf("Cut() = %v, want ErrUnavailable", err)
	}
	if err := c.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	if batch := w.sound.cut(w.sound.NewConsumer(runner, "v", 0), any32); len(batch.Deliveries) != 1 {
		t.Errorf("cut %+v, want what the other gave back", batch)
	}
}

func TestFinishIsRepeatedUntilItIsHeard(t *testing.T) {
	t.Parallel()

	for name, lose := range map[string]func(*tcpproxy.Proxy, string) <-chan struct{}{
		"answer": (*tcpproxy.Proxy).LoseAnswer, "request": (*tcpproxy.Proxy).LoseRequest,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			w := setupWeak(t)
			w.warm()
			awaited := w.sound.do(call("awaited"))
			c := w.NewConsumer(runner, "w", 0)
			out := answer(w.cut(c, any32).Deliveries)
			j, err := w.Submit(t.Context(), call("job"))
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, answer(w.cut(c, any32).Deliveries)...)
			lost := lose(w.net, w.sha("finish"))
			if _, err := c.Finish(t.Context(), out); !errors.Is(err, queue.ErrUnavailable) {
				t.Fatalf("Finish() = %v, want ErrUnavailable", err)
			}
			<-lost
			w.finish(c, out)
			w.finish(c, out)
			if r := <-awaited; r.err != nil || said(r.Outputs) != "awaited" {
				t.Errorf("Do() = %+v", r)
			}
			if r, err := w.Result(t.Context(), j.ID); err != nil || said(r.Outputs) != "job" {
				t.Errorf("Result() = %+v, %v", r, err)
			}
			if s := w.sound.stats(); s.Finished != 3 { // with the warm-up
				t.Errorf("%d calls finished, want 3", s.Finished)
			}
			w.sound.rest()
		})
	}
}

func TestFailureIsToldAlthoughTheAnswerToFinishIsLost(t *testing.T) {
	t.Parallel()

	w := setupWeak(t)
	w.warm()
	awaited := w.sound.do(call("a"))
	c := w.NewConsumer(runner, "w", 0)
	out := answer(w.cut(c, any32).Deliveries)
	out[0].Reply = queue.Reply{Err: &queue.CallError{Code: queue.CodeRunnerFailed, Message: "no"}}
	w.net.LoseAnswer(w.sha("finish"))
	if _, err := c.Finish(t.Context(), out); !errors.Is(err, queue.ErrUnavailable) {
		t.Fatalf("Finish() = %v, want ErrUnavailable", err)
	}
	w.finish(c, out)
	if r := <-awaited; r.err != nil || r.Err == nil || r.Err.Message != "no" {
		t.Errorf("Do() = %+v", r)
	}
	w.sound.rest()
}

func TestReplyThatIsLostOnTheWayIsReadAgain(t *testing.T) {
	t.Parallel()

	w := setupWeak(t)
	w.warm()
	for _, lose := range []func() <-chan struct{}{
		func() <-chan struct{} { return w.net.LoseAnswer("xread") },
		func() <-chan struct{} { return w.net.CutAnswer("xread", 60) },
	} {
		lost := lose()
		c := w.sound.NewConsumer(runner, "w", 0)
		var replies []<-chan outcome
		for open := true; open || len(replies) < 3; {
			replies = append(replies, w.do(call("again")))
			w.sound.finish(c, answer(w.sound.cut(c, any32).Deliveries))
			select {
			case <-lost:
				open = false
			case r := <-replies[len(replies)-1]:
				replies[len(replies)-1] = nil
				if r.err != nil {
					t.Fatal(r.err)
				}
			}
		}
		for _, r := range slices.DeleteFunc(replies, func(r <-chan outcome) bool { return r == nil }) {
			if r := <-r; r.err != nil || said(r.Outputs) != "again" {
				t.Errorf("Do() = %+v", r)
			}
		}
	}
	w.sound.rest()
}

func TestRenewalAndReleaseAreRepeatedUntilTheyAreHeard(t *testing.T) {
	t.Parallel()

	w := setupWeak(t)
	w.warm()
	for _, s := range []string{"a", "b"} {
		if _, err := w.Submit(t.Context(), call(s)); err != nil {
			t.Fatal(err)
		}
	}
	c := w.NewConsumer(runner, "w", 0)
	batch := w.cut(c, any32)
	if _, err := c.Renew(t.Context()); err != nil { // so that the server knows the script
		t.Fatal(err)
	}
	w.net.LoseAnswer(w.sha("owned"))
	if _, err := c.Renew(t.Context()); !errors.Is(err, queue.ErrUnavailable) {
		t.Errorf("Renew() = %v, want ErrUnavailable", err)
	}
	if lost, err := c.Renew(t.Context()); err != nil || len(lost.Lost) > 0 {
		t.Errorf("Renew() = %+v, %v; want nothing lost", lost, err)
	}
	w.net.LoseAnswer(w.sha("release"))
	if err := c.Release(t.Context(), batch.Deliveries); !errors.Is(err, queue.ErrUnavailable) {
		t.Errorf("Release() = %v, want ErrUnavailable", err)
	}
	if err := c.Release(t.Context(), batch.Deliveries); err != nil {
		t.Error(err)
	}
	if s := w.sound.stats(); s.Waiting != 2 || s.WaitingRows != 2 {
		t.Errorf("stats: %+v, want both to wait once", s)
	}
}

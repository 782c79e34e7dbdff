package worker_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/worker"
)

func TestDrainingEndsWhatRunsAndTakesNothingMore(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		q.put(call(1, 1), callOf("other", 2, 2))
		s := play(t, q, options(), kindOf(double("run", slow(5*time.Second)), double("other", slow(time.Second))))
		time.Sleep(time.Second)
		q.put(call(3, 3))
		if !s.worker.Ready() {
			t.Errorf("not ready: %v", s.worker.NotReady())
		}
		s.stop()
		synctest.Wait()
		if s.worker.Ready() || s.worker.NotReady()[served] != "draining" {
			t.Errorf("a draining worker says %v", s.worker.NotReady())
		}
		if !q.lastBeat().Draining {
			t.Error("no heartbeat says that the worker drains")
		}
		if err := <-s.done; err != nil {
			t.Errorf("Run() = %v", err)
		}
		if got := time.Since(q.start); got != 6*time.Second {
			t.Errorf("ended after %s, want 6s", got)
		}
		q.want(t, 1, "[2]")
		q.want(t, 2, "[4]")
		q.want(t, 3, "none")
		if len(q.waiting) != 1 || len(q.released) > 0 {
			t.Errorf("%d wait and %v were given back, want the third left where it is", len(q.waiting), q.released)
		}
		wantMetric(t, s, `ekiben_batches_total{method="other",reason="drain",runner="fake"} 1`)
		if last := q.events[len(q.events)-1]; last.what != "leave" {
			t.Errorf("the last thing it did was %s, want to leave", last.what)
		}
	})
}

func TestABatchCutAheadIsGivenBackWhenDraining(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		s := learnt(t, q)
		q.cutTakes = 0
		q.put(call(1, 1))
		time.Sleep(500 * time.Millisecond)
		q.put(call(2, 2))
		for waiting := 1; waiting > 0; time.Sleep(time.Millisecond) {
			q.do(func() { waiting = len(q.waiting) })
		}
		s.end() // the second is in hand, the first still runs
		q.want(t, 1, "[2]")
		q.want(t, 2, "none")
		if !slices.Equal(q.released, []string{"2"}) {
			t.Errorf("given back %v, want call 2", q.released)
		}
	})
}

func TestWhatRunsWhenTheDrainTimeoutIsOverGoesBack(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		q.put(call(1, 1), call(2, 2))
		var cause error
		s := play(t, q, options(), kindOf(double("run", func(ctx context.Context, _ []int64) error {
			<-ctx.Done()
			cause = context.Cause(ctx)
			return ctx.Err()
		})))
		time.Sleep(time.Second)
		s.stop()
		if err := <-s.done; !errors.Is(err, worker.ErrDrained) {
			t.Errorf("Run() = %v, want ErrDrained", err)
		}
		if got := time.Since(q.start); got != 26*time.Second {
			t.Errorf("ended after %s, want 26s: %v", got, q.events)
		}
		if !errors.Is(cause, worker.ErrDrained) {
			t.Errorf("the method was stopped by %v, want ErrDrained", cause)
		}
		if len(q.replies) > 0 || !slices.Equal(q.released, []string{"1", "2"}) {
			t.Errorf("answered %v, given back %v; want both given back", q.replies, q.released)
		}
	})
}

// A method that does not heed its context cannot hold the worker.
func TestAStuckMethodIsLeftBehind(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		q.put(call(1, 1))
		s := play(t, q, options(), kindOf(double("run", slow(time.Hour))))
		time.Sleep(time.Second)
		s.stop()
		if err := <-s.done; !errors.Is(err, worker.ErrDrained) {
			t.Errorf("Run() = %v, want ErrDrained", err)
		}
		if got, want := time.Since(q.start), 28*time.Second; got != want {
			t.Errorf("ended after %s, want %s", got, want)
		}
		if !slices.Equal(q.released, []string{"1"}) {
			t.Errorf("given back %v, want call 1", q.released)
		}
		time.Sleep(time.Hour) // the bubble waits for all of its goroutines
	})
}

func TestATokenHeardTooLateRingsForAnother(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		s := play(t, q, options(), kindOf(double("run", nil)))
		time.Sleep(1500 * time.Millisecond)
		s.stop()
		q.put(call(1, 1)) // rings while the worker still waits
		if err := <-s.done; err != nil {
			t.Errorf("Run() = %v", err)
		}
		if !q.bell || len(q.waiting) != 1 {
			t.Errorf("the bell has rung: %t, with %d calls waiting; want that it has, with one", q.bell, len(q.waiting))
		}
	})
}

func TestIdleInstancesStopAtOnce(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		r := options()
		r.Replicas = 3
		s := play(t, q, r, kindOf(double("run", nil)))
		time.Sleep(1500 * time.Millisecond)
		before := time.Now()
		s.end()
		if took := time.Since(before); took > 10*time.Millisecond {
			t.Errorf("stopped after %s, want at once", took)
		}
		if q.rings > 6 {
			t.Errorf("rang %d times, want at most twice an instance", q.rings)
		}
	})
}

// Who cannot ring itself awake stops when its wait is over.
func TestAnInstanceStopsEvenIfItCannotRing(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		s := play(t, q, options(), kindOf(double("run", nil)))
		time.Sleep(1500 * time.Millisecond)
		before := time.Now()
		q.do(func() { q.failing["ring"] = queue.ErrUnavailable })
		s.end()
		if took := time.Since(before); took > time.Second {
			t.Errorf("stopped after %s, want within a second", took)
		}
	})
}

func TestAWorkerIsReadyWhenWarmAndAnnounced(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		q.down = true
		kind := runnables.Kind{New: func(context.Context, runnables.Setup) (runnables.Runnable, error) {
			i, err := runnables.New(double("run", nil))
			i.OnWarmup = func(context.Context) error {
				time.Sleep(5 * time.Second)
				return nil
			}
			return i, err
		}}
		s := play(t, q, options(), kind)
		time.Sleep(4 * time.Second)
		if got := s.worker.NotReady()[served]; !strings.Contains(got, "warming up") {
			t.Errorf("while it warms up it says %q", got)
		}
		time.Sleep(4 * time.Second)
		if got := s.worker.NotReady()[served]; !strings.Contains(got, "not announced") {
			t.Errorf("before it is announced it says %q", got)
		}
		q.do(func() { q.down = false })
		time.Sleep(4 * time.Second)
		if !s.worker.Ready() {
			t.Errorf("it says %v, want ready", s.worker.NotReady())
		}
		s.end()
	})
}

func TestARunnableThatCannotBeMadeEndsRun(t *testing.T) {
	t.Parallel()

	made := double("run", nil)
	warm := func(err error) runnables.Kind {
		return runnables.Kind{New: func(context.Context, runnables.Setup) (runnables.Runnable, error) {
			i, newErr := runnables.New(made)
			i.OnWarmup = func(context.Context) error { return err }
			return i, newErr
		}}
	}
	for name, tc := range map[string]struct {
		kind runnables.Kind
		want string
	}{
		"new fails":   {runnables.Kind{New: func(context.Context, runnables.Setup) (runnables.Runnable, error) { return nil, errBroken }}, "broken"},
		"no methods":  {runnables.Kind{New: func(context.Context, runnables.Setup) (runnables.Runnable, error) { return &runnables.Instance{}, nil }}, "no methods"},
		"warm up":     {warm(errBroken), "warm up: broken"},
		"nothing bad": {warm(nil), ""},

		"new panics":     {runnables.Kind{New: func(context.Context, runnables.Setup) (runnables.Runnable, error) { panic("dropped it") }}, "panicked: dropped it"},
		"warm up panics": {panickingKind(func(i *runnables.Instance, p func() error) { i.OnWarmup = func(context.Context) error { return p() } }), "panicked: dropped it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				s := play(t, newFakeQueue(), options(), tc.kind)
				if tc.want == "" {
					time.Sleep(time.Second)
					s.end()
					return
				}
				err := <-s.done
				if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), served) {
					t.Errorf("Run() = %v, want %q and the runner's name", err, tc.want)
				}
				s.stop()
			})
		})
	}
}

// panickingKind is a kind whose instances panic where they are told to.
func panickingKind(at func(i *runnables.Instance, p func() error)) runnables.Kind {
	return runnables.Kind{New: func(context.Context, runnables.Setup) (runnables.Runnable, error) {
		i, err := runnables.New(double("run", nil))
		at(i, func() error { panic("dropped it") })
		return i, err
	}}
}

func TestAnInstanceThatPanicsWhenItIsClosedIsTold(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		s := play(t, newFakeQueue(), options(), panickingKind(func(i *runnables.Instance, p func() error) { i.OnClose = p }))
		synctest.Wait()
		s.end()
		if !strings.Contains(s.log.String(), "instance did not close") {
			t.Errorf("the log has\n%s", s.log)
		}
	})
}

// A runner that cannot be made drains the others of its process.
func TestInstancesOfOneRunnerMustAgree(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		made := 0
		kind := runnables.Kind{New: func(context.Context, runnables.Setup) (runnables.Runnable, error) {
			made++
			return runnables.New(double([]string{"", "one", "two"}[made], nil))
		}}
		r := options()
		r.Replicas = 2
		s := play(t, newFakeQueue(), r, kind)
		if err := <-s.done; err == nil || !strings.Contains(err.Error(), "differ") {
			t.Errorf("Run() = %v, want that the methods differ", err)
		}
		s.stop()
	})
}

// Replies that are being written when the worker stops are written.
func TestRepliesAreWrittenWhileDraining(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		q.finishing = 3 * time.Second
		q.put(call(1, 1))
		s := play(t, q, options(), kindOf(double("run", nil)))
		time.Sleep(time.Second)
		s.end()
		q.want(t, 1, "[2]")
	})
}

var _ worker.Consumer = (*queue.Consumer)(nil)

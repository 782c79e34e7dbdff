package worker_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/runnables"
)

// hanging hangs if one of the values is among the rows, as a process does that is
// killed when the time of its call is over.
func hanging(values ...int64) func(context.Context, []int64) error {
	return func(ctx context.Context, rows []int64) error {
		if broken(values...)(ctx, rows) == nil {
			return nil
		}
		<-ctx.Done()
		return &runnables.HungError{Cause: context.Cause(ctx), PID: 4711}
	}
}

// present makes a kind whose instances count as processes, and are there.
func present(ms ...runnables.Method) runnables.Kind {
	back := make(chan struct{})
	close(back)
	return guard(back, ms...)
}

// witness runs calls of an instance that is a process, and tells when each execution
// ended.
type witness struct {
	recorder
	start time.Time
	ends  []string
}

func (w *witness) kind(hook func(context.Context, []int64) error) runnables.Kind {
	w.start = time.Now()
	return present(w.method("run", func(ctx context.Context, rows []int64) error {
		err := hook(ctx, rows)
		w.ends = append(w.ends, time.Since(w.start).Round(time.Second).String())
		return err
	}))
}

func TestWhoTakesLongToStartIsStoppedLater(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		w := &witness{}
		kind := w.kind(hanging(13))
		start := kind.New
		kind.New = func(ctx context.Context, s runnables.Setup) (runnables.Runnable, error) {
			time.Sleep(3 * time.Second)
			return start(ctx, s)
		}
		perform(t, kind, within(4*time.Second, call(1, 13)), within(time.Hour, call(2, 1)))
		if got := fmt.Sprint(w.ends); got != "[7s 7s]" { // 4 are the time of the call, 3 those of the start
			t.Errorf("executions ended at %s", got)
		}
	})
}

func TestACallThatHangsTakesNoneOfItsMatesWithIt(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		mate time.Duration
		ends string
	}{
		"which have more time":     {12 * time.Second, "[3s 3s 3s]"},
		"of which one has an hour": {time.Hour, "[3s 3s 3s]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				w := &witness{}
				s := perform(t, w.kind(hanging(13)), within(12*time.Second, call(1, 1)), within(2*time.Second, call(2, 13)), within(c.mate, call(3, 3)))
				s.queue.want(t, 1, "[2]")
				s.queue.want(t, 2, queue.CodeDeadline)
				s.queue.want(t, 3, "[6]")
				if got := s.queue.replies["2"].Err.Message; got != "the deadline passed while the call was executed" {
					t.Errorf("the client is told %q", got)
				}
				if fmt.Sprint(w.ends) != c.ends || w.String() != "run[1 13 3] run[1] run[3]" {
					t.Errorf("ran %s, which ended at %v, want %s", &w.recorder, w.ends, c.ends)
				}
				if got := fmt.Sprint(s.queue.crashed); got != "[[1 2 3]]" {
					t.Errorf("crashes reported of %s, want one in company", got)
				}
				for _, want := range []string{"an execution hung", "ids=\"[1 2 3]\"", "pid=4711"} {
					if !strings.Contains(s.log.String(), want) {
						t.Errorf("the log has no %s: %s", want, s.log)
					}
				}
			})
		})
	}
}

// Of two calls the one that is left is blamed no more than one of many.
func TestTheMateOfACallThatHungIsNotBlamed(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		w := &witness{}
		s := perform(t, w.kind(hanging(13)), within(2*time.Second, call(1, 13)), call(2, 2))
		s.queue.want(t, 1, queue.CodeDeadline)
		s.queue.want(t, 2, "[4]")
		if got := fmt.Sprint(s.queue.crashed); got != "[[1 2]]" {
			t.Errorf("crashes reported of %s, want of both", got)
		}
	})
}

func TestACallThatHangsAloneEndsAtItsDeadline(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		w := &witness{}
		s := perform(t, w.kind(hanging(13)), within(2*time.Second, call(1, 13)))
		s.queue.want(t, 1, queue.CodeDeadline)
		if fmt.Sprint(w.ends) != "[2s]" || len(s.queue.crashed) > 0 {
			t.Errorf("it ended at %v, crashes reported of %v", w.ends, s.queue.crashed)
		}
		if !strings.Contains(s.log.String(), "a call hung") {
			t.Errorf("the log does not say so: %s", s.log)
		}
		wantMetric(t, s, `ekiben_crashes_total{runner="fake"} 1`)
	})
}

// A batch that usually takes long is given longer when a call is late.
func TestTheUsualTimeOfABatchIsWaitedFor(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		w := &witness{}
		s := play(t, q, options(), w.kind(func(ctx context.Context, rows []int64) error {
			if rows[0] != 7 {
				time.Sleep(4 * time.Second)
				return nil
			}
			select {
			case <-time.After(10 * time.Second):
				return nil
			case <-ctx.Done():
				return &runnables.HungError{Cause: context.Cause(ctx)}
			}
		}))
		for i := range 8 {
			q.put(call(i, 1, 2, 3, 4, 5, 6, 7, 8))
			time.Sleep(3 * time.Second)
		}
		q.put(within(2*time.Second, call(8, 7)), call(9, 2, 3, 4, 5, 6, 7, 8))
		time.Sleep(20 * time.Second)
		s.end()
		q.want(t, 9, "[4 6 8 10 12 14 16]")
		if len(q.crashed) > 0 {
			t.Errorf("the execution was stopped: %v", q.crashed)
		}
	})
}

// overlong is what a process says that was killed because an execution took too long.
func overlong(values ...int64) func(context.Context, []int64) error {
	return func(ctx context.Context, rows []int64) error {
		if broken(values...)(ctx, rows) == nil {
			return nil
		}
		time.Sleep(3 * time.Second)
		return &runnables.HungError{Cause: runnables.ErrOverlong}
	}
}

func TestACallThatIsAlwaysOverlongFailsAlone(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		w := &witness{}
		s := perform(t, w.kind(overlong(13)), call(1, 1), call(2, 13), call(3, 3))
		s.queue.want(t, 1, "[2]")
		s.queue.want(t, 2, queue.CodeRunnerFailed)
		s.queue.want(t, 3, "[6]")
		if got := s.queue.replies["2"].Err; !strings.Contains(got.Message, "longer than max_execution_ms") || got.Retryable {
			t.Errorf("the client is told %+v", got)
		}
		if w.String() != "run[1 13 3] run[1] run[13] run[3]" {
			t.Errorf("ran %s", &w.recorder)
		}
	})
}

// What cannot be stopped is told at least, and by its context.
func TestAnExecutionInTheWorkerThatIsOverlongIsTold(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		q.put(call(1, 1), call(2, 13))
		r := options()
		r.MaxExecution = 3 * time.Second
		rec := &recorder{}
		s := play(t, q, r, kindOf(rec.method("run", func(ctx context.Context, rows []int64) error {
			if broken(13)(ctx, rows) == nil {
				return nil
			}
			<-ctx.Done()
			return errors.New("I was told to stop")
		})))
		time.Sleep(20 * time.Second)
		s.end()
		q.want(t, 1, "[2]")
		q.want(t, 2, queue.CodeRunnerFailed)
		if got := q.replies["2"].Err.Message; got != "the execution took longer than max_execution_ms, 3s" {
			t.Errorf("the client is told %q", got)
		}
		if rec.String() != "run[1 13] run[1] run[13]" {
			t.Errorf("ran %s", rec)
		}
	})
}

func TestAnExecutionThatOutlivesACallIsWarnedOfOnce(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		s := perform(t, kindOf(double("run", slow(9*time.Second))), within(2*time.Second, call(1, 1)), within(4*time.Second, call(2, 2)), call(3, 3))
		if n := strings.Count(s.log.String(), "goes on though its time is over"); n != 1 {
			t.Errorf("the log has %d warnings, want one: %s", n, s.log)
		}
	})
}

package worker_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/runnables"
)

// within is a call with less time to its deadline.
func within(left time.Duration, d queue.Delivery) queue.Delivery {
	d.Left = left
	return d
}

// slow is a hook that takes so long for each batch, even if told to stop.
func slow(d time.Duration) func(context.Context, []int64) error {
	return func(context.Context, []int64) error {
		time.Sleep(d)
		return nil
	}
}

func TestNoExecutionStartsAfterTheDeadline(t *testing.T) {
	t.Parallel()

	t.Run("of a batch behind another", func(t *testing.T) {
		t.Parallel()

		synctest.Test(t, func(t *testing.T) {
			rec := &recorder{}
			q := newFakeQueue()
			q.put(call(1, 1), within(time.Second, callOf("other", 2, 2)), callOf("other", 3, 3), within(time.Second+1, callOf("other", 4, 4)))
			s := play(t, q, options(), kindOf(rec.method("run", slow(time.Second)), rec.method("other", nil)))
			time.Sleep(10 * time.Second)
			s.end()
			q.want(t, 1, "[2]")
			q.want(t, 2, queue.CodeDeadline)
			if q.replies["2"].Err.Retryable {
				t.Error("that its time was over is said to be retryable, and is not tried again")
			}
			q.want(t, 3, "[6]")
			q.want(t, 4, "[8]")
			if rec.String() != "run[1] other[3 4]" {
				t.Errorf("ran %s, want run[1] other[3 4]", rec)
			}
			wantMetric(t, s, `ekiben_calls_finished_total{method="other",outcome="expired",runner="fake"} 1`)
		})
	})

	t.Run("of a whole batch", func(t *testing.T) {
		t.Parallel()

		synctest.Test(t, func(t *testing.T) {
			rec := &recorder{}
			s := perform(t, kindOf(rec.method("run", nil)), within(-1, call(1, 1)), within(0, call(2, 1)))
			s.queue.want(t, 1, queue.CodeDeadline)
			s.queue.want(t, 2, queue.CodeDeadline)
			if len(rec.runs) > 0 {
				t.Errorf("ran %s", rec)
			}
		})
	})

	t.Run("counted from before the cut was asked for", func(t *testing.T) {
		t.Parallel()

		synctest.Test(t, func(t *testing.T) {
			q := newFakeQueue()
			q.cutTakes = 10 * time.Millisecond // ends at 10ms, so the first batch ends at 1010ms
			q.put(call(1, 1), within(1015*time.Millisecond, callOf("other", 2, 2)), within(1025*time.Millisecond, callOf("other", 3, 3)))
			s := play(t, q, options(), kindOf(double("run", slow(time.Second)), double("other", nil)))
			time.Sleep(10 * time.Second)
			s.end()
			q.want(t, 2, queue.CodeDeadline)
			q.want(t, 3, "[6]")
		})
	})

	t.Run("of a step of a bisection", func(t *testing.T) {
		t.Parallel()

		synctest.Test(t, func(t *testing.T) {
			rec := &recorder{}
			s := perform(t, kindOf(rec.method("run", func(ctx context.Context, rows []int64) error {
				time.Sleep(time.Second)
				return broken(1)(ctx, rows)
			})), call(1, 1), call(2, 2), within(1500*time.Millisecond, call(3, 3)), call(4, 4))
			s.queue.want(t, 1, queue.CodeRunnerFailed)
			s.queue.want(t, 2, "[4]")
			s.queue.want(t, 3, queue.CodeDeadline)
			s.queue.want(t, 4, "[8]")
			if want := "run[1 2 3 4] run[1 2] run[1] run[2] run[4]"; rec.String() != want {
				t.Errorf("ran %s, want %s", rec, want)
			}
		})
	})

	t.Run("of a piece of a large call", func(t *testing.T) {
		t.Parallel()

		synctest.Test(t, func(t *testing.T) {
			rec := &recorder{}
			s := perform(t, kindOf(rec.method("run", slow(time.Second))), within(1500*time.Millisecond, call(1, make([]int64, 30)...)))
			s.queue.want(t, 1, queue.CodeDeadline)
			if len(rec.runs) != 2 {
				t.Errorf("%d pieces ran, want 2", len(rec.runs))
			}
		})
	})
}

// starting is a call with less time to its start.
func starting(left time.Duration, d queue.Delivery) queue.Delivery {
	d.StartLeft = left
	return d
}

func TestNoCallBeginsAfterTheTimeToStartWithin(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		rec := &recorder{}
		s := perform(t, kindOf(rec.method("run", slow(time.Second)), rec.method("other", nil)),
			call(1, 1), starting(time.Second, callOf("other", 2, 2)), starting(time.Second+1, callOf("other", 3, 3)))
		s.queue.want(t, 2, queue.CodeDeadline)
		s.queue.want(t, 3, "[6]")
		if got := s.queue.replies["2"].Err.Message; !strings.Contains(got, "to start within") {
			t.Errorf("the client is told %q", got)
		}
		if rec.String() != "run[1] other[3]" {
			t.Errorf("ran %s, want run[1] other[3]", rec)
		}
		wantMetric(t, s, `ekiben_calls_finished_total{method="other",outcome="expired",runner="fake"} 1`)
	})
}

// Once a call has begun only its deadline counts.
func TestACallThatBeganInTimeIsBisectedAfterwards(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		rec := &recorder{}
		s := perform(t, kindOf(rec.method("run", func(ctx context.Context, rows []int64) error {
			time.Sleep(time.Second)
			return broken(1)(ctx, rows)
		})), starting(time.Second, call(1, 1)), starting(1, call(2, 2)), within(2*time.Second, starting(time.Second, call(3, 3))))
		s.queue.want(t, 1, queue.CodeRunnerFailed)
		s.queue.want(t, 2, "[4]")
		s.queue.want(t, 3, queue.CodeDeadline)
		if want := "run[1 2 3] run[1] run[2]"; rec.String() != want {
			t.Errorf("ran %s, want %s", rec, want)
		}
		if got := s.queue.replies["3"].Err.Message; !strings.Contains(got, "deadline") {
			t.Errorf("the client is told %q", got)
		}
	})
}

// A method may stop when nobody waits for any call of its batch any more. One in a
// process is stopped before, see hang.go.
func TestAMethodInTheWorkerKnowsTheLatestDeadlineOfItsBatch(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		var left time.Duration
		s := perform(t, kindOf(double("run", func(ctx context.Context, _ []int64) error {
			at, _ := ctx.Deadline()
			left = time.Until(at)
			<-ctx.Done()
			return ctx.Err()
		})), within(2*time.Second, call(1, 1)), within(3*time.Second, call(2, 2)))
		if left != 3*time.Second {
			t.Errorf("the batch has %s left, want 3s", left)
		}
		s.queue.want(t, 1, queue.CodeDeadline)
		s.queue.want(t, 2, queue.CodeDeadline)
	})
}

// Timings add up, and say how the call's own batch ran.
func TestRepliesTellWhereTheTimeWent(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		q.cutTakes = 10 * time.Millisecond
		q.put(call(1, 1, 2, 3))
		s := play(t, q, options(), kindOf(double("run", slow(time.Second))))
		time.Sleep(5 * time.Second)
		s.end()
		want := queue.Timing{Queue: 10 * time.Millisecond, Batch: 10 * time.Millisecond, Execute: time.Second, Rows: 3}
		if got := q.replies["1"].Timing; got != want {
			t.Errorf("timing %+v, want %+v", got, want)
		}
	})
}

// A method that is not batchable gets one call at a time.
func TestCallsOfMethodsThatAreNotBatchableRunAlone(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		single := runnables.Single("run", "x", func(_ context.Context, in []int64) ([]int64, error) { return doubled(in), nil })
		var calls []queue.Delivery
		for i := range 5 {
			d := call(i, int64(i), 1)
			d.Group, d.Rows = "", 1
			calls = append(calls, d)
		}
		s := perform(t, kindOf(single), calls...)
		s.queue.want(t, 0, "[0 2]")
		s.queue.want(t, 4, "[8 2]")
		if len(s.queue.finished) != 5 {
			t.Errorf("finished %v, want each call by itself", s.queue.finished)
		}
	})
}

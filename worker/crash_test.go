package worker_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/runnables"
)

// crashing crashes the instance if one of the values is among the rows.
func crashing(values ...int64) func(context.Context, []int64) error {
	return func(ctx context.Context, rows []int64) error {
		if err := broken(values...)(ctx, rows); err != nil {
			return &runnables.CrashError{How: "signal: killed", Wrote: "a secret", PID: 4711}
		}
		return nil
	}
}

func TestACrashIsReportedForTheCallsThatRanTogether(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		rec := &recorder{}
		q := newFakeQueue()
		q.put(call(1, 1), call(2, 13), callOf("other", 3, 3), call(4, 4))
		s := play(t, q, options(), kindOf(rec.method("run", func(ctx context.Context, rows []int64) error {
			if len(rows) == 1 {
				return nil // it crashes in company only
			}
			return crashing(13)(ctx, rows)
		}), rec.method("other", nil)))
		time.Sleep(10 * time.Second)
		s.end()
		if got := fmt.Sprint(q.crashed); got != "[[1 2 4]]" || q.how.How != "signal: killed" || q.how.Wrote != "a secret" {
			t.Errorf("crashes reported of %s: %+v", got, q.how)
		}
		if want := `calls=3 ids="[1 2 4]" pid=4711`; !strings.Contains(s.log.String(), want) {
			t.Errorf("the log has no %s: %s", want, s.log)
		}
		q.want(t, 1, "[2]")
		q.want(t, 2, "[26]")
		q.want(t, 3, "[6]")
		q.want(t, 4, "[8]")
		if len(q.released) > 0 || len(q.doubled) > 0 {
			t.Errorf("given back %v, ended twice %v", q.released, q.doubled)
		}
		if want := "run[1 13 4] other[3] run[1] run[13] run[4]"; rec.String() != want {
			t.Errorf("ran %s, want %s", rec, want)
		}
		wantMetric(t, s, `ekiben_crashes_total{runner="fake"} 1`)
		wantMetric(t, s, `ekiben_bisections_total{method="run",runner="fake"} 0`)
		wantMetric(t, s, `ekiben_calls_finished_total{method="run",outcome="failed",runner="fake"} 0`)
	})
}

// Each execution that crashes is a crash of its own, and only of those in it.
func TestCrashesInABisectionAreReportedApart(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		q.buries = true
		q.put(call(1, 1), call(2, 2), call(3, 13), call(4, 4))
		s := play(t, q, options(), kindOf(double("run", func(ctx context.Context, rows []int64) error {
			if len(rows) == 4 {
				return errBroken
			}
			return crashing(1, 13)(ctx, rows)
		})))
		time.Sleep(10 * time.Second)
		s.end()
		if got := fmt.Sprint(q.crashed); got != "[[1 2] [3 4]]" {
			t.Errorf("crashes reported of %s, want of each half", got)
		}
		wantMetric(t, s, `ekiben_crashes_total{runner="fake"} 2`)
	})
}

func TestCallsThatAreGivenUpCountAsFailed(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		q.buries = true
		q.put(call(1, 13))
		s := play(t, q, options(), kindOf(double("run", crashing(13))))
		time.Sleep(10 * time.Second)
		if b := q.lastBeat(); b.Calls != 1 || b.Failed != 1 {
			t.Errorf("heartbeats tell of %d calls of which %d failed, want one", b.Calls, b.Failed)
		}
		s.end()
		wantMetric(t, s, `ekiben_calls_finished_total{method="run",outcome="failed",runner="fake"} 1`)
		if !strings.Contains(s.log.String(), "signal: killed") {
			t.Errorf("the log does not say what happened: %s", s.log)
		}
	})
}

func TestACrashIsReportedUntilThatSucceeds(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		q.buries = true
		q.failing["crashed"] = queue.ErrUnavailable
		q.put(call(1, 13))
		s := play(t, q, options(), kindOf(double("run", crashing(13))))
		time.Sleep(10 * time.Second)
		q.do(func() { delete(q.failing, "crashed") })
		time.Sleep(3 * time.Second)
		s.end()
		if len(q.crashed) != 1 || len(q.released) > 0 {
			t.Errorf("crashes reported of %v, given back %v; want one and none", q.crashed, q.released)
		}
	})
}

func TestCallsOfACrashThatCannotBeReportedAreGivenBack(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		q.failing["crashed"] = queue.ErrUnavailable
		q.put(call(1, 13), call(2, 2))
		s := play(t, q, options(), kindOf(double("run", crashing(13))))
		time.Sleep(20 * time.Second)
		s.end()
		if !slices.Equal(q.released, []string{"1", "2"}) {
			t.Errorf("given back %v, want both", q.released)
		}
	})
}

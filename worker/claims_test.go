package worker_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// heeding is a hook that takes so long, or until it is told to stop, which it
// keeps the time of.
func heeding(d time.Duration, stopped *time.Duration) func(context.Context, []int64) error {
	return func(ctx context.Context, _ []int64) error {
		began := time.Now()
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			*stopped = time.Since(began)
			return ctx.Err()
		}
	}
}

// wantCalm checks that no call was counted as failed, bisected or complained of.
func wantCalm(t *testing.T, s *stage) {
	t.Helper()
	wantMetric(t, s, `ekiben_calls_finished_total{method="run",outcome="failed",runner="fake"} 0`)
	wantMetric(t, s, `ekiben_bisections_total{method="run",runner="fake"} 0`)
	if log := s.log.String(); strings.Contains(log, "failed") {
		t.Errorf("the log says that calls failed: %s", log)
	}
	if b := s.queue.lastBeat(); b.Failed != 0 {
		t.Errorf("heartbeats say that %d calls failed", b.Failed)
	}
}

func TestABatchThatNobodyWantsIsStopped(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		q.put(call(1, 1), call(2, 2))
		var stopped time.Duration
		s := play(t, q, options(), kindOf(double("run", heeding(time.Minute, &stopped))))
		time.Sleep(5 * time.Second)
		q.do(func() { q.canceled = []string{"1", "2"} })
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if stopped < 5*time.Second || stopped > 6200*time.Millisecond {
			t.Errorf("stopped after %s, want about a second after 5s", stopped)
		}
		q.want(t, 1, "canceled")
		q.want(t, 2, "canceled")
		s.end()
		wantCalm(t, s)
		wantMetric(t, s, `ekiben_calls_finished_total{method="run",outcome="canceled",runner="fake"} 2`)
		wantMetric(t, s, `ekiben_calls_finished_total{method="run",outcome="succeeded",runner="fake"} 0`)
	})
}

func TestACanceledCallDoesNotHarmItsBatch(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		q.put(call(1, 1), call(2, 2), call(3, 3))
		q.canceled, q.lost = []string{"1"}, []string{"3"}
		var stopped time.Duration
		s := play(t, q, options(), kindOf(double("run", heeding(10*time.Second, &stopped))))
		time.Sleep(11 * time.Second)
		s.end()
		q.want(t, 2, "[4]")
		if stopped != 0 {
			t.Errorf("stopped after %s, although one call is wanted", stopped)
		}
		wantCalm(t, s)
	})
}

func TestCanceledCallsAreNotExecuted(t *testing.T) {
	t.Parallel()

	t.Run("behind another batch", func(t *testing.T) {
		t.Parallel()

		synctest.Test(t, func(t *testing.T) {
			rec := &recorder{}
			q := newFakeQueue()
			q.canceled = []string{"2", "5"}
			q.put(call(1, 1), callOf("other", 2, 2), callOf("other", 3, 3), callOf("third", 5, 5))
			s := play(t, q, options(), kindOf(rec.method("run", slow(5*time.Second)), rec.method("other", nil), rec.method("third", nil)))
			time.Sleep(10 * time.Second)
			s.end()
			q.want(t, 1, "[2]")
			q.want(t, 2, "canceled")
			q.want(t, 3, "[6]")
			q.want(t, 5, "canceled")
			if rec.String() != "run[1] other[3]" {
				t.Errorf("ran %s, want run[1] other[3]", rec)
			}
		})
	})

	t.Run("in a step of a bisection", func(t *testing.T) {
		t.Parallel()

		synctest.Test(t, func(t *testing.T) {
			rec := &recorder{}
			q := newFakeQueue()
			q.canceled = []string{"2", "4"}
			q.put(call(1, 1), call(2, 2), call(3, 3), call(4, 4))
			s := play(t, q, options(), kindOf(rec.method("run", func(ctx context.Context, rows []int64) error {
				time.Sleep(3 * time.Second)
				return broken(1)(ctx, rows)
			})))
			time.Sleep(20 * time.Second)
			s.end()
			q.want(t, 1, queue.CodeRunnerFailed)
			q.want(t, 2, "canceled")
			q.want(t, 3, "[6]")
			q.want(t, 4, "canceled")
			if want := "run[1 2 3 4] run[1] run[3]"; rec.String() != want {
				t.Errorf("ran %s, want %s", rec, want)
			}
		})
	})

	t.Run("in a load that was cut ahead", func(t *testing.T) {
		t.Parallel()

		synctest.Test(t, func(t *testing.T) {
			rec := &recorder{}
			q := newFakeQueue()
			q.cutTakes = 10 * time.Millisecond
			s := play(t, q, options(), kindOf(rec.method("run", func(_ context.Context, rows []int64) error {
				time.Sleep(time.Duration(rows[0]) * time.Second)
				return nil
			})))
			q.put(call(1, 1)) // a batch takes a second,
			time.Sleep(5 * time.Second)
			q.put(call(2, 6)) // but this one
			time.Sleep(500 * time.Millisecond)
			q.put(call(3, 3))
			q.do(func() { q.canceled = []string{"3"} })
			time.Sleep(20 * time.Second)
			s.end()
			q.want(t, 2, "[12]")
			q.want(t, 3, "canceled")
			if rec.String() != "run[1] run[6]" {
				t.Errorf("ran %s, want run[1] run[6]", rec)
			}
		})
	})
}

func TestABatchThatOthersRunIsStoppedAndGivenBack(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		q.put(call(1, 1), call(2, 2))
		var stopped time.Duration
		s := play(t, q, options(), kindOf(double("run", heeding(time.Minute, &stopped))))
		time.Sleep(5 * time.Second)
		q.do(func() { q.lost, q.canceled = []string{"1"}, []string{"2"} })
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if stopped < 5*time.Second || stopped > 6200*time.Millisecond {
			t.Errorf("stopped after %s, want about a second after 5s", stopped)
		}
		q.do(func() {
			if !slices.Equal(q.released, []string{"1"}) {
				t.Errorf("let go of %v, want call 1", q.released)
			}
		})
		s.end() // without ErrDrained
		q.want(t, 1, "none")
		q.want(t, 2, "canceled")
		wantCalm(t, s)
	})
}

func TestALostCallIsNotBisected(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		rec := &recorder{}
		q := newFakeQueue()
		q.lost = []string{"1"}
		q.put(call(1, 1), call(2, 2))
		s := play(t, q, options(), kindOf(rec.method("run", func(ctx context.Context, rows []int64) error {
			time.Sleep(3 * time.Second)
			return broken(1)(ctx, rows)
		})))
		time.Sleep(10 * time.Second)
		s.end()
		q.want(t, 1, "none")
		q.want(t, 2, "[4]")
		if want := "run[1 2] run[2]"; rec.String() != want {
			t.Errorf("ran %s, want %s", rec, want)
		}
	})
}

// A success of anyone counts, so a method that does not stop has not run in vain.
func TestResultsOfLostCallsAreSent(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		q.lost = []string{"1"}
		q.put(call(1, 1))
		s := play(t, q, options(), kindOf(double("run", slow(5*time.Second))))
		time.Sleep(10 * time.Second)
		s.end()
		q.want(t, 1, "[2]")
	})
}

func TestWhatCannotBeRenewedIsLost(t *testing.T) {
	t.Parallel()

	t.Run("at four fifths of a lease", func(t *testing.T) {
		t.Parallel()

		synctest.Test(t, func(t *testing.T) {
			q := newFakeQueue()
			q.failing["renew"] = queue.ErrUnavailable
			q.put(call(1, 1))
			var stopped time.Duration
			s := play(t, q, options(), kindOf(double("run", heeding(13*time.Second, &stopped))))
			time.Sleep(12500 * time.Millisecond)
			synctest.Wait()
			if stopped != 12*time.Second {
				t.Errorf("stopped after %s, want 12s", stopped)
			}
			s.end()
			if !slices.Equal(q.released, []string{"1"}) {
				t.Errorf("given back %v, want call 1", q.released)
			}
			wantCalm(t, s)
			if !strings.Contains(s.log.String(), "could not be renewed") {
				t.Errorf("the log does not say so: %s", s.log)
			}
		})
	})

	t.Run("counted from the last renewal", func(t *testing.T) {
		t.Parallel()

		synctest.Test(t, func(t *testing.T) {
			q := newFakeQueue()
			q.put(call(1, 1))
			var stopped time.Duration
			s := play(t, q, options(), kindOf(double("run", heeding(time.Hour, &stopped))))
			time.Sleep(30 * time.Second)
			q.do(func() { q.failing["renew"] = queue.ErrUnavailable })
			time.Sleep(15 * time.Second)
			s.end()
			if stopped < 40800*time.Millisecond || stopped > 42*time.Second {
				t.Errorf("stopped after %s, want 12s after the last renewal before 30s", stopped)
			}
		})
	})

	t.Run("also after a time with nothing to renew", func(t *testing.T) {
		t.Parallel()

		synctest.Test(t, func(t *testing.T) {
			q := newFakeQueue()
			q.put(call(1, 1))
			var stopped time.Duration
			s := play(t, q, options(), kindOf(double("run", heeding(14*time.Second, &stopped))))
			time.Sleep(60 * time.Second)
			q.want(t, 1, "[2]")
			q.do(func() { q.failing["renew"] = queue.ErrUnavailable })
			q.put(call(2, 2))
			time.Sleep(13 * time.Second)
			s.end()
			q.want(t, 2, "none")
			if stopped != 12*time.Second {
				t.Errorf("stopped after %s, want 12s", stopped)
			}
		})
	})

	t.Run("unless it is renewed in time", func(t *testing.T) {
		t.Parallel()

		synctest.Test(t, func(t *testing.T) {
			q := newFakeQueue()
			q.failing["renew"] = queue.ErrUnavailable
			q.put(call(1, 1))
			var stopped time.Duration
			s := play(t, q, options(), kindOf(double("run", heeding(time.Minute, &stopped))))
			time.Sleep(10 * time.Second)
			q.do(func() { delete(q.failing, "renew") })
			time.Sleep(time.Minute)
			s.end()
			q.want(t, 1, "[2]")
		})
	})

	t.Run("but a result is sent", func(t *testing.T) {
		t.Parallel()

		synctest.Test(t, func(t *testing.T) {
			q := newFakeQueue()
			q.failing["renew"] = queue.ErrUnavailable
			q.put(call(1, 1))
			s := play(t, q, options(), kindOf(double("run", slow(20*time.Second))))
			time.Sleep(30 * time.Second)
			s.end()
			q.want(t, 1, "[2]")
		})
	})
}

// What a renewal says of a call does not concern the same call when it comes
// back, be it retried or taken again.
func TestACallThatComesAgainIsANewOne(t *testing.T) {
	t.Parallel()

	t.Run("after it was canceled", func(t *testing.T) {
		t.Parallel()

		synctest.Test(t, func(t *testing.T) {
			q := newFakeQueue()
			q.canceled = []string{"1"}
			q.put(call(1, 1))
			var stopped time.Duration
			s := play(t, q, options(), kindOf(double("run", heeding(5*time.Second, &stopped))))
			time.Sleep(4 * time.Second)
			q.want(t, 1, "canceled")
			q.do(func() {
				q.canceled = nil
				clear(q.replies)
			})
			q.put(call(1, 1))
			time.Sleep(6 * time.Second)
			s.end()
			q.want(t, 1, "[2]")
		})
	})

	t.Run("while the answer is under way", func(t *testing.T) {
		t.Parallel()

		synctest.Test(t, func(t *testing.T) {
			q := newFakeQueue()
			q.renewing = 2 * time.Second
			q.lost = []string{"1"}
			var stopped time.Duration
			s := play(t, q, options(), kindOf(double("run", heeding(10*time.Second, &stopped))))
			for asked := 0; asked == 0; time.Sleep(time.Millisecond) {
				asked = len(q.times("renew"))
			}
			q.put(call(1, 1))
			time.Sleep(20 * time.Second)
			s.end()
			q.want(t, 1, "[2]")
			if stopped != 0 {
				t.Errorf("stopped after %s by an answer that was older than the call", stopped)
			}
		})
	})
}

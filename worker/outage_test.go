package worker_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben/ekiben/queue"
)

func TestAWorkerSurvivesAnOutageOfTheQueue(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		s := play(t, q, options(), kindOf(double("run", nil)))
		time.Sleep(5 * time.Second)
		q.do(func() { q.down = true })
		time.Sleep(time.Minute)
		q.do(func() { q.down = false })
		q.put(call(1, 1))
		time.Sleep(5 * time.Second)
		q.want(t, 1, "[2]")
		s.end()

		var last time.Duration
		tries := 0
		for _, at := range q.times("cut") {
			if at > 6*time.Second && at < 65*time.Second {
				if pause := at - last; tries > 0 && (pause < 50*time.Millisecond || pause > 2*time.Second) {
					t.Errorf("%s between two tries, want 50ms to 2s", pause)
				}
				tries++
			}
			last = at
		}
		if tries < 25 || tries > 70 {
			t.Errorf("%d tries in a minute", tries)
		}
		if n := strings.Count(s.log.String(), "trying on"); n != 1 {
			t.Errorf("%d lines say that the queue is away, want 1:\n%s", n, s.log)
		}
		if n := strings.Count(s.log.String(), "available again"); n != 1 {
			t.Errorf("%d lines say that the queue is back, want 1", n)
		}
	})
}

func TestFinishIsTriedUntilItSucceeds(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		q.failing["finish"] = queue.ErrUnavailable
		q.put(call(1, 1))
		s := play(t, q, options(), kindOf(double("run", nil)))
		time.Sleep(10 * time.Second)
		q.do(func() { delete(q.failing, "finish") })
		time.Sleep(3 * time.Second)
		q.want(t, 1, "[2]")
		s.end()
		wantMetric(t, s, `ekiben_calls_finished_total{method="run",outcome="succeeded",runner="fake"} 1`)
	})
}

// What cannot be finished within a lease is somebody else's.
func TestFinishIsGivenUpWhenTheLeaseIsOver(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		q.failing["finish"] = queue.ErrUnavailable
		q.put(call(1, 1))
		s := play(t, q, options(), kindOf(double("run", nil)))
		time.Sleep(20 * time.Second)
		s.end()
		if len(q.released) != 1 {
			t.Errorf("given back %v, want call 1", q.released)
		}
		if at := q.times("release"); len(at) != 1 || at[0] < 15*time.Second || at[0] > 18*time.Second {
			t.Errorf("given up after %s, want once, soon after 15s", at)
		}
		if !strings.Contains(s.log.String(), "gave up") {
			t.Errorf("the log does not say so: %s", s.log)
		}
	})
}

func TestLeasesAreRenewedWhileABatchRuns(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		q.put(call(1, 1))
		s := play(t, q, options(), kindOf(double("run", slow(time.Minute))))
		time.Sleep(30 * time.Second)
		q.do(func() { q.lost = []string{"1"} })
		time.Sleep(30 * time.Second)
		at := q.times("renew")
		if len(at) < 50 || len(at) > 75 {
			t.Errorf("%d renewals in a minute, want one about every second", len(at))
		}
		for i, t0 := range at[1:] {
			if gap := t0 - at[i]; gap < 800*time.Millisecond || gap > 1200*time.Millisecond {
				t.Errorf("%s between two renewals, want a second, give or take a fifth", gap)
			}
		}
		s.end()
		wantMetric(t, s, `ekiben_lost_leases_total{runner="fake"} 1`)
	})
}

// Leases are renewed while the worker drains, too.
func TestLeasesAreRenewedWhileDraining(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		q.put(call(1, 1))
		s := play(t, q, options(), kindOf(double("run", slow(20*time.Second))))
		time.Sleep(time.Second)
		s.end()
		if n := len(q.times("renew")); n < 16 {
			t.Errorf("%d renewals in 20s, want 16 or more", n)
		}
	})
}

func TestShortLeasesAreRenewedFourTimesEach(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		q.lease = time.Second
		q.put(call(1, 1))
		s := play(t, q, options(), kindOf(double("run", slow(10*time.Second))))
		time.Sleep(11 * time.Second)
		s.end()
		if n := len(q.times("renew")); n < 36 || n > 56 {
			t.Errorf("%d renewals in 11s, want about 44", n)
		}
	})
}

// Leases on what is not given back would be renewed for ever.
func TestReleaseIsTriedUntilItSucceeds(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		q.failing["finish"], q.failing["release"] = queue.ErrUnavailable, queue.ErrUnavailable
		q.put(call(1, 1))
		s := play(t, q, options(), kindOf(double("run", nil)))
		time.Sleep(time.Minute)
		q.do(func() { delete(q.failing, "release") })
		time.Sleep(3 * time.Second)
		q.do(func() {
			if len(q.released) != 1 {
				t.Errorf("given back %v, want call 1", q.released)
			}
		})
		s.end()
	})
}

func TestAWorkerThatStopsLeavesWhatItCannotGiveBack(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		q.failing["finish"], q.failing["release"] = queue.ErrUnavailable, queue.ErrUnavailable
		q.put(call(1, 1))
		s := play(t, q, options(), kindOf(double("run", nil)))
		time.Sleep(time.Minute)
		before := time.Now()
		s.end()
		if took := time.Since(before); took > time.Second || len(q.released) != 1 {
			t.Errorf("stopped after %s and gave back %v, want at once, and call 1 by leaving", took, q.released)
		}
	})
}

func TestASweepTellsWhatItFound(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		s := play(t, q, options(), kindOf(double("run", nil)))
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if log := s.log.String(); strings.Contains(log, "left behind") {
			t.Errorf("nothing was found, but the log says: %s", log)
		}
		q.do(func() { q.swept = queue.Swept{Orphans: 2} })
		time.Sleep(3 * time.Second)
		s.end()
		if log := s.log.String(); !strings.Contains(log, "reclaimed=0 buried=0 missing=0 orphans=2") {
			t.Errorf("two orphans were found, but the log says: %s", log)
		}
	})
}

func TestTheQueueIsSweptAboutEverySecond(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		s := play(t, q, options(), kindOf(double("run", nil)))
		time.Sleep(time.Minute)
		s.end()
		if n := len(q.times("sweep")); n < 50 || n > 75 {
			t.Errorf("%d sweeps in a minute", n)
		}
	})
}

// One thing that fails all the time is said once, whatever else succeeds.
func TestAStepThatKeepsFailingIsLoggedOnce(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		q.failing["sweep"] = queue.ErrUnavailable
		s := play(t, q, options(), kindOf(double("run", nil)))
		time.Sleep(30 * time.Second)
		q.do(func() { delete(q.failing, "sweep") })
		time.Sleep(3 * time.Second)
		s.end()
		log := s.log.String()
		if strings.Count(log, "trying on") != 1 || strings.Count(log, "available again") != 1 {
			t.Errorf("want one line when it begins and one when it ends:\n%s", log)
		}
	})
}

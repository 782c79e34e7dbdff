package worker_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben/ekiben/runnables"
)

// learnt is a worker whose method takes a second a batch, and that knows it.
func learnt(t *testing.T, q *fakeQueue) *stage {
	t.Helper()
	q.cutTakes = 10 * time.Millisecond
	q.put(call(100, 1))
	s := play(t, q, options(), kindOf(double("run", slow(time.Second))))
	time.Sleep(10 * time.Second)
	q.want(t, 100, "[2]")
	return s
}

func TestTheNextBatchIsCutWhenTheRunningOneIsAboutToEnd(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		s := learnt(t, q)
		q.put(call(1, 1))
		time.Sleep(500 * time.Millisecond)
		q.put(call(2, 2))
		time.Sleep(10 * time.Second)
		s.end()
		cuts, ends := q.times("cut"), q.times("finish")
		if len(ends) != 3 || ends[2]-ends[1] != time.Second {
			t.Fatalf("batches ended at %v, want the last two a second apart", ends)
		}
		// Asked ten milliseconds before the end, the answer is there at the end.
		if !slices.Contains(cuts, ends[1]) {
			t.Errorf("cuts at %v, want one at %v", cuts, ends[1])
		}
		if wait := q.replies["2"].Timing.Batch; wait > 11*time.Millisecond {
			t.Errorf("the second call was cut %s before it ran", wait)
		}
	})
}

// What the question asked ahead found waiting is not forgotten, even if another
// instance heard the bell and came to nothing.
func TestCallsFoundAheadWaitNoLongerThanTheyMay(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		q.cutTakes = time.Millisecond
		r := options()
		r.Batching, r.MaxLatency = runnables.BatchFixed, 100*time.Millisecond
		s := play(t, q, r, kindOf(double("run", slow(time.Second))))
		q.put(call(1, 1))
		time.Sleep(5 * time.Second)
		q.put(call(2, 2))
		time.Sleep(1050 * time.Millisecond)
		q.put(call(3, 3)) // while the second runs, for some 50ms more
		q.do(func() { q.bell = false })
		time.Sleep(5 * time.Second)
		s.end()
		q.want(t, 3, "[6]")
		if waited := q.replies["3"].Timing.Queue; waited < 100*time.Millisecond || waited > 110*time.Millisecond {
			t.Errorf("the call waited %s for company, want 100ms", waited)
		}
	})
}

// After a batch that left nothing behind no question is asked until a call comes.
func TestAnIdleInstanceWaitsForTheBell(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		s := play(t, q, options(), kindOf(double("run", nil)))
		q.put(call(1, 1))
		time.Sleep(500 * time.Millisecond)
		before := len(q.times("cut"))
		time.Sleep(400 * time.Millisecond)
		q.put(call(2, 2))
		time.Sleep(10 * time.Millisecond)
		if n := len(q.times("cut")) - before; n != 1 {
			t.Errorf("%d questions for one call, want 1", n)
		}
		q.want(t, 2, "[4]")
		s.end()
	})
}

// A slow reply, a batch that has run, and one cut ahead are all that an instance
// holds, however much waits.
func TestAnInstanceHoldsNoMoreThanOneBatchAhead(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		q.cutTakes, q.finishing = time.Millisecond, time.Second
		r := options()
		r.MaxBatchSize = 1
		s := play(t, q, r, kindOf(double("run", slow(100*time.Millisecond))))
		for i := range 20 {
			q.put(call(i, int64(i)))
		}
		time.Sleep(30 * time.Second)
		s.end()
		if len(q.replies) != 20 || q.mostHeld != 3 {
			t.Errorf("%d calls were answered, at most %d held at a time; want 20 and 3", len(q.replies), q.mostHeld)
		}
	})
}

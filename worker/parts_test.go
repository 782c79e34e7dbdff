package worker_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

// borrower is a method that joins its calls itself, and lends its outputs.
type borrower struct {
	queue *fakeQueue

	seen     []string // the values of each part of each execution
	lent     atomic.Int64
	answered []int // calls that had a reply at each release
	short    bool  // one row is missing
}

func (b *borrower) method() runnables.Method {
	m := double("run", nil)
	run := m.Run
	m.Run = func(context.Context, []tensor.Tensor) ([]tensor.Tensor, error) { return nil, errBroken }
	m.RunParts = func(ctx context.Context, parts [][]tensor.Tensor) (runnables.Outputs, error) {
		b.seen = append(b.seen, partsOf(parts[0]))
		joined, err := tensor.Concat(0, parts[0])
		if err != nil {
			return runnables.Outputs{}, err
		}
		outputs, err := run(ctx, []tensor.Tensor{joined})
		if err != nil {
			return runnables.Outputs{}, err
		}
		if b.short {
			outputs[0], err = tensor.Of([]int{0}, []int64{})
		}
		b.lent.Add(1)
		return runnables.Outputs{Tensors: outputs, Release: b.release}, err
	}
	return m
}

func (b *borrower) release() {
	b.lent.Add(-1)
	b.queue.do(func() { b.answered = append(b.answered, len(b.queue.replies)) })
}

func partsOf(ts []tensor.Tensor) (s string) {
	for _, t := range ts {
		values, err := tensor.Values[int64](t)
		if err != nil {
			return err.Error()
		}
		s += fmt.Sprint(values)
	}
	return s
}

func TestAMethodCanJoinItsCallsItselfAndLendItsOutputs(t *testing.T) {
	t.Parallel()

	for _, c := range []struct {
		name     string
		seen     string
		answered []int
		calls    [][]int64
	}{
		{"together", "[[1 2][3]]", []int{2}, [][]int64{{1, 2}, {3}}},
		{"in pieces, whose outputs are copied before the reply", "[[1 2 3 4 5 6 7 8] [9]]", []int{0, 0}, [][]int64{{1, 2, 3, 4, 5, 6, 7, 8, 9}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := newFakeQueue()
				q.finishing = 50 * time.Millisecond
				for i, values := range c.calls {
					q.put(call(i, values...))
				}
				b := &borrower{queue: q}
				s := play(t, q, options(), kindOf(b.method()))
				time.Sleep(time.Second)
				s.end()
				if fmt.Sprint(b.seen) != c.seen {
					t.Errorf("the method saw %v, want %s", b.seen, c.seen)
				}
				if !slices.Equal(b.answered, c.answered) {
					t.Errorf("outputs were given back when %v calls had replies, want %v", b.answered, c.answered)
				}
				for i, values := range c.calls {
					q.want(t, i, fmt.Sprint(doubled(values)))
				}
			})
		})
	}
}

func TestOutputsThatAreNotUsedAreGivenBack(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		q.put(call(1, 1), call(2, 2))
		b := &borrower{queue: q, short: true}
		s := play(t, q, options(), kindOf(b.method()))
		time.Sleep(time.Second)
		s.end()
		if n := len(b.answered); n != 3 || b.lent.Load() != 0 { // both, then each
			t.Errorf("%d outputs were given back and %d not, want 3 and 0", n, b.lent.Load())
		}
	})
}

// guarded is a runnable that can be away.
type guarded struct {
	runnables.Runnable
	back chan struct{} // closed when it is here
}

func (g guarded) Ready(ctx context.Context) error {
	select {
	case <-g.back:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// guard makes a kind whose instances are away until back is closed.
func guard(back chan struct{}, ms ...runnables.Method) runnables.Kind {
	return runnables.Kind{New: func(context.Context, runnables.Setup) (runnables.Runnable, error) {
		instance, err := runnables.New(ms...)
		return guarded{instance, back}, err
	}}
}

func TestAnInstanceThatIsAwayTakesNothing(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		back := make(chan struct{})
		s := play(t, q, options(), guard(back, double("run", nil)))
		q.put(call(1, 1))
		time.Sleep(3 * time.Second)
		if b := q.lastBeat(); b.Instances != 1 {
			t.Errorf("after three seconds %d instances count, want 1", b.Instances)
		}
		rings := 0
		q.do(func() { rings = q.rings })
		if rings == 0 {
			t.Error("no other instance was asked to come")
		}
		time.Sleep(10 * time.Second)
		left := 0
		q.do(func() { left = q.left })
		if why := s.worker.NotReady()[served]; left == 0 || !strings.Contains(why, "no instance: ") {
			t.Errorf("after ten seconds the worker left %d times and is not ready because of %q", left, why)
		}
		if q.mostHeld > 0 {
			t.Error("it took a call")
		}
		close(back)
		time.Sleep(time.Second)
		q.want(t, 1, "[2]")
		if b := q.lastBeat(); b.Instances != 1 {
			t.Errorf("back again %d instances count, want 1", b.Instances)
		}
		if !s.worker.Ready() {
			t.Errorf("back again it is not ready: %v", s.worker.NotReady())
		}
		s.end()
	})
}

// flaky is a runnable that is away from its first crash on.
type flaky struct {
	runnables.Runnable
	gone *atomic.Bool
}

func (f flaky) Ready(ctx context.Context) error {
	if !f.gone.Load() {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

// Of what was cut together with the calls that crashed, an instance that does not
// come back keeps nothing until it is too late.
func TestWhatACrashLeavesOfALoadIsGivenBack(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		q.put(callOf("run", 1, 13), callOf("other", 2, 1), callOf("third", 3, 1))
		q.buries = true
		var gone atomic.Bool
		rec := &recorder{}
		crash := rec.method("run", func(ctx context.Context, rows []int64) error {
			gone.Store(true)
			return crashing(13)(ctx, rows)
		})
		s := play(t, q, options(), runnables.Kind{New: func(context.Context, runnables.Setup) (runnables.Runnable, error) {
			instance, err := runnables.New(crash, rec.method("other", nil), rec.method("third", nil))
			return flaky{instance, &gone}, err
		}})
		time.Sleep(20 * time.Second)
		q.do(func() {
			if fmt.Sprint(q.crashed) != "[[1]]" || !slices.Equal(q.released, []string{"2", "3"}) {
				t.Errorf("crashes reported of %v, given back %v, want [[1]] and [2 3]", q.crashed, q.released)
			}
		})
		if rec.String() != "run[13]" {
			t.Errorf("ran %s", rec)
		}
		s.end()
	})
}

// slowly is a runnable that is a process which takes its time to end.
type slowly struct{ guarded }

func (slowly) Close() error {
	time.Sleep(2 * time.Second)
	return nil
}

func TestProcessesAreGivenTheirTimeToEndTogether(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		back := make(chan struct{})
		close(back)
		r := options()
		r.Replicas = 8
		s := play(t, newFakeQueue(), r, runnables.Kind{New: func(context.Context, runnables.Setup) (runnables.Runnable, error) {
			instance, err := runnables.New(double("run", nil))
			return slowly{guarded{instance, back}}, err
		}})
		time.Sleep(time.Second)
		began := time.Now()
		s.end()
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("eight processes took %v to end", took)
		}
	})
}

func TestAnInstanceThatIsAwayDoesNotKeepAWorkerFromEnding(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		s := play(t, q, options(), guard(make(chan struct{}), double("run", nil)))
		time.Sleep(time.Minute)
		s.end()
	})
}

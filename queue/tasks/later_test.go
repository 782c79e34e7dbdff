package tasks_test

import (
	"errors"
	"testing"
	"time"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/queue/tasks"
)

// delayed writes the errand of a job whose time is almost there.
func (q *fakeQueue) delayed() queue.Errand {
	e := queue.Errand{
		Kind: queue.ErrandLater, Runner: "echo", Job: queue.NewID("echo"), N: 3, At: time.Now().Truncate(time.Millisecond).UTC(),
	}
	q.change(func() { q.errands = append(q.errands, e) })
	return e
}

// broughtBack is how often a job was.
func (q *fakeQueue) broughtBack(e queue.Errand) (n int) {
	q.change(func() {
		for _, other := range q.ripened {
			if other == e {
				n++
			}
		}
	})
	return n
}

func TestTheTaskOfADelayedJobThatIsCanceledGoes(t *testing.T) {
	t.Parallel()

	q, at := newFakeQueue(), ownPlace(t)
	s := newServer(t, at, q, nil)
	later := queue.Errand{Kind: queue.ErrandLater, Runner: "echo", Job: queue.NewID("echo"), N: 2, At: time.Now().Add(time.Hour)}
	never := later
	never.Kind, never.At = queue.ErrandNever, time.Now()
	for _, c := range []struct {
		e    queue.Errand
		left int
	}{{never, 0}, {later, 1}, {never, 0}, {never, 0}} {
		q.change(func() { q.errands = append(q.errands, c.e) })
		if _, err := s.Flush(t.Context()); err != nil || q.left() != 0 {
			t.Fatalf("%s: %d errands are left, %v", c.e.ID(), q.left(), err)
		}
		if n := counts(t, at)[tasks.Scheduled]; n != c.left {
			t.Errorf("after %s %d are scheduled, want %d", c.e.ID(), n, c.left)
		}
	}
}

// A process dies at each step of a delayed job; another brings it back. Twice has
// the effect of once: the job's record says so.
func TestDelayedJobsOutliveProcessesAtEveryStep(t *testing.T) {
	t.Parallel()

	for name, step := range map[string]struct {
		die  func(t *testing.T, s *tasks.Server, q *fakeQueue, e queue.Errand)
		most int
	}{
		"the errand is written":           {func(*testing.T, *tasks.Server, *fakeQueue, queue.Errand) {}, 1},
		"asynq has it, it is not removed": {notRemoved, 2}, // it is handed over again, which may be when the first is through
		"asynq has it":                    {handedOver, 1},
		"redis does not answer when it is to be brought back": {func(t *testing.T, s *tasks.Server, q *fakeQueue, e queue.Errand) {
			t.Helper()
			q.change(func() { q.ripenErr = queue.ErrUnavailable })
			if err := s.Handle(t.Context(), e); !errors.Is(err, queue.ErrUnavailable) || tasks.IsFailure(err) {
				t.Fatal(err)
			}
			q.change(func() { q.ripenErr = nil })
		}, 1},
		"it is brought back, asynq does not know": {doneUnheard, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			q, at := newFakeQueue(), ownPlace(t)
			e := q.delayed()
			step.die(t, newServer(t, at, q, nil), q, e)
			start(t, newServer(t, at, q, nil))
			eventually(t, "the job", func() bool { return q.broughtBack(e) > 0 && q.left() == 0 })
			eventually(t, "an empty queue", func() bool {
				c := counts(t, at)
				return c[tasks.Active]+c[tasks.Waiting]+c[tasks.Scheduled] == 0
			})
			if n := q.broughtBack(e); n > step.most {
				t.Errorf("it was brought back %d times, want at most %d", n, step.most)
			}
		})
	}
}

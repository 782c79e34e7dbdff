package tasks_test

import (
	"errors"
	"testing"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/queue/tasks"
)

// How far a process comes with an errand before it dies, whatever the errand is.

// handedOver: asynq has it.
func handedOver(t *testing.T, s *tasks.Server, _ *fakeQueue, _ queue.Errand) {
	t.Helper()
	if _, err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// notRemoved: asynq has it, and it is in the outbox still.
func notRemoved(t *testing.T, s *tasks.Server, q *fakeQueue, _ queue.Errand) {
	t.Helper()
	q.change(func() { q.keepErrands = true })
	if _, err := s.Flush(t.Context()); !errors.Is(err, queue.ErrUnavailable) {
		t.Fatal(err)
	}
	q.change(func() { q.keepErrands = false })
}

// doneUnheard: it is done, and asynq does not know.
func doneUnheard(t *testing.T, s *tasks.Server, q *fakeQueue, e queue.Errand) {
	t.Helper()
	handedOver(t, s, q, e)
	if err := s.Handle(t.Context(), e); err != nil {
		t.Fatal(err)
	}
}

package tasks

import (
	"context"
	"time"

	"github.com/hibiken/asynq"

	"github.com/ekiben/ekiben/internal/webhook"
	"github.com/ekiben/ekiben/queue"
)

// What tests drive by hand.
const (
	DeliverFor  = deliverFor
	HandlerTime = handlerTime
)

// Handle runs the handler of an errand, as asynq would.
func (s *Server) Handle(ctx context.Context, e queue.Errand) error {
	t, _ := taskOf(e, s.names)
	return s.handle(ctx, t)
}

// HandleRaw runs the handler of a task that may be none of ours.
func (s *Server) HandleRaw(ctx context.Context, kind, payload string) error {
	return s.handle(ctx, asynq.NewTask(kind, []byte(payload)))
}

// Flush hands errands over once.
func (s *Server) Flush(ctx context.Context) (int, error) { return s.outbox.flush(ctx) }

// Sweep looks after asynq; tasks without a lease are left for so long.
func (s *Server) Sweep(ctx context.Context, orphan time.Duration) error {
	s.sweeper.orphan = orphan
	return s.sweeper.sweep(ctx)
}

// Tick makes the sweep of a tick.
func (s *Server) Tick(ctx context.Context, tick string) error { return s.sweeper.enqueue(ctx, tick) }

// Judge decides on a delivery.
func Judge(o webhook.Outcome, n int, age time.Duration, chance float64) (queue.HookState, time.Duration) {
	v := judge(o, n, age, chance)
	return v.state, v.after
}

// RetryDelay and IsFailure are asynq's view of an error; Again is one that is usual.
func RetryDelay(n int, err error) time.Duration { return retryDelay(n, err, nil) }

// IsFailure reports whether an error counts against a task.
func IsFailure(err error) bool { return isFailure(err) }

// Again is the error of a task that is to be run again.
func Again(after time.Duration) error { return &againError{after, "again"} }

// ThereAndBack makes a task of an errand, and an errand of that.
func ThereAndBack(e queue.Errand) (queue.Errand, error) {
	t, _ := taskOf(e, namesOf("x"))
	return errandOf(t)
}

// SlotPatience is how long a delivery waits for its receiver.
const SlotPatience = slotPatience

// Receivers lets so many deliveries to a receiver go at once.
func Receivers(most int) (enter func(ctx context.Context, to string) (leave func(), after time.Duration)) {
	return newReceivers(most).enter
}

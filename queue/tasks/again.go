package tasks

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/hibiken/asynq"

	"github.com/ekiben/ekiben/internal/webhook"
	"github.com/ekiben/ekiben/queue"
)

const (
	// deliverFor is how long a webhook is tried.
	deliverFor = 24 * time.Hour

	// usualDelay is how long a task waits that failed of Redis, say.
	usualDelay, maxDelay = 5 * time.Second, time.Hour
)

// deliveryDelays are how long a webhook waits after each delivery that failed, and
// after the last of them again and again.
func deliveryDelays() []time.Duration {
	return []time.Duration{
		5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour,
	}
}

// verdict is what follows from a delivery: the state of the webhook and, while
// that is pending, when it is tried again.
type verdict struct {
	state queue.HookState
	after time.Duration
}

// judge decides on the nth delivery, counted from 1. age is how long the webhook
// has been tried for, chance is in [0, 1).
func judge(o webhook.Outcome, n int, age time.Duration, chance float64) verdict {
	switch {
	case o.Status >= 200 && o.Status < 300:
		return verdict{state: queue.HookDelivered}
	case o.Status == http.StatusGone:
		return verdict{state: queue.HookGone}
	case o.Refused:
		return verdict{state: queue.HookFailed}
	}
	delays := deliveryDelays()
	after := jittered(delays[min(max(n, 1), len(delays))-1], chance)
	left := deliverFor - age
	if o.RetryAfter > 0 {
		// Later than asked for, never sooner: receivers that ask many for the same
		// time would meet all of them then. What is asked for beyond the end is tried
		// a last time at the end.
		after = min(o.RetryAfter+time.Duration(chance*float64(o.RetryAfter)/10), left)
	}
	if left <= 0 || after > left {
		return verdict{state: queue.HookFailed}
	}
	return verdict{queue.HookPending, after}
}

// jittered is a time give or take a fifth.
func jittered(d time.Duration, chance float64) time.Duration {
	return time.Duration(float64(d) * (0.8 + 0.4*chance))
}

// againError means that a task is not done and is to be run again: nothing is
// wrong with it.
type againError struct {
	after time.Duration
	why   string
}

// Error says why.
func (e *againError) Error() string { return e.why }

// retryDelay is when asynq runs a task again that failed for the nth time.
func retryDelay(n int, err error, _ *asynq.Task) time.Duration {
	if again, ok := errors.AsType[*againError](err); ok {
		return again.after
	}
	return jittered(min(usualDelay<<min(n, 10), maxDelay), rand.Float64()) //nolint:gosec // not a secret
}

// isFailure reports whether an error counts against a task. What comes of Redis, of
// a process that ended, or of a receiver does not: the task goes on until it is done
// or its handler gives it up.
func isFailure(err error) bool {
	_, again := errors.AsType[*againError](err)
	return !again && !errors.Is(err, asynq.ErrLeaseExpired) && !errors.Is(err, queue.ErrUnavailable) &&
		!errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

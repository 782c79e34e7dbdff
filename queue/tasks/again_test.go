package tasks_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"pgregory.net/rapid"

	"github.com/ekiben/ekiben/internal/webhook"
	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/queue/tasks"
)

func TestWhatFollowsFromADelivery(t *testing.T) {
	t.Parallel()

	status := func(n int) webhook.Outcome { return webhook.Outcome{Status: n} }
	asked := func(n int, after time.Duration) webhook.Outcome { return webhook.Outcome{Status: n, RetryAfter: after} }
	for _, c := range []struct {
		name  string
		o     webhook.Outcome
		n     int
		age   time.Duration
		state queue.HookState
		after time.Duration
	}{
		{"taken", status(200), 1, 0, queue.HookDelivered, 0},
		{"taken late", status(299), 40, tasks.DeliverFor * 2, queue.HookDelivered, 0},
		{"gone", status(410), 1, 0, queue.HookGone, 0},
		{"refused", webhook.Outcome{Refused: true}, 1, 0, queue.HookFailed, 0},
		{"no answer", webhook.Outcome{}, 1, 0, queue.HookPending, 5 * time.Second},
		{"redirected", status(302), 2, 0, queue.HookPending, 30 * time.Second},
		{"not found", status(404), 3, 0, queue.HookPending, 2 * time.Minute},
		{"fourth", status(500), 4, 0, queue.HookPending, 10 * time.Minute},
		{"fifth", status(500), 5, 0, queue.HookPending, 30 * time.Minute},
		{"sixth", status(500), 6, 0, queue.HookPending, time.Hour},
		{"seventh", status(500), 7, 0, queue.HookPending, 2 * time.Hour},
		{"much later", status(500), 15, 20 * time.Hour, queue.HookPending, 2 * time.Hour},
		{"too late", status(500), 15, 23 * time.Hour, queue.HookFailed, 0},
		{"asked to wait", asked(429, 20*time.Second), 1, 0, queue.HookPending, 21 * time.Second},
		{"asked to wait for hours", asked(503, 10*time.Hour), 1, 0, queue.HookPending, 630 * time.Minute},
		{"asked to wait for days", asked(503, 50*time.Hour), 1, time.Hour, queue.HookPending, 23 * time.Hour},
		{"asked to wait at the end", asked(503, 50*time.Hour), 9, 24 * time.Hour, queue.HookFailed, 0},
		{"asked by another status", asked(500, time.Hour), 1, 0, queue.HookPending, 63 * time.Minute},
	} {
		if state, after := tasks.Judge(c.o, c.n, c.age, 0.5); state != c.state || after != c.after {
			t.Errorf("%s: got %s after %s, want %s after %s", c.name, state, after, c.state, c.after)
		}
	}
}

func TestDeliveriesEndAndAreSpread(t *testing.T) {
	t.Parallel()

	rapid.Check(t, func(t *rapid.T) {
		age, n := time.Duration(0), 0
		for {
			n++
			chance := rapid.Float64Range(0, 0.999).Draw(t, "chance")
			state, after := tasks.Judge(webhook.Outcome{Status: 500}, n, age, chance)
			if state == queue.HookFailed {
				break
			}
			if after < 4*time.Second || after > 144*time.Minute {
				t.Fatalf("delivery %d waits %s", n, after)
			}
			age += after
		}
		if age > tasks.DeliverFor || age < tasks.DeliverFor-3*time.Hour || n < 12 || n > 25 {
			t.Fatalf("gave up after %s and %d deliveries", age, n)
		}
	})
}

func TestWhatCountsAgainstATask(t *testing.T) {
	t.Parallel()

	for _, err := range []error{tasks.Again(time.Hour), asynq.ErrLeaseExpired, queue.ErrUnavailable, context.DeadlineExceeded, context.Canceled} {
		if tasks.IsFailure(errors.Join(err)) {
			t.Errorf("%v counts", err)
		}
	}
	if !tasks.IsFailure(errors.New("a fault of ours")) {
		t.Error("a fault of ours does not count")
	}
	if got := tasks.RetryDelay(3, tasks.Again(time.Hour)); got != time.Hour {
		t.Errorf("got %s, want an hour", got)
	}
	for n := range 40 {
		if got := tasks.RetryDelay(n, queue.ErrUnavailable); got < 4*time.Second || got > 72*time.Minute {
			t.Errorf("delay %d is %s", n, got)
		}
	}
}

func TestErrandsSurviveBeingTasks(t *testing.T) {
	t.Parallel()

	rapid.Check(t, func(t *rapid.T) {
		runner := rapid.StringMatching(`[a-z0-9]([-._a-z0-9]{0,20}[a-z0-9])?`).Draw(t, "runner")
		e := queue.Errand{
			Kind: rapid.SampledFrom([]queue.ErrandKind{queue.ErrandLater, queue.ErrandWebhook}).Draw(t, "kind"), Runner: runner,
			Job: queue.NewID(runner), N: rapid.IntRange(0, 1<<40).Draw(t, "n"),
			At: time.UnixMilli(rapid.Int64Range(0, 1<<50).Draw(t, "at")).UTC(),
		}
		if got, err := tasks.ThereAndBack(e); err != nil || got != e {
			t.Fatalf("got %+v, %v, want %+v", got, err, e)
		}
	})
}

package queue

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Hook is what became of a job's webhook.
type Hook struct {
	Webhook

	// N is that of the errand which is to deliver it, the last that was written;
	// earlier ones have nothing to do any more.
	N     int
	State HookState
	// Deliveries is how many were tried since the job ended, or since it was told
	// again that it had; Status and Answer are what came of the last:
	// the HTTP status, 0 if there was none, and how the body or the error begins.
	Deliveries int
	Status     int
	Answer     string
	// At is when that was.
	At time.Time
}

// HookState is where a webhook is.
type HookState string

// The states of a webhook. The zero state is that of a job which has not ended,
// or has none.
const (
	// HookPending: it is to be delivered.
	HookPending HookState = "pending"
	// HookDelivered: the receiver took it.
	HookDelivered HookState = "delivered"
	// HookFailed: it was tried for as long as it is.
	HookFailed HookState = "failed"
	// HookGone: the receiver wants no more (410).
	HookGone HookState = "gone"
)

// Hook returns what became of the webhook of a job. It returns [ErrUnknownJob];
// a job without a webhook has the zero Hook.
func (q *Queue) Hook(ctx context.Context, id string) (Hook, error) {
	runner, err := RunnerOf(id)
	if err != nil {
		return Hook{}, err
	}
	v, err := q.redis.HMGet(ctx, q.keys.job(runner, id), fieldState, "hook", "events", "hook_state", "deliveries",
		"hook_status", "hook_answer", "hook_at", "hooks").Result()
	if err != nil {
		return Hook{}, unavailable("read the webhook of job "+id, err)
	}
	if v[0] == nil {
		return Hook{}, fmt.Errorf("%w: %s", ErrUnknownJob, id)
	}
	h := Hook{
		Webhook: Webhook{URL: text(v[1])}, State: HookState(text(v[3])), Deliveries: int(number(v[4])),
		Status: int(number(v[5])), Answer: text(v[6]), At: at(v[7]), N: int(number(v[8])),
	}
	if events := text(v[2]); events != "" {
		for e := range strings.SplitSeq(events, ",") {
			h.Events = append(h.Events, State(e))
		}
	}
	return h, nil
}

// NoteHook writes down what came of a delivery of the errand N: state, deliveries,
// status and answer. It returns [ErrUnknownJob] if the record is not there any more,
// or does not wait for that errand.
func (q *Queue) NoteHook(ctx context.Context, id string, h Hook) error {
	return q.errandOf(ctx, id, ErrUnknownJob, "note", id, h.N, string(h.State), h.Deliveries, h.Status, h.Answer)
}

// Redeliver has the webhook of an ended job delivered again, and keeps its record for
// as long as that may take. It returns [ErrNotDone] for one that has not ended, has
// no webhook, or whose webhook is pending.
func (q *Queue) Redeliver(ctx context.Context, id string) error {
	if _, err := q.Hook(ctx, id); err != nil {
		return err
	}
	return q.errandOf(ctx, id, ErrNotDone, "again", id)
}

// errandOf runs the script, and returns none if it had no effect.
func (q *Queue) errandOf(ctx context.Context, id string, none error, args ...any) error {
	runner, err := RunnerOf(id)
	if err != nil {
		return err
	}
	answer, err := q.scripts.run(ctx, &q.scripts.errand, q.keys.shardKeys(runner), args...)
	if err != nil {
		return unavailable("write down the webhook of job "+id, err)
	}
	if number(answer) == 0 {
		return fmt.Errorf("%w: %s", none, id)
	}
	return nil
}

package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// DeadLetter is a call that was given up.
type DeadLetter struct {
	// ID finds it. It is not the call's.
	ID     string
	Runner string
	// Reason is why it was given up.
	Reason string
	// Died is when, Accepted when the call had been taken.
	Died, Accepted time.Time
	Rows           int
	Bytes          int64

	// Call is the call, with its inputs, as far as it can be read.
	Call Call
	// Job: a job's record stands, or stood, beside it.
	Job bool
	// Err is why it cannot be read, and so not redriven; nil if it can.
	Err error
}

// DeadLetters lists the dead letters of a runner, the oldest first, at most limit
// of them from the cursor on, "" being the start. next goes on behind them; "" if
// there is nothing more.
func (q *Queue) DeadLetters(ctx context.Context, runner, cursor string, limit int) (letters []DeadLetter, next string, err error) {
	if limit < 1 || limit > maxPage {
		return nil, "", fmt.Errorf("%w: a page of %d dead letters, want 1 to %d", ErrMalformed, limit, maxPage)
	}
	from := "-"
	if cursor != "" {
		if !isEntry(cursor) {
			return nil, "", fmt.Errorf("%w: %q is not a cursor of a list of dead letters", ErrMalformed, cursor)
		}
		from = "(" + cursor
	}
	messages, err := q.redis.XRangeN(ctx, q.keys.dead(runner), from, "+", int64(limit)).Result()
	if err != nil {
		return nil, "", unavailable("list dead letters of "+runner, err)
	}
	if letters, err = q.letters(ctx, runner, messages); err != nil {
		return nil, "", err
	}
	if len(messages) == limit {
		next = messages[limit-1].ID
	}
	return letters, next, nil
}

// DeadLetter returns one dead letter, or [ErrUnknownDeadLetter].
func (q *Queue) DeadLetter(ctx context.Context, runner, id string) (DeadLetter, error) {
	unknown := fmt.Errorf("%w: %q of runner %s", ErrUnknownDeadLetter, id, runner)
	if !isEntry(id) {
		return DeadLetter{}, unknown
	}
	messages, err := q.redis.XRangeN(ctx, q.keys.dead(runner), id, id, 1).Result()
	if err != nil {
		return DeadLetter{}, unavailable("read a dead letter of "+runner, err)
	}
	if len(messages) == 0 {
		return DeadLetter{}, unknown
	}
	letters, err := q.letters(ctx, runner, messages)
	if err != nil {
		return DeadLetter{}, err
	}
	return letters[0], nil
}

// letters reads dead letters with their inputs.
func (q *Queue) letters(ctx context.Context, runner string, messages []redis.XMessage) ([]DeadLetter, error) {
	letters, names := make([]DeadLetter, len(messages)), make([]string, len(messages))
	for i, m := range messages {
		letters[i], names[i] = letterOf(runner, m), text(m.Values["b"])
	}
	bodies, err := q.bodies(ctx, runner, names)
	if err != nil {
		return nil, err
	}
	for i := range letters {
		l := &letters[i]
		l.Bytes += int64(len(bodies[i]))
		l.Err = errors.Join(l.Err, l.Call.take(bodies[i]))
	}
	return letters, nil
}

// isEntry reports whether s looks like the id of a stream entry.
func isEntry(s string) bool {
	ms, seq, ok := strings.Cut(s, "-")
	digits := func(s string) bool { return s != "" && len(s) <= 20 && strings.Trim(s, "0123456789") == "" }
	return ok && digits(ms) && digits(seq)
}

func letterOf(runner string, m redis.XMessage) DeadLetter {
	ms, _, _ := strings.Cut(m.ID, "-")
	l := DeadLetter{
		ID: m.ID, Runner: runner, Reason: text(m.Values["reason"]), Died: time.UnixMilli(number(ms)).UTC(),
		Bytes: int64(len(text(m.Values["e"]))),
	}
	call, callErr := decodeEnvelope(bytesOf(text(m.Values["e"])))
	beside, besideErr := besideOf(text(m.Values["m"]))
	call.Runner = runner
	if besideErr == nil {
		l.Rows, l.Accepted, l.Job = beside.rows, at(int64(beside.accepted/time.Microsecond)), beside.job != ""
		call.Rows, call.Group, call.Timeout = beside.rows, beside.group, beside.deadline-beside.accepted
	}
	l.Call, l.Err = call, errors.Join(callErr, besideErr)
	return l
}

// Redrive queues the call of a dead letter again, as a job under the call's id
// and with the times that it had at first; the letter is gone then. Of the
// admission, only the bounds count. It returns [ErrNotRetryable] for a call that
// cannot be read or has been queued again already, or what [Producer.Submit]
// returns.
func (q *Queue) Redrive(ctx context.Context, runner, letter string, a Admission) (Job, error) {
	l, err := q.DeadLetter(ctx, runner, letter)
	if err != nil {
		return Job{}, err
	}
	if l.Err != nil {
		return Job{}, fmt.Errorf("%w: %w", ErrNotRetryable, l.Err)
	}
	l.Call.Attempt++
	return q.again(ctx, &l.Call, letter, a)
}

// DropDead drops a dead letter of a runner, or all with the id "". It returns
// [ErrUnknownDeadLetter] for one that is not there.
func (q *Queue) DropDead(ctx context.Context, runner, id string) error {
	if id != "" && !isEntry(id) {
		return fmt.Errorf("%w: %q of runner %s", ErrUnknownDeadLetter, id, runner)
	}
	answer, err := q.scripts.run(ctx, &q.scripts.drop, q.keys.shardKeys(runner), id)
	if err != nil {
		return unavailable("drop dead letters of "+runner, err)
	}
	if id != "" && number(answer) == 0 {
		return fmt.Errorf("%w: %q of runner %s", ErrUnknownDeadLetter, id, runner)
	}
	return nil
}

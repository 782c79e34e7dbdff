package queue

import (
	"context"
	"fmt"
	"time"
)

// BatchCounts are how many lines have ended.
type BatchCounts struct{ Completed, Failed int }

// BatchChange is what the owner of a batch notes about it.
type BatchChange struct {
	// State is a new one; "" is as before.
	State BatchState
	// Progress replaces what was noted before; nil is as before.
	Progress *BatchProgress
	// Live are lines that have ended, whether stored or not; nil is as before.
	Live *BatchCounts
	// Parts are those that were stored since.
	Parts []BatchPart
	// Err is why it failed.
	Err string
	// Retention is how long it is kept if it ends so.
	Retention time.Duration
}

func (c *BatchChange) fields() []any {
	var fs []any
	if c.Progress != nil {
		for name, n := range c.Progress.numbers() {
			fs = append(fs, name, *n)
		}
		fs = append(fs, "result_bytes", c.Progress.ResultBytes, "error_bytes", c.Progress.ErrorBytes)
	}
	if c.Live != nil {
		fs = append(fs, "completed", c.Live.Completed, "failed", c.Live.Failed)
	}
	for _, p := range c.Parts {
		fs = append(fs, p.field(), p.Name)
	}
	if c.Err != "" {
		fs = append(fs, "err", c.Err)
	}
	if c.State != "" {
		fs = append(fs, fieldState, string(c.State))
	}
	return fs
}

// ClaimBatch makes an owner the only one to run a batch, for the length of a
// lease. It returns [ErrBatchTaken] if the batch has ended or another owner has
// it.
func (q *Queue) ClaimBatch(ctx context.Context, id, owner string, lease time.Duration) error {
	_, err := q.changeBatch(ctx, id, "claim", hold{owner, lease}, BatchChange{State: BatchInProgress})
	return err
}

// NoteBatch notes what its owner has to say about a batch, and renews the lease;
// one of 0 gives the batch back. canceled: it is to be. It returns
// [ErrBatchTaken], and notes nothing, if the batch is not the owner's any more.
func (q *Queue) NoteBatch(ctx context.Context, id, owner string, lease time.Duration, c BatchChange) (canceled bool, err error) {
	canceled, err = q.changeBatch(ctx, id, "note", hold{owner, lease}, c)
	if err == nil && c.State.Terminal() {
		// Who finds it among the open ones after that takes it out too.
		err = q.closeBatch(ctx, id)
	}
	return canceled, err
}

// CancelBatch asks for the end of a batch, and returns it as it is then. One that
// has ended is unchanged.
func (q *Queue) CancelBatch(ctx context.Context, id string) (Batch, error) {
	_, err := q.scripts.run(ctx, &q.scripts.batch, []string{q.keys.batch(id)}, "ask", "", 0, 0, "cancel", "1")
	if err != nil {
		return Batch{}, unavailable("cancel batch "+id, err)
	}
	return q.Batch(ctx, id)
}

// hold is whose a batch is, and for how long.
type hold struct {
	owner string
	lease time.Duration
}

func (q *Queue) changeBatch(ctx context.Context, id, how string, h hold, c BatchChange) (canceled bool, err error) {
	args := append([]any{how, h.owner, h.lease.Milliseconds(), c.Retention.Milliseconds()}, c.fields()...)
	v, err := q.scripts.run(ctx, &q.scripts.batch, []string{q.keys.batch(id)}, args...)
	if err != nil {
		return false, unavailable(how+" batch "+id, err)
	}
	code, _ := v.(int64)
	if code == 0 {
		return false, fmt.Errorf("%w: %s", ErrBatchTaken, id)
	}
	return code == 2, nil
}

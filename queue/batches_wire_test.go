package queue

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ekiben/ekiben/internal/redistest"
)

func listedQueue(t *testing.T) *Queue {
	t.Helper()
	c := DefaultConfig()
	c.URL, c.Prefix = redistest.URL(t), redistest.Prefix()
	q, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	return q
}

// between does something after every trip to Redis.
type between func()

func (between) DialHook(next redis.DialHook) redis.DialHook { return next }

func (b between) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		defer b()
		return next(ctx, cmd)
	}
}

func (b between) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		defer b()
		return next(ctx, cmds)
	}
}

// Whenever an engine looks while a batch is being made, the batch is run.
func TestABatchThatIsLookedAtWhileItIsMadeIsRun(t *testing.T) {
	t.Parallel()
	q, ctx := listedQueue(t), t.Context()
	other := *q
	other.redis = redis.NewClient(q.redis.Options())
	t.Cleanup(func() { _ = other.redis.Close() })
	other.scripts = newScripts(other.redis)
	claimed := 0
	q.redis.AddHook(between(func() {
		ids, err := other.OpenBatches(ctx, 10)
		if err != nil {
			t.Error(err)
		}
		for _, id := range ids {
			switch err := other.ClaimBatch(ctx, id, fmt.Sprint(claimed), time.Minute); {
			case err == nil:
				claimed++
			case errors.Is(err, ErrBatchTaken):
				err = other.CloseBatch(ctx, id)
				fallthrough
			default:
				if err != nil {
					t.Error(err)
				}
			}
		}
	}))
	if _, err := q.SaveBatch(ctx, "b", BatchSpec{File: "f"}, 1); err != nil {
		t.Fatal(err)
	}
	if ids, err := other.OpenBatches(ctx, 10); claimed != 1 || len(ids) != 1 || err != nil {
		t.Errorf("claimed %d times; open %v, %v", claimed, ids, err)
	}
}

// isOpen fails unless just these batches are open.
func isOpen(t *testing.T, q *Queue, want ...string) {
	t.Helper()
	if ids, err := q.OpenBatches(t.Context(), 10); err != nil || fmt.Sprint(ids) != fmt.Sprint(want) {
		t.Errorf("open are %v, %v; want %v", ids, err, want)
	}
}

// Whoever makes a batch may die before it is open.
func TestABatchThatIsNotOpenIsOpenedLater(t *testing.T) {
	t.Parallel()
	for how, open := range map[string]func(q *Queue) error{
		"by who makes it again": func(q *Queue) error {
			_, err := q.SaveBatch(t.Context(), "b", BatchSpec{File: "f"}, 1)
			return err
		},
		"by the sweep": func(q *Queue) error { return q.MendBatches(t.Context()) },
	} {
		q := listedQueue(t)
		if _, err := q.SaveBatch(t.Context(), "b", BatchSpec{File: "f"}, 1); err != nil {
			t.Fatal(err)
		}
		if err := q.closeBatch(t.Context(), "b"); err != nil {
			t.Fatal(err)
		}
		if err := open(q); err != nil {
			t.Fatalf("%s: %v", how, err)
		}
		isOpen(t, q, "b")
	}
}

func TestIDsThatNeverHadARecordAreDropped(t *testing.T) {
	t.Parallel()
	q, ctx := listedQueue(t), t.Context()
	now, err := q.Now(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for id, age := range map[string]time.Duration{"old": unsavedAge + time.Minute, "young": time.Minute} {
		for _, key := range []string{q.keys.batches(), q.keys.openBatches()} {
			if err := q.listBatch(ctx, key, id, float64(now.Add(-age).UnixMicro())); err != nil {
				t.Fatal(err)
			}
		}
		if err := q.CloseBatch(ctx, id); err != nil {
			t.Fatal(err)
		}
	}
	isOpen(t, q, "old", "young")
	if err := q.MendBatches(ctx); err != nil {
		t.Fatal(err)
	}
	isOpen(t, q, "young")
	if n := q.redis.ZCard(ctx, q.keys.batches()).Val(); n != 1 {
		t.Errorf("%d ids are listed, want that of the young one", n)
	}
}

func TestABatchThatHasEndedIsNotOpenedAgain(t *testing.T) {
	t.Parallel()
	q, ctx := listedQueue(t), t.Context()
	if _, err := q.SaveBatch(ctx, "b", BatchSpec{File: "f"}, 1); err != nil {
		t.Fatal(err)
	}
	if err := q.ClaimBatch(ctx, "b", "me", time.Minute); err != nil {
		t.Fatal(err)
	}
	if _, err := q.NoteBatch(ctx, "b", "me", time.Minute, BatchChange{State: BatchCompleted, Retention: time.Hour}); err != nil {
		t.Fatal(err)
	}
	if err := q.MendBatches(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := q.SaveBatch(ctx, "b", BatchSpec{File: "f"}, 1); err != nil {
		t.Fatal(err)
	}
	isOpen(t, q)
}

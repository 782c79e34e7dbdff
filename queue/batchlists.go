package queue

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// unsavedAge is how long an id may be in a list of batches before its record must
// be there. It is far more than making a batch takes.
const unsavedAge = time.Hour

// OpenBatches are the ids of batches that may not have ended, the oldest first.
func (q *Queue) OpenBatches(ctx context.Context, limit int) ([]string, error) {
	ids, err := q.redis.ZRange(ctx, q.keys.openBatches(), 0, int64(limit)-1).Result()
	if err != nil {
		return nil, unavailable("list open batches", err)
	}
	return ids, nil
}

// listBatch puts a batch into a list, by when it was accepted.
func (q *Queue) listBatch(ctx context.Context, key, id string, micros float64) error {
	if err := q.redis.ZAddNX(ctx, key, redis.Z{Score: micros, Member: id}).Err(); err != nil {
		return unavailable("list batch "+id, err)
	}
	return nil
}

func (q *Queue) closeBatch(ctx context.Context, id string) error {
	if err := q.redis.ZRem(ctx, q.keys.openBatches(), id).Err(); err != nil {
		return unavailable("close batch "+id, err)
	}
	return nil
}

// CloseBatch takes a batch that has ended out of the open ones. It leaves others
// there, and those that are not there yet; [Queue.MendBatches] drops what never is.
func (q *Queue) CloseBatch(ctx context.Context, id string) error {
	b, err := q.Batch(ctx, id)
	if err == nil && b.State.Terminal() {
		return q.closeBatch(ctx, id)
	}
	if errors.Is(err, ErrUnknownBatch) {
		return nil
	}
	return err
}

// MendBatches makes the lists of batches what the records say: those that have not
// ended are in both, and ids that have had no record for long are in neither list.
func (q *Queue) MendBatches(ctx context.Context) error {
	now, err := q.Now(ctx)
	if err != nil {
		return err
	}
	old := float64(now.Add(-unsavedAge).UnixMicro())
	for _, key := range []string{q.keys.batches(), q.keys.openBatches()} {
		for from := int64(0); ; {
			zs, err := q.redis.ZRangeWithScores(ctx, key, from, from+maxPage-1).Result()
			if err != nil {
				return unavailable("list batches", err)
			}
			if len(zs) == 0 {
				break
			}
			dropped, err := q.mendBatches(ctx, zs, old)
			if err != nil {
				return err
			}
			from += int64(len(zs) - dropped)
		}
	}
	return nil
}

// mendBatches mends what is in a page of a list. It returns how many ids without a
// record it dropped.
func (q *Queue) mendBatches(ctx context.Context, zs []redis.Z, old float64) (dropped int, err error) {
	pipe := q.redis.Pipeline()
	reads := make([]*redis.SliceCmd, len(zs))
	for i, z := range zs {
		id, _ := z.Member.(string)
		reads[i] = pipe.HMGet(ctx, q.keys.batch(id), fieldState)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return 0, unavailable("read batches", err)
	}
	for i, z := range zs {
		id, _ := z.Member.(string)
		state := BatchState(text(reads[i].Val()[0]))
		switch {
		case state == "" && z.Score < old:
			err = q.DropBatch(ctx, id)
			dropped++
		case state != "" && !state.Terminal():
			err = errors.Join(q.listBatch(ctx, q.keys.batches(), id, z.Score), q.listBatch(ctx, q.keys.openBatches(), id, z.Score))
		}
		if err != nil {
			return dropped, err
		}
	}
	return dropped, nil
}

// DropBatch removes the record of a batch. What is in the blob store is not
// touched.
func (q *Queue) DropBatch(ctx context.Context, id string) error {
	err := errors.Join(
		q.redis.Del(ctx, q.keys.batch(id)).Err(),
		q.redis.ZRem(ctx, q.keys.openBatches(), id).Err(),
		q.redis.ZRem(ctx, q.keys.batches(), id).Err(),
	)
	if err != nil {
		return unavailable("drop batch "+id, err)
	}
	return nil
}

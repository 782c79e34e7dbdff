package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// Errors of batches and their files.
var (
	// ErrUnknownBatch means that there is no such batch, or none any more.
	ErrUnknownBatch = errors.New("unknown batch")

	// ErrUnknownFile means that there is no such file, or none any more.
	ErrUnknownFile = errors.New("unknown file")

	// ErrEmptyFile means that a file has no lines.
	ErrEmptyFile = errors.New("the file has no lines")

	// ErrFileTooLarge means that a file has more bytes or lines than it may.
	ErrFileTooLarge = errors.New("the file is too large")

	// ErrFileInUse means that a batch needs a file that is to be dropped.
	ErrFileInUse = errors.New("the file is in use")

	// ErrStorage means that the store of the files of batches fails.
	ErrStorage = errors.New("the blob store fails")

	// ErrBatchTaken means that a batch has ended or is another owner's.
	ErrBatchTaken = errors.New("the batch is not ours")
)

// SaveBatch makes a batch, which nobody runs yet. One that has this id already is
// returned as it is.
func (q *Queue) SaveBatch(ctx context.Context, id string, spec BatchSpec, total int) (Batch, error) {
	was, err := q.Batch(ctx, id)
	if err == nil && !was.State.Terminal() {
		err = q.listBatch(ctx, q.keys.openBatches(), id, float64(was.Created.UnixMicro())) // whoever made it may not have come so far
	}
	if !errors.Is(err, ErrUnknownBatch) {
		return was, err
	}
	now, err := q.Now(ctx)
	if err != nil {
		return Batch{}, err
	}
	raw, err := json.Marshal(spec)
	if err != nil {
		return Batch{}, fmt.Errorf("queue: batch: %w", err)
	}
	// The keys are in different slots, so this is done in steps. A record that is in
	// no list would stay for ever, and one must be there before it can be run.
	score := float64(now.UnixMicro())
	if err := q.listBatch(ctx, q.keys.batches(), id, score); err != nil {
		return Batch{}, err
	}
	key, pipe := q.keys.batch(id), q.redis.TxPipeline()
	for name, value := range map[string]any{
		fieldState: string(BatchValidating), "spec": raw, "total": total, fieldCreated: now.UnixMilli(),
	} {
		pipe.HSetNX(ctx, key, name, value)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return Batch{}, unavailable("save batch "+id, err)
	}
	if err := q.listBatch(ctx, q.keys.openBatches(), id, score); err != nil {
		return Batch{}, err
	}
	return q.Batch(ctx, id)
}

// Batch returns the record of a batch, or [ErrUnknownBatch].
func (q *Queue) Batch(ctx context.Context, id string) (Batch, error) {
	found, err := q.batchesByID(ctx, []string{id})
	if err != nil {
		return Batch{}, err
	}
	if len(found) == 0 {
		return Batch{}, fmt.Errorf("%w: %s", ErrUnknownBatch, id)
	}
	return found[0], nil
}

// BatchCursor is the cursor that goes on behind a batch in the list of them.
func (q *Queue) BatchCursor(ctx context.Context, id string) (string, error) {
	micros, err := q.redis.ZScore(ctx, q.keys.batches(), id).Result()
	if errors.Is(err, redis.Nil) {
		return "", fmt.Errorf("%w: %s", ErrUnknownBatch, id)
	}
	if err != nil {
		return "", unavailable("look for batch "+id, err)
	}
	return mark{int64(micros), id}.String(), nil
}

// Batches lists batches, the newest first, up to limit (1 to 1000) behind a
// cursor; "" is from the start. next is "" if there is nothing more.
func (q *Queue) Batches(ctx context.Context, cursor string, limit int) (page []Batch, next string, err error) {
	if limit < 1 || limit > maxPage {
		return nil, "", fmt.Errorf("%w: a page of %d batches, want 1 to %d", ErrMalformed, limit, maxPage)
	}
	from, most := mark{created: math.MaxInt64}, "+inf"
	if cursor != "" {
		if from, err = markOf(cursor); err != nil {
			return nil, "", err
		}
		most = strconv.FormatInt(from.created, 10)
	}
	const ties = 16 // more than that are not made in one microsecond
	zs, err := q.redis.ZRevRangeByScoreWithScores(ctx, q.keys.batches(), &redis.ZRangeBy{
		Min: "-inf", Max: most, Count: int64(limit + ties),
	}).Result()
	if err != nil {
		return nil, "", unavailable("list batches", err)
	}
	var ids []string
	for _, z := range zs {
		id, _ := z.Member.(string)
		at := mark{int64(z.Score), id}
		if from.before(at.created, id) {
			continue
		}
		if len(ids) == limit {
			next = from.String()
			break
		}
		ids, from = append(ids, id), at
	}
	page, err = q.batchesByID(ctx, ids)
	return page, next, err
}

func (q *Queue) batchesByID(ctx context.Context, ids []string) ([]Batch, error) {
	var numbers BatchProgress
	names := slices.Sorted(maps.Keys(numbers.numbers()))
	fields := append([]string{
		fieldState, "spec", "cancel", "err", fieldCreated, fieldStarted, fieldFinished, fieldExpires, "result_bytes", "error_bytes",
	}, names...)
	pipe := q.redis.Pipeline()
	reads := make([]*redis.SliceCmd, len(ids))
	for i, id := range ids {
		reads[i] = pipe.HMGet(ctx, q.keys.batch(id), fields...)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, unavailable("read batches", err)
	}
	var found []Batch
	for i, read := range reads {
		v := read.Val()
		if v[0] == nil {
			continue
		}
		b := Batch{
			ID: ids[i], State: BatchState(text(v[0])), Canceled: text(v[2]) == "1", Err: text(v[3]),
			Created: atMilli(v[4]), Started: atMilli(v[5]), Finished: atMilli(v[6]), Expires: atMilli(v[7]),
		}
		if err := json.Unmarshal([]byte(text(v[1])), &b.BatchSpec); err != nil {
			return nil, fmt.Errorf("%w: batch %s: %w", ErrMalformed, b.ID, err)
		}
		b.ResultBytes, b.ErrorBytes = number(v[8]), number(v[9])
		for k, name := range names {
			*b.numbers()[name] = int(number(v[10+k]))
		}
		if b.Canceled && !b.State.Terminal() {
			b.State = BatchCancelling
		}
		found = append(found, b)
	}
	return found, nil
}

// atMilli is a moment in ms, or the zero time.
func atMilli(v any) time.Time {
	if ms := number(v); ms > 0 {
		return time.UnixMilli(ms)
	}
	return time.Time{}
}

// BatchParts are the names of the first n parts of a kind, in order.
func (q *Queue) BatchParts(ctx context.Context, id, kind string, n int) ([]string, error) {
	if n == 0 {
		return nil, nil
	}
	fields := make([]string, n)
	for i := range fields {
		fields[i] = BatchPart{Kind: kind, N: i}.field()
	}
	values, err := q.redis.HMGet(ctx, q.keys.batch(id), fields...).Result()
	if err != nil {
		return nil, unavailable("read the parts of batch "+id, err)
	}
	names := make([]string, n)
	for i, v := range values {
		if v == nil {
			return nil, fmt.Errorf("%w: %s has lost a part", ErrUnknownBatch, id)
		}
		names[i] = text(v)
	}
	return names, nil
}

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

	// ErrBatchTaken means that a batch has ended or is another owner's.
	ErrBatchTaken = errors.New("the batch is not ours")
)

// BatchState is where a batch is, in the words of OpenAI's API.
type BatchState string

// The states of a batch. The last three are terminal.
const (
	BatchValidating BatchState = "validating" // nobody has begun it
	BatchInProgress BatchState = "in_progress"
	BatchFinalizing BatchState = "finalizing" // all lines have ended, the last outcomes are being stored
	BatchCancelling BatchState = "cancelling"
	BatchCompleted  BatchState = "completed"
	BatchFailed     BatchState = "failed" // it could not be run at all
	BatchCancelled  BatchState = "cancelled"
)

// Terminal reports whether a batch in this state has ended.
func (s BatchState) Terminal() bool {
	return s == BatchCompleted || s == BatchFailed || s == BatchCancelled
}

// BatchSpec is what a batch is asked to do. It does not change.
type BatchSpec struct {
	// File is the input's id.
	File string `json:"file"`
	// Runner and Method are those of lines that name none; "" is none.
	Runner string `json:"runner,omitempty"`
	Method string `json:"method,omitempty"`
	// Endpoint is what the url of all lines must be; "" is any.
	Endpoint string `json:"endpoint,omitempty"`
	// OpenAI: outcomes have the shape of that API.
	OpenAI bool `json:"openai,omitempty"`
	// Window is what the client asked for as completion_window.
	Window string `json:"window,omitempty"`
	// Caller is whose batch it is.
	Caller string `json:"caller,omitempty"`
	// Key is the client's idempotency key, Digest that of the input.
	Key    string `json:"key,omitempty"`
	Digest string `json:"digest,omitempty"`
	// Metadata is the client's.
	Metadata map[string]string `json:"metadata,omitempty"`
}

// BatchProgress is how far a batch has come.
type BatchProgress struct {
	// Total is how many lines the input has, Completed and Failed how many have
	// ended so.
	Total, Completed, Failed int

	// Stored is how many of the first lines have their outcome in parts, and
	// StoredFailed how many of those failed: who takes the batch over goes on
	// behind them.
	Stored, StoredFailed int

	// Results and Errors are how many parts there are of each, ResultBytes and
	// ErrorBytes how large they are together.
	Results, Errors         int
	ResultBytes, ErrorBytes int64
}

// numbers are the fields of the record, in no order.
func (p *BatchProgress) numbers() map[string]*int {
	return map[string]*int{
		"total": &p.Total, "completed": &p.Completed, "failed": &p.Failed,
		"stored": &p.Stored, "stored_failed": &p.StoredFailed, "results": &p.Results, "errors": &p.Errors,
	}
}

// Batch is the record of many calls that came as one file. Times are of Redis's
// clock; those that have not come are zero.
type Batch struct {
	ID string
	BatchSpec
	BatchProgress

	State BatchState
	// Canceled: somebody asked for that.
	Canceled bool
	// Err is why it failed.
	Err string

	Created, Started, Finished time.Time
	// Expires is when the record and the files of an ended batch are dropped.
	Expires time.Time
}

// BatchFile is a file that batches are made of.
type BatchFile struct {
	ID      string    `json:"id"`
	Name    string    `json:"name,omitempty"`
	Purpose string    `json:"purpose,omitempty"`
	Bytes   int64     `json:"bytes"`
	Lines   int       `json:"lines"`
	Digest  string    `json:"digest,omitempty"`
	Created time.Time `json:"created"`
}

// BatchPart is a stored part of the outcomes of a batch.
type BatchPart struct {
	// Kind is "results" or "errors", N counts from 0 within a kind.
	Kind string
	N    int
	// Name finds it in the blob store.
	Name string
}

func (p BatchPart) field() string { return "part:" + p.Kind + ":" + strconv.Itoa(p.N) }

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

// SaveBatch makes a batch, which nobody runs yet. One that has this id already is
// returned as it is.
func (q *Queue) SaveBatch(ctx context.Context, id string, spec BatchSpec, total int) (Batch, error) {
	was, err := q.Batch(ctx, id)
	if !errors.Is(err, ErrUnknownBatch) {
		return was, err
	}
	now, err := q.redis.Time(ctx).Result()
	if err != nil {
		return Batch{}, unavailable("read the clock", err)
	}
	raw, err := json.Marshal(spec)
	if err != nil {
		return Batch{}, fmt.Errorf("queue: batch: %w", err)
	}
	// An id in a list without a record is dropped by the sweep of batches; a
	// record without a list would stay for ever.
	lists := redis.Z{Score: float64(now.UnixMicro()), Member: id}
	for _, key := range []string{q.keys.batches(), q.keys.openBatches()} {
		if err := q.redis.ZAddNX(ctx, key, lists).Err(); err != nil {
			return Batch{}, unavailable("list batch "+id, err)
		}
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

// OpenBatches are the ids of batches that may not have ended, the oldest first.
func (q *Queue) OpenBatches(ctx context.Context, limit int) ([]string, error) {
	ids, err := q.redis.ZRange(ctx, q.keys.openBatches(), 0, int64(limit)-1).Result()
	if err != nil {
		return nil, unavailable("list open batches", err)
	}
	return ids, nil
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

func (q *Queue) closeBatch(ctx context.Context, id string) error {
	if err := q.redis.ZRem(ctx, q.keys.openBatches(), id).Err(); err != nil {
		return unavailable("close batch "+id, err)
	}
	return nil
}

// CloseBatch takes a batch that has ended, or is not there any more, out of the
// open ones. It leaves others there.
func (q *Queue) CloseBatch(ctx context.Context, id string) error {
	b, err := q.Batch(ctx, id)
	if err == nil && b.State.Terminal() || errors.Is(err, ErrUnknownBatch) {
		return q.closeBatch(ctx, id)
	}
	return err
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

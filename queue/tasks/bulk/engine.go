package bulk

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// Call is one line on its way into the queue.
type Call struct {
	// ID is the job's, the same whenever the line is submitted.
	ID             string
	Runner, Method string
	// Body is JSON, as POST /v1/runners/{runner}/{method} takes it.
	Body []byte
	// Caller is whose batch it is.
	Caller string
}

// Outcome is what became of a call, as far as it is known.
type Outcome struct {
	State State
	// Status and Body are what a client would be answered: the result, or a
	// problem. Body is JSON.
	Status int
	Body   []byte
}

// State is where a call is.
type State int

// The states of a call.
const (
	Unknown  State = iota // there is no such job
	Pending               // it has not ended
	Answered              // it has a result, or a problem
	Canceled
)

// Refusal is why a call was not accepted.
type Refusal struct { //nolint:errname // the word that the rest has for it
	Status int
	Body   []byte
	// Passes: the same call may be accepted a little later.
	Passes bool
}

// Error is the problem as JSON.
func (r *Refusal) Error() string { return fmt.Sprintf("refused with status %d: %s", r.Status, r.Body) }

// Calls is the way into the queue and back.
type Calls interface {
	// Submit makes a job of a call; one that is there already is left as it is.
	// The error is a *Refusal if the call was refused.
	Submit(ctx context.Context, c Call) error
	// Outcomes looks at jobs, in the order of their ids. Bodies have at most so many
	// bytes together, but that of the first is always there; others are pending still.
	Outcomes(ctx context.Context, ids []string, most int64) ([]Outcome, error)
	// Cancel ends a job that has not ended.
	Cancel(ctx context.Context, id string) error
	// Forget drops the records of jobs that have ended.
	Forget(ctx context.Context, ids []string) error
}

// Records is where batches are kept; it is *[queue.Queue].
type Records interface {
	shelf
	claims
}

// claims are what the owner of a batch does with its record.
type claims interface {
	OpenBatches(ctx context.Context, limit int) ([]string, error)
	ClaimBatch(ctx context.Context, id, owner string, lease time.Duration) error
	NoteBatch(ctx context.Context, id, owner string, lease time.Duration, c queue.BatchChange) (canceled bool, err error)
	CloseBatch(ctx context.Context, id string) error
}

// shelf are what the sweep does with records.
type shelf interface {
	// Now is the clock that the times of batches are of.
	Now(ctx context.Context) (time.Time, error)
	Batch(ctx context.Context, id string) (queue.Batch, error)
	MendBatches(ctx context.Context) error
	Batches(ctx context.Context, cursor string, limit int) (page []queue.Batch, next string, err error)
	DropBatch(ctx context.Context, id string) error
}

// Engine runs batches. Make it with [NewEngine].
type Engine struct {
	config  Config
	store   *Store
	records Records
	calls   Calls
	log     *slog.Logger
	places  *places
}

// NewEngine makes an engine. Its configuration must be valid.
func NewEngine(c Config, s *Store, r Records, calls Calls, log *slog.Logger) (*Engine, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("bulk: configuration: %w", err)
	}
	return &Engine{config: c, store: s, records: r, calls: calls, log: log, places: newPlaces(&c)}, nil
}

// Run runs batches until ctx is done, gives back those that have not ended, and
// returns nil.
func (e *Engine) Run(ctx context.Context) error {
	var runs sync.WaitGroup
	defer runs.Wait()
	look, sweep := time.NewTicker(e.config.Poll), time.NewTicker(e.config.SweepEvery)
	defer look.Stop()
	defer sweep.Stop()
	for {
		e.begin(ctx, &runs)
		select {
		case <-ctx.Done():
			return nil
		case <-sweep.C:
			runs.Go(func() { e.note(ctx, "sweep of batches", e.Sweep(ctx)) })
		case <-look.C:
		}
	}
}

// note logs what went wrong, unless the process stops.
func (e *Engine) note(ctx context.Context, what string, err error, args ...any) {
	if err != nil && ctx.Err() == nil {
		e.log.WarnContext(ctx, "bulk: "+what, append(args, "err", err)...) //nolint:sloglint // constants of the callers
	}
}

// candidates is how many open batches are looked at, at a time.
const candidates = 1000

// begin takes batches that nobody runs, as far as there is room.
func (e *Engine) begin(ctx context.Context, runs *sync.WaitGroup) {
	ids, err := e.records.OpenBatches(ctx, candidates)
	e.note(ctx, "batches cannot be looked for", err)
	for _, id := range e.places.line(ids) {
		if !e.places.room(time.Now()) {
			return
		}
		owner := rand.Text()[:16]
		err := e.records.ClaimBatch(ctx, id, owner, e.config.Lease)
		if errors.Is(err, queue.ErrBatchTaken) {
			err = e.records.CloseBatch(ctx, id)
			e.note(ctx, "batch cannot be looked at", err, "batch", id)
			continue
		}
		if err != nil {
			e.note(ctx, "batch cannot be claimed", err, "batch", id)
			return
		}
		place := e.places.take(time.Now(), id)
		runs.Go(func() {
			defer e.places.leave(id)
			if err := e.run(ctx, claim{e, id, owner}, place); !errors.Is(err, errStuck) {
				e.note(ctx, "batch is interrupted and will go on", err, "batch", id)
			}
		})
	}
}

package bulk

import (
	"context"
	"errors"
	"hash/maphash"
	"math"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// claim is a batch that an engine runs.
type claim struct {
	*Engine
	id, owner string
}

// run is one batch that is being run. It belongs to one goroutine, except for its
// keeper, sender and storing.
type run struct {
	claim
	batch  queue.Batch
	place  *place
	keep   *keeper
	sender *sender
	stored *storing

	input *lineReader
	// at is the number of the next line, ended whether there is none.
	at    int
	ended bool
	seen  map[uint64]struct{}
	seed  maphash.Seed

	// lines are those that are not in a part yet, in order. inFlight of them have
	// not ended: fresh and leaving say how many are in those stages.
	lines          []*line
	inFlight       int
	fresh, leaving int
	// bytes is what lines take together, answers what their answers do.
	bytes, answers int

	// part is being filled, counts are lines that have ended.
	part   *part
	counts queue.BatchCounts

	// pause is how long the last rest was, looked when all calls were looked at.
	pause  time.Duration
	looked time.Time

	// backoff and notBefore hold up what is to be submitted.
	backoff   time.Duration
	notBefore time.Time
}

// errStuck is why a batch gives its place to another one.
var errStuck = errors.New("the batch comes no further and gives way to others")

// run runs a batch that was claimed, until it has ended, or gives it back.
func (e *Engine) run(ctx context.Context, c claim, at *place) (err error) {
	b, err := e.records.Batch(ctx, c.id)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	keep := e.startKeeper(ctx, stop, c.id, c.owner)
	r := &run{
		claim: c, batch: b, place: at, keep: keep, part: &part{},
		counts: queue.BatchCounts{Completed: b.Stored - b.StoredFailed, Failed: b.StoredFailed},
		seen:   map[uint64]struct{}{}, seed: maphash.MakeSeed(), pause: shortPoll,
	}
	err = r.work(ctx)
	stop(nil)
	keep.wait()
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, queue.ErrBatchTaken) {
		return cause
	}
	if err != nil {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_, back := e.records.NoteBatch(last, c.id, c.owner, 0, queue.BatchChange{})
		return errors.Join(err, back)
	}
	return nil
}

// work runs the batch to its end.
func (r *run) work(ctx context.Context) error {
	input, err := r.store.open(ctx, inputName(r.batch.File))
	if errors.Is(err, ErrNoFile) {
		return r.finish(ctx, queue.BatchChange{State: queue.BatchFailed, Err: "the input file is gone"})
	}
	if err != nil {
		return err
	}
	defer func() { _ = input.Close() }()
	r.input = newLineReader(input, r.config.MaxLine)
	r.sender = startSender(ctx, r.calls, r.batch.Caller, r.config.Window)
	r.stored = startStoring(ctx, r.claim, r.keep, r.batch.BatchProgress)
	state, err := r.lap(ctx)
	r.sender.close()
	last := r.part
	if (err == nil || errors.Is(err, errStuck)) && last.lines > 0 {
		if state == queue.BatchCancelled {
			last.ends = state
		}
		if _, failed := r.stored.put(last); failed != nil {
			err = failed
		}
	}
	progress, failed := r.stored.close()
	if err == nil {
		err = failed
	}
	if err != nil || last.ends != "" {
		return err
	}
	progress.Completed, progress.Failed = r.counts.Completed, r.counts.Failed
	return r.finish(ctx, queue.BatchChange{State: state, Progress: &progress})
}

// lap runs lines until all are in parts, or the batch is to be canceled, and
// returns what the batch has become.
func (r *run) lap(ctx context.Context) (queue.BatchState, error) {
	for {
		canceled := r.keep.canceled.Load()
		if err := r.fill(ctx); err != nil {
			return "", err
		}
		if canceled {
			return queue.BatchCancelled, r.cancel(ctx)
		}
		r.submit()
		ended, err := r.look(ctx)
		if err != nil {
			return "", err
		}
		moved, err := r.collect(false)
		if err != nil {
			return "", err
		}
		if err := r.settle(time.Now()); err != nil {
			return "", err
		}
		if r.ended && len(r.lines) == 0 {
			return queue.BatchCompleted, r.tell(ctx, queue.BatchChange{State: queue.BatchFinalizing})
		}
		if r.place.leaves.Load() {
			return "", errStuck
		}
		if err := r.rest(ctx, ended, moved); err != nil {
			return "", err
		}
	}
}

func (r *run) finish(ctx context.Context, c queue.BatchChange) error {
	c.Retention = r.config.Retention
	return r.tell(ctx, c)
}

// tell notes a change of the batch.
func (c *claim) tell(ctx context.Context, change queue.BatchChange) error {
	return c.insist(ctx, func() error {
		_, err := c.records.NoteBatch(ctx, c.id, c.owner, c.config.Lease, change)
		return err
	})
}

// insist does what must be done until it is, while the batch is ours: Redis and
// blob stores are away at times.
func (c *claim) insist(ctx context.Context, do func() error) error {
	for wait := shortBackoff; ; wait = min(2*wait, longBackoff) {
		err := do()
		if err == nil || errors.Is(err, queue.ErrBatchTaken) {
			return err
		}
		c.note(ctx, "batch waits for what fails", err, "batch", c.id)
		if sleep(ctx, wait) != nil {
			return err
		}
	}
}

// sleep waits, or returns why ctx is done.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// cancel ends the jobs that have not ended, and keeps what is done. Lines that
// somebody else may have submitted before are in the window too.
func (r *run) cancel(ctx context.Context) error {
	if _, err := r.collect(true); err != nil {
		return err
	}
	var ids []string
	for _, l := range r.lines {
		if l.stage == over {
			continue
		}
		if err := r.insist(ctx, func() error { return r.calls.Cancel(ctx, l.id) }); err != nil {
			return err
		}
		ids = append(ids, l.id)
	}
	outcomes, err := r.outcomes(ctx, ids, math.MaxInt64)
	if err != nil {
		return err
	}
	next, now := 0, time.Now()
	for _, l := range r.lines {
		if l.stage != over {
			if o := outcomes[next]; o.State == Answered {
				r.endLine(l, o.Status, o.Body)
			}
			next++
		}
		if l.stage == over {
			r.part.add(now, l, &r.batch)
		}
	}
	r.lines = nil
	return nil
}

package bulk

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ekiben/ekiben/queue"
)

const (
	// submitters is how many calls are on their way into the queue at once.
	submitters = 64

	// shortPoll, busyPoll and longPoll are how soon calls are looked at again, after
	// many have ended, at most while some do, and while none does.
	shortPoll = time.Millisecond
	busyPoll  = 8 * time.Millisecond
	longPoll  = 200 * time.Millisecond

	// shortBackoff and longBackoff are how long nothing is submitted after a
	// refusal that passes.
	shortBackoff = 50 * time.Millisecond
	longBackoff  = 5 * time.Second

	// maxLost is how many times a call is submitted again whose job is gone.
	maxLost = 3
)

// line is one on its way from the input to a part.
type line struct {
	lineCall

	// n counts lines that are not blank, from 0; number is what an editor says.
	n, number int
	id        string

	// sent: it is a job. lost is how often that job was gone.
	sent   bool
	lost   int
	done   bool
	status int
	answer []byte
}

// size is about what the line takes in memory.
func (l *line) size() int { return len(l.body) + len(l.answer) + 256 }

// failed reports whether the line goes to the errors.
func (l *line) failed() bool { return l.status < 200 || l.status > 299 }

// run is one batch that is being run. It belongs to one goroutine, except for its
// keeper.
type run struct {
	*Engine
	batch queue.Batch
	owner string
	keep  *keeper

	input *lineReader
	// at is the number of the next line, ended whether there is none.
	at    int
	ended bool
	seen  map[uint64]struct{}
	seed  maphash.Seed

	// lines are those that are not in a part yet, in order. span is what the
	// window lets in, of which inFlight have not ended.
	lines    []*line
	inFlight int
	bytes    int

	part     part
	progress queue.BatchProgress

	pause, backoff time.Duration
	notBefore      time.Time
}

// run runs a batch that owner has claimed, until it has ended, or gives it back.
func (e *Engine) run(ctx context.Context, id, owner string) (err error) {
	b, err := e.records.Batch(ctx, id)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	keep := e.startKeeper(ctx, stop, id, owner)
	r := &run{
		Engine: e, batch: b, owner: owner, keep: keep, progress: b.BatchProgress,
		seen: map[uint64]struct{}{}, seed: maphash.MakeSeed(), pause: shortPoll,
	}
	r.progress.Completed, r.progress.Failed = r.progress.Stored-r.progress.StoredFailed, r.progress.StoredFailed
	err = r.work(ctx)
	stop(nil)
	keep.wait()
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, queue.ErrBatchTaken) {
		return cause
	}
	if err != nil {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_, back := e.records.NoteBatch(last, id, owner, 0, queue.BatchChange{})
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
	for {
		canceled := r.keep.canceled.Load()
		if err := r.fill(ctx); err != nil {
			return err
		}
		if canceled {
			return r.cancel(ctx)
		}
		if err := r.submit(ctx); err != nil {
			return err
		}
		ended, err := r.look(ctx)
		if err != nil {
			return err
		}
		if err := r.settle(ctx); err != nil {
			return err
		}
		if r.ended && len(r.lines) == 0 {
			return r.complete(ctx)
		}
		if err := r.rest(ctx, ended); err != nil {
			return err
		}
	}
}

// complete stores the last part and ends the batch.
func (r *run) complete(ctx context.Context) error {
	if err := r.tell(ctx, queue.BatchChange{State: queue.BatchFinalizing}); err != nil {
		return err
	}
	if err := r.flush(ctx); err != nil {
		return err
	}
	return r.finish(ctx, queue.BatchChange{State: queue.BatchCompleted, Progress: &r.progress})
}

func (r *run) finish(ctx context.Context, c queue.BatchChange) error {
	c.Retention = r.config.Retention
	return r.tell(ctx, c)
}

// tell notes a change of the batch.
func (r *run) tell(ctx context.Context, c queue.BatchChange) error {
	return r.insist(ctx, func() error {
		_, err := r.records.NoteBatch(ctx, r.batch.ID, r.owner, r.config.Lease, c)
		return err
	})
}

// insist does what must be done until it is, while the batch is ours: Redis and
// blob stores are away at times.
func (r *run) insist(ctx context.Context, do func() error) error {
	for wait := shortBackoff; ; wait = min(2*wait, longBackoff) {
		err := do()
		if err == nil || errors.Is(err, queue.ErrBatchTaken) {
			return err
		}
		r.note(ctx, "batch waits for what fails", err, "batch", r.batch.ID)
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

// rest waits before calls are looked at again: longer while none of them ends, and
// so long while some do that a look finds a good part of them ended.
func (r *run) rest(ctx context.Context, ended int) error {
	switch {
	case ended == 0:
		r.pause = min(2*r.pause, longPoll)
	case 3*ended < r.inFlight:
		r.pause = min(2*r.pause, busyPoll)
	default:
		r.pause = max(r.pause/2, shortPoll)
	}
	return sleep(ctx, r.pause)
}

// heldBytes is how much lines and their outcomes may take before no more lines
// are read.
const heldBytes = 64 << 20

// fill reads lines as far as the window lets them in: so many in flight, twice as
// many that wait for one before them.
func (r *run) fill(ctx context.Context) error {
	for !r.ended && r.inFlight < r.config.Window && len(r.lines) < 2*r.config.Window && r.bytes < heldBytes {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		raw, long, err := r.input.next()
		if errors.Is(err, io.EOF) {
			r.ended = true
			return nil
		}
		if err != nil {
			return fmt.Errorf("bulk: read the input of batch %s: %w", r.batch.ID, err)
		}
		l := r.read(raw, long)
		r.at++
		if l.n < r.progress.Stored {
			continue // its outcome is in a part; its custom_id counts
		}
		r.lines = append(r.lines, l)
		r.bytes += l.size()
		if !l.done {
			r.inFlight++
		}
	}
	return nil
}

// read makes a line of what it is written as. One that is wrong has ended.
func (r *run) read(raw []byte, long bool) *line {
	l := &line{n: r.at, number: r.input.number}
	var err error
	if long {
		err = fmt.Errorf("the line is longer than %d bytes", r.config.MaxLine)
	} else {
		l.lineCall, err = decodeLine(raw, &r.batch.BatchSpec)
	}
	if l.customID != "" {
		hash := maphash.String(r.seed, l.customID)
		if _, double := r.seen[hash]; double && err == nil {
			err = fmt.Errorf("custom_id %q is that of an earlier line", cut(l.customID))
		}
		r.seen[hash] = struct{}{}
	}
	if err == nil {
		l.id = queue.IDFor(l.runner, fmt.Sprintf("batch:%s:%d", r.batch.ID, l.n))
		if _, bad := queue.RunnerOf(l.id); bad != nil {
			err = fmt.Errorf("there is no runner %q", cut(l.runner))
		}
	}
	if err != nil {
		l.end(400, problem(400, "invalid_input", err.Error()))
		r.count(l)
	}
	return l
}

// end notes what became of a line, which needs its body no more.
func (l *line) end(status int, answer []byte) {
	l.done, l.status, l.answer, l.body = true, status, answer, nil
}

// endLine counts a line that has ended, which is in flight no more.
func (r *run) endLine(l *line, status int, answer []byte) {
	r.bytes -= l.size()
	l.end(status, answer)
	r.bytes += l.size()
	r.inFlight--
	r.count(l)
}

func (r *run) count(l *line) {
	if l.n < r.progress.Stored {
		return
	}
	if l.failed() {
		r.progress.Failed++
	} else {
		r.progress.Completed++
	}
	r.keep.progress.Store(&progressNow{r.progress.Completed, r.progress.Failed})
}

// submit makes jobs of the lines that are none yet. A refusal that passes holds
// up all of them for a while; another one is the line's outcome.
func (r *run) submit(ctx context.Context) error {
	if time.Now().Before(r.notBefore) {
		return nil
	}
	var fresh []*line
	for _, l := range r.lines {
		if !l.sent && !l.done {
			fresh = append(fresh, l)
		}
	}
	refused := make([]*Refusal, len(fresh))
	g, sending := errgroup.WithContext(ctx)
	g.SetLimit(submitters)
	for i, l := range fresh {
		g.Go(func() error {
			err := r.calls.Submit(sending, Call{ID: l.id, Runner: l.runner, Method: l.method, Body: l.body, Caller: r.batch.Caller})
			if refusal, ok := errors.AsType[*Refusal](err); ok {
				refused[i] = refusal
				return nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("bulk: submit lines of batch %s: %w", r.batch.ID, err)
	}
	held := false
	for i, l := range fresh {
		switch refusal := refused[i]; {
		case refusal == nil:
			l.sent = true
		case refusal.Passes:
			held = true
		default:
			r.endLine(l, refusal.Status, refusal.Body)
		}
	}
	r.hold(held, len(fresh) > 0)
	return nil
}

// hold lets nothing be submitted for a while after a refusal, twice as long after
// each, and forgets that once all were accepted.
func (r *run) hold(refused, some bool) {
	switch {
	case refused:
		r.backoff = min(max(2*r.backoff, shortBackoff), longBackoff)
		r.notBefore = time.Now().Add(r.backoff)
	case some:
		r.backoff = 0
	}
}

// look looks at the jobs that have not ended, and returns how many have since.
func (r *run) look(ctx context.Context) (ended int, err error) {
	var open []*line
	var ids []string
	for _, l := range r.lines {
		if l.sent && !l.done {
			open, ids = append(open, l), append(ids, l.id)
		}
	}
	if len(open) == 0 {
		return 0, nil
	}
	outcomes, err := r.outcomes(ctx, ids)
	if err != nil {
		return 0, err
	}
	for i, o := range outcomes {
		switch l := open[i]; o.State {
		case Pending:
			continue
		case Unknown:
			if l.lost++; l.lost <= maxLost {
				l.sent = false // Redis has lost it, or an operator dropped it
				continue
			}
			r.endLine(l, 500, problem(500, "call_lost", "the queue lost the call again and again"))
		case Canceled, Answered:
			r.endLine(l, o.Status, o.Body)
		}
		ended++
	}
	return ended, nil
}

// outcomes looks at jobs until they can be seen.
func (r *run) outcomes(ctx context.Context, ids []string) (outcomes []Outcome, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	err = r.insist(ctx, func() error {
		outcomes, err = r.calls.Outcomes(ctx, ids)
		return err
	})
	return outcomes, err
}

// settle puts the lines that have ended, as far as all before them have, into
// the part, and stores it when it is full.
func (r *run) settle(ctx context.Context) error {
	for len(r.lines) > 0 && r.lines[0].done {
		l := r.lines[0]
		r.lines[0] = nil
		r.lines = r.lines[1:]
		r.bytes -= l.size()
		r.part.add(l, &r.batch)
		if r.part.lines < r.config.PartLines && r.part.size() < partBytes {
			continue
		}
		if err := r.flush(ctx); err != nil {
			return err
		}
	}
	return nil
}

// cancel ends the jobs that have not ended, keeps what is done, and ends the
// batch. Lines that somebody else may have submitted before are in the window
// too.
func (r *run) cancel(ctx context.Context) error {
	var ids []string
	for _, l := range r.lines {
		if l.done {
			continue
		}
		if err := r.insist(ctx, func() error { return r.calls.Cancel(ctx, l.id) }); err != nil {
			return err
		}
		ids = append(ids, l.id)
	}
	outcomes, err := r.outcomes(ctx, ids)
	if err != nil {
		return err
	}
	next := 0
	for _, l := range r.lines {
		if !l.done {
			if o := outcomes[next]; o.State == Answered {
				r.endLine(l, o.Status, o.Body)
			}
			next++
		}
		if l.done {
			r.part.add(l, &r.batch)
		}
	}
	r.lines = nil
	if err := r.flush(ctx); err != nil {
		return err
	}
	return r.finish(ctx, queue.BatchChange{State: queue.BatchCancelled, Progress: &r.progress})
}

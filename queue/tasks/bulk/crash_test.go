package bulk_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/queue/tasks/bulk"
)

var errDead = errors.New("the process is dead")

// mortal lets a process do so many things, and then nothing any more. It dies
// before or after the last of them.
type mortal struct {
	bulk.Records
	bulk.Calls

	mu    sync.Mutex
	left  int
	after bool
	died  chan struct{}
}

func newMortal(w *world, steps int, after bool) *mortal {
	return &mortal{Records: w.queue, Calls: w, left: steps, after: after, died: make(chan struct{})}
}

// step does something unless the process is dead.
func (m *mortal) step(do func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock() // one thing at a time, so that death is a moment
	if m.left < 0 || m.left == 0 && !m.after {
		m.die()
		return errDead
	}
	m.left--
	err := do()
	if m.left < 0 {
		m.die()
		return errDead
	}
	return err
}

func (m *mortal) die() {
	if m.left > -10 {
		close(m.died)
	}
	m.left = -10
}

func (m *mortal) ClaimBatch(ctx context.Context, id, owner string, lease time.Duration) error {
	return m.step(func() error { return m.Records.ClaimBatch(ctx, id, owner, lease) })
}

func (m *mortal) NoteBatch(ctx context.Context, id, owner string, lease time.Duration, c queue.BatchChange) (canceled bool, err error) {
	err = m.step(func() error {
		var err error
		canceled, err = m.Records.NoteBatch(ctx, id, owner, lease, c)
		return err
	})
	return canceled, err
}

func (m *mortal) Submit(ctx context.Context, c bulk.Call) error {
	return m.step(func() error { return m.Calls.Submit(ctx, c) })
}

func (m *mortal) Outcomes(ctx context.Context, ids []string, most int64) (out []bulk.Outcome, err error) {
	err = m.step(func() error {
		var err error
		out, err = m.Calls.Outcomes(ctx, ids, most)
		return err
	})
	return out, err
}

func (m *mortal) Forget(ctx context.Context, ids []string) error {
	return m.step(func() error { return m.Calls.Forget(ctx, ids) })
}

// stalled is a process whose renewals get stuck, so that its lease lapses.
type stalled struct {
	bulk.Records
	frozen atomic.Bool
	thaw   chan struct{}
}

func (s *stalled) NoteBatch(ctx context.Context, id, owner string, lease time.Duration, c queue.BatchChange) (canceled bool, err error) {
	if s.frozen.Load() {
		<-s.thaw
	}
	return s.Records.NoteBatch(ctx, id, owner, lease, c)
}

// Whatever a process does last before it is killed, another one ends the batch,
// and no line that was accepted is run again.
func TestABatchSurvivesDeathAtEveryStep(t *testing.T) {
	t.Parallel()
	const lines = 23
	for _, after := range []bool{false, true} {
		for steps := 0; ; steps++ {
			if !survives(t, steps, after, lines) {
				if steps < 20 {
					t.Fatalf("the batch took %d steps only", steps)
				}
				break
			}
		}
	}
}

// survives kills a process after some steps and lets another one end its batch.
// It reports whether the first one died before it had.
func survives(t *testing.T, steps int, after bool, lines int) bool {
	t.Helper()
	w := newWorld(t)
	w.config.Lease = 40 * time.Millisecond
	in, ids := goodLines(lines)
	b := w.batch(ours(), in)
	m := newMortal(w, steps, after)
	stop := w.process(m, m)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.ended(b.ID)
	}()
	died := true
	select {
	case <-m.died:
	case <-ended:
		died = false
	}
	stop()
	w.process(w.queue, w)
	<-ended
	b = w.ended(b.ID)
	if b.State != queue.BatchCompleted || b.Completed != lines || b.Failed != 0 || b.Stored != lines {
		t.Errorf("killed at %d: %+v", steps, b)
	}
	if got := customIDs(t, w.read(bulk.ResultsFile(b.ID))); fmt.Sprint(got) != fmt.Sprint(ids) {
		t.Errorf("killed at %d: results of %v", steps, got)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for body, n := range w.ran {
		if n != 1 {
			t.Errorf("killed at %d: %s was run %d times", steps, body, n)
		}
	}
	return died
}

// A process that lost its lease without noticing does no harm when it goes on.
func TestAProcessThatWasThoughtDeadChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.hold = true
	in, ids := goodLines(40)
	b := w.batch(ours(), in)
	frozen := &stalled{Records: w.queue}
	frozen.thaw = make(chan struct{})
	frozen.frozen.Store(true)
	stop := w.process(frozen, w)
	thaw := sync.OnceFunc(func() { close(frozen.thaw) })
	t.Cleanup(thaw) // before the process is waited for
	w.until(b.ID, "an owner", func(b queue.Batch) bool { return b.State == queue.BatchInProgress })
	w.process(w.queue, w)
	w.set(func() { w.hold = false })
	b = w.ended(b.ID)
	thaw()
	stop()
	if b = w.ended(b.ID); b.State != queue.BatchCompleted || b.Completed != 40 {
		t.Errorf("got %+v", b)
	}
	if got := customIDs(t, w.read(bulk.ResultsFile(b.ID))); fmt.Sprint(got) != fmt.Sprint(ids) {
		t.Errorf("results of %v", got)
	}
}

// A batch that is canceled while nobody runs it is canceled by who takes it over.
func TestACanceledBatchIsTakenOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.hold = true
	in, _ := goodLines(40)
	b := w.batch(ours(), in)
	m := newMortal(w, 14, true)
	stop := w.process(m, m)
	<-m.died
	stop()
	w.mu.Lock()
	if len(w.jobs) == 0 {
		t.Error("nothing was submitted")
	}
	w.mu.Unlock()
	if _, err := w.queue.CancelBatch(t.Context(), b.ID); err != nil {
		t.Fatal(err)
	}
	w.process(w.queue, w)
	if b = w.ended(b.ID); b.State != queue.BatchCancelled || b.Completed != 0 || b.Failed != 0 {
		t.Errorf("got %+v", b)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, j := range w.jobs {
		if j.outcome.State != bulk.Canceled {
			t.Errorf("job %s is still queued", id)
		}
	}
}

func TestTheSweepDropsWhatNobodyNeeds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.config.Retention = time.Millisecond
	w.config.SweepEvery = 10 * time.Millisecond
	in, _ := goodLines(12)
	shared := w.batch(ours(), in)
	other := w.batch(ours(), in)
	kept, err := w.desk.Create(t.Context(), queue.BatchSpec{File: shared.File, Runner: "echo", Method: "hold"})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.queue.ClaimBatch(t.Context(), kept.ID, "test", time.Minute); err != nil {
		t.Fatal(err)
	}
	w.process(w.queue, w)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for _, id := range []string{shared.ID, other.ID} {
		for {
			if _, err := w.queue.Batch(ctx, id); errors.Is(err, queue.ErrUnknownBatch) {
				break
			}
			if ctx.Err() != nil {
				t.Fatalf("batch %s is kept", id)
			}
		}
	}
	if _, err := w.desk.Open(ctx, other.File); !errors.Is(err, queue.ErrUnknownFile) {
		t.Errorf("its file: %v", err)
	}
	if _, err := w.desk.Open(ctx, bulk.ResultsFile(other.ID)); !errors.Is(err, queue.ErrUnknownFile) {
		t.Errorf("its results: %v", err)
	}
	if got := w.read(shared.File); !strings.HasPrefix(got, `{"custom_id":"c000"`) {
		t.Errorf("the file of a batch that is open is %q", got)
	}
}

// Whatever a process does last while it cancels a batch, what is done is kept, and
// no line has two outcomes.
func TestACanceledBatchSurvivesDeathAtEveryStep(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		for steps := 0; survivesCancel(t, steps, after); steps++ {
			if steps > 100 {
				t.Fatal("the batch is never canceled")
			}
		}
	}
}

// survivesCancel kills a process that cancels a batch after some steps, and lets
// another one end it. It reports whether the first one died before it had.
func survivesCancel(t *testing.T, steps int, after bool) bool {
	t.Helper()
	w := newWorld(t)
	w.config.Lease = 40 * time.Millisecond
	w.slow = true
	b := w.batch(ours(), `{"custom_id":"slow","input":"slow"}
{"custom_id":"a","input":1}
{"custom_id":"wrong"}
{"custom_id":"b","input":"bad"}
{"custom_id":"c","input":2}
`)
	first := w.process(w.queue, w)
	w.until(b.ID, "what is not slow", func(b queue.Batch) bool { return b.Completed+b.Failed == 4 })
	first()
	if _, err := w.queue.CancelBatch(t.Context(), b.ID); err != nil {
		t.Fatal(err)
	}
	m := newMortal(w, steps, after)
	stop := w.process(m, m)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.ended(b.ID)
	}()
	died := true
	select {
	case <-m.died:
	case <-ended:
		died = false
	}
	stop()
	w.process(w.queue, w)
	<-ended
	b = w.ended(b.ID)
	results, errs := customIDs(t, w.read(bulk.ResultsFile(b.ID))), customIDs(t, w.read(bulk.ErrorsFile(b.ID)))
	if fmt.Sprint(results, errs) != "[a c] [wrong b]" || b.State != queue.BatchCancelled || b.Completed != 2 || b.Failed != 2 {
		t.Errorf("killed at %d (after: %v): results %v, errors %v, %+v", steps, after, results, errs, b)
	}
	return died
}

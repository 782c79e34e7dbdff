package bulk_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/queue/tasks/bulk"
)

// Lines before those that are stored are read once more, and count once.
func TestLinesThatAreStoredAreNotCountedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.slow = true
	b := w.batch(ours(), `{"custom_id":"a","input":1}

not json
{"custom_id":"a","input":2}
{"custom_id":"b","input":3}
{"custom_id":"c","input":"bad"}
{"custom_id":"d","input":"slow"}
{"custom_id":"b","input":4}
{"custom_id":"e","input":5}
`)
	stop := w.process(w.queue, w)
	w.until(b.ID, "the first part", func(b queue.Batch) bool { return b.Stored == 5 })
	stop()
	w.set(func() { w.slow = false })
	w.process(w.queue, w)
	b = w.ended(b.ID)
	results, errs := customIDs(t, w.read(bulk.ResultsFile(b.ID))), customIDs(t, w.read(bulk.ErrorsFile(b.ID)))
	if fmt.Sprint(results, errs) != "[a b d e] [ a c b]" {
		t.Errorf("results %v, errors %v", results, errs)
	}
	if b.State != queue.BatchCompleted || b.Completed != 4 || b.Failed != 4 || b.Stored != 8 || b.StoredFailed != 4 {
		t.Errorf("got %+v", b)
	}
	for _, id := range []string{bulk.ResultsFile(b.ID), bulk.ErrorsFile(b.ID)} {
		if f, err := w.desk.File(t.Context(), id); err != nil || f.Lines != 4 || f.Bytes != int64(len(w.read(id))) {
			t.Errorf("%s is %+v, %v", id, f, err)
		}
	}
}

// However many lines a batch has, only so many bytes of them are held at a time.
func TestABatchLargerThanWhatIsHeldIsRunInPieces(t *testing.T) {
	t.Parallel()
	const size, lines, held = 1 << 20, 80, 64
	w := newWorld(t)
	w.config.Window, w.config.PartLines = 2*lines, 1000
	w.hold = true
	body := strings.Repeat("x", size)
	var all strings.Builder
	for i := range lines {
		fmt.Fprintf(&all, "{\"custom_id\":\"%d\",\"input\":%q}\n", i, body)
	}
	b := w.batch(ours(), all.String())
	w.process(w.queue, w)
	w.until(b.ID, "calls", func(queue.Batch) bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.open >= held-1 && w.looks > 3
	})
	w.set(func() { w.hold = false })
	if b = w.ended(b.ID); b.Completed != lines || b.Results < lines/9 {
		t.Errorf("got %+v", b)
	}
	if w.mostOpen > held {
		t.Errorf("%d lines of %d bytes were held", w.mostOpen, size)
	}
}

// However large outcomes are, only so many bytes of them, and one more outcome, are held
// while a line before them takes long.
func TestOutcomesThatAreLargeAreReadInPieces(t *testing.T) {
	t.Parallel()
	const size, lines, held = 4 << 20, 24, 64 << 20
	w := newWorld(t)
	w.config.Window = lines
	w.slow = true
	w.answer = []byte(`"` + strings.Repeat("x", size-2) + `"`)
	good, ids := goodLines(lines)
	b := w.batch(ours(), `{"custom_id":"s","input":"slow"}`+"\n"+good)
	w.process(w.queue, w)
	w.until(b.ID, "what is held", func(queue.Batch) bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.told >= held
	})
	w.mu.Lock()
	looks := w.looks
	w.mu.Unlock()
	w.until(b.ID, "more looks", func(queue.Batch) bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.looks > looks+8
	})
	w.set(func() {
		if w.told > held+size {
			t.Errorf("%d bytes of outcomes are held", w.told)
		}
		w.slow = false
	})
	if b = w.ended(b.ID); b.Completed != lines+1 {
		t.Errorf("got %+v", b)
	}
	if got := customIDs(t, w.read(bulk.ResultsFile(b.ID))); fmt.Sprint(got[1:]) != fmt.Sprint(ids) {
		t.Errorf("results of %v", got)
	}
}

func TestTheCallsOfABatchAreItsCallers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	spec := ours()
	spec.Caller = "somebody"
	lines, _ := goodLines(1)
	w.process(w.queue, w)
	w.ended(w.batch(spec, lines).ID)
	if w.caller != "somebody" {
		t.Errorf("the call is of %q", w.caller)
	}
}

func TestRefusalsHoldUpTheNextCallsLongerAndLonger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var b bulk.Backoff
		hold := func(refused, some bool, want time.Duration) {
			t.Helper()
			if got := b.Hold(refused, some); got != want {
				t.Errorf("held up for %v, want %v", got, want)
			}
		}
		hold(false, true, 0)
		hold(true, true, 50*time.Millisecond)
		hold(true, false, 50*time.Millisecond) // was on its way already
		hold(false, true, 50*time.Millisecond)
		for _, ms := range []int{100, 200, 400, 800, 1600, 3200, 5000, 5000} {
			time.Sleep(b.Hold(false, false))
			hold(true, false, time.Duration(ms)*time.Millisecond)
		}
		time.Sleep(b.Hold(false, false))
		hold(false, false, 0)
		hold(true, false, 5*time.Second) // nothing was accepted in between
		time.Sleep(b.Hold(false, false))
		hold(false, true, 0)
		hold(true, false, 50*time.Millisecond)
	})
}

// Redis may lose jobs, and operators drop them.
func TestACallWhoseJobIsGoneIsMadeAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lose = 12
	lines, ids := goodLines(20)
	b := w.batch(ours(), lines)
	w.process(w.queue, w)
	if b = w.ended(b.ID); b.Completed != 20 || b.Failed != 0 {
		t.Errorf("got %+v", b)
	}
	if got := customIDs(t, w.read(bulk.ResultsFile(b.ID))); fmt.Sprint(got) != fmt.Sprint(ids) {
		t.Errorf("results of %v", got)
	}
}

func TestACallWhoseJobIsAlwaysGoneFailsInTheEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.batch(ours(), `{"custom_id":"a","input":1}
{"custom_id":"gone","input":"lost"}
{"custom_id":"b","input":2}
`)
	w.process(w.queue, w)
	if b = w.ended(b.ID); b.State != queue.BatchCompleted || b.Completed != 2 || b.Failed != 1 {
		t.Errorf("got %+v", b)
	}
	if errs := w.read(bulk.ErrorsFile(b.ID)); !strings.Contains(errs, `"custom_id":"gone","line":2,"status":500`) || !strings.Contains(errs, `"code":"call_lost"`) {
		t.Errorf("errors are %s", errs)
	}
	if n := w.ran[`"lost"`]; n != 4 {
		t.Errorf("it was made %d times, want once and 3 times again", n)
	}
}

func TestACallThatAnOperatorCancelsFailsAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.slow = true
	b := w.batch(ours(), `{"custom_id":"a","input":"slow"}
{"custom_id":"b","input":2}
`)
	w.process(w.queue, w)
	w.until(b.ID, "the other one", func(b queue.Batch) bool { return b.Completed == 1 })
	w.set(func() {
		w.jobs[queue.IDFor("echo", "batch:"+b.ID+":0")].outcome = bulk.Outcome{State: bulk.Canceled, Status: 409, Body: []byte(`{"code":"canceled"}`)}
	})
	if b = w.ended(b.ID); b.State != queue.BatchCompleted || b.Completed != 1 || b.Failed != 1 {
		t.Errorf("got %+v", b)
	}
	if errs := w.read(bulk.ErrorsFile(b.ID)); !strings.Contains(errs, `"custom_id":"a","line":1,"status":409,"error":{"code":"canceled"}`) {
		t.Errorf("errors are %s", errs)
	}
}

func TestOutcomesThatAreNotSuccessesAreErrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.slow = true
	statuses := []int{199, 200, 299, 300}
	var in strings.Builder
	for _, status := range statuses {
		fmt.Fprintf(&in, "{\"custom_id\":\"%d\",\"input\":\"slow\"}\n", status)
	}
	b := w.batch(ours(), in.String())
	w.process(w.queue, w)
	w.until(b.ID, "calls", func(queue.Batch) bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.jobs) == len(statuses)
	})
	w.set(func() {
		for i, status := range statuses {
			w.jobs[queue.IDFor("echo", fmt.Sprintf("batch:%s:%d", b.ID, i))].outcome.Status = status
		}
		w.slow = false
	})
	b = w.ended(b.ID)
	results, errs := customIDs(t, w.read(bulk.ResultsFile(b.ID))), customIDs(t, w.read(bulk.ErrorsFile(b.ID)))
	if fmt.Sprint(results, errs) != "[200 299] [199 300]" || b.Completed != 2 || b.Failed != 2 {
		t.Errorf("results %v, errors %v, %+v", results, errs, b)
	}
}

// robbed is told whenever it has stored a part that the batch is another owner's.
type robbed struct {
	bulk.Records

	told atomic.Int32
}

func (r *robbed) NoteBatch(ctx context.Context, id, owner string, lease time.Duration, c queue.BatchChange) (bool, error) {
	if c.Progress != nil {
		r.told.Add(1)
		return false, queue.ErrBatchTaken
	}
	return r.Records.NoteBatch(ctx, id, owner, lease, c)
}

// Jobs are the only place of outcomes until the record says where they are stored.
func TestJobsOfAPartThatIsNotNotedAreKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	in, ids := goodLines(12)
	b := w.batch(ours(), in)
	r := &robbed{Records: w.queue}
	stop := w.process(r, w)
	w.until(b.ID, "the second try", func(queue.Batch) bool { return r.told.Load() > 2 })
	stop()
	if w.forgot != 0 {
		t.Errorf("%d jobs are forgotten", w.forgot)
	}
	w.process(w.queue, w)
	if b = w.ended(b.ID); b.Completed != 12 || b.Stored != 12 {
		t.Errorf("got %+v", b)
	}
	if got := customIDs(t, w.read(bulk.ResultsFile(b.ID))); fmt.Sprint(got) != fmt.Sprint(ids) {
		t.Errorf("results of %v", got)
	}
	for body, n := range w.ran {
		if n != 1 {
			t.Errorf("%s was run %d times", body, n)
		}
	}
}

// slowSubmit takes calls when it is let, and counts how often an owner was told
// that its batch is to be canceled.
type slowSubmit struct {
	bulk.Records
	bulk.Calls

	let  chan struct{}
	told atomic.Int32
}

func (s *slowSubmit) Submit(ctx context.Context, c bulk.Call) error {
	<-s.let
	return s.Calls.Submit(ctx, c)
}

func (s *slowSubmit) NoteBatch(ctx context.Context, id, owner string, lease time.Duration, c queue.BatchChange) (bool, error) {
	canceled, err := s.Records.NoteBatch(ctx, id, owner, lease, c)
	if canceled {
		s.told.Add(1)
	}
	return canceled, err
}

// Calls that are on their way when a batch is canceled are canceled too.
func TestACanceledBatchLeavesNoCallBehind(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.hold = true
	in, _ := goodLines(20)
	b := w.batch(ours(), in)
	s := &slowSubmit{Records: w.queue, Calls: w, let: make(chan struct{})}
	let := sync.OnceFunc(func() { close(s.let) })
	stop := w.process(s, s)
	t.Cleanup(let) // before the process is waited for
	w.until(b.ID, "an owner", func(b queue.Batch) bool { return b.State == queue.BatchInProgress })
	if _, err := w.queue.CancelBatch(t.Context(), b.ID); err != nil {
		t.Fatal(err)
	}
	w.until(b.ID, "word of it", func(b queue.Batch) bool { return s.told.Load() > 10 || b.State.Terminal() })
	let()
	if b = w.ended(b.ID); b.State != queue.BatchCancelled || b.Completed != 0 || b.Failed != 0 {
		t.Errorf("got %+v", b)
	}
	stop()
	for id, j := range w.jobs {
		if j.outcome.State != bulk.Canceled {
			t.Errorf("job %s is still queued", id)
		}
	}
}

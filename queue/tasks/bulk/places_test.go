package bulk_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/queue/tasks/bulk"
)

// table drives places through time.
type table struct {
	t      *testing.T
	places bulk.Places
	now    time.Time
}

func newTable(t *testing.T, most int) *table {
	t.Helper()
	c := bulk.DefaultConfig()
	c.Concurrency, c.Patience = most, 10*time.Second
	return &table{t, bulk.NewPlaces(c), time.Date(2026, 9, 30, 12, 0, 0, 0, time.UTC)}
}

// take wants a batch to get a place, and which is told to leave for it.
func (tt *table) take(id, leaves string) {
	tt.t.Helper()
	if got, ok := tt.places.Take(tt.now, id); !ok || got != leaves {
		tt.t.Errorf("%s got a place: %v, for that of %q, want %q", id, ok, got, leaves)
	}
}

func (tt *table) full() {
	tt.t.Helper()
	if _, ok := tt.places.Take(tt.now, "one too many"); ok {
		tt.t.Error("there is room")
	}
}

func (tt *table) inLine(open []string, want ...string) {
	tt.t.Helper()
	if got := tt.places.Line(open...); fmt.Sprint(got) != fmt.Sprint(want) {
		tt.t.Errorf("in line are %v, want %v", got, want)
	}
}

func TestABatchThatComesNoFurtherLeavesForOneThatWaits(t *testing.T) {
	t.Parallel()
	tt := newTable(t, 2)
	tt.take("a", "")
	tt.take("b", "")
	tt.now = tt.now.Add(9 * time.Second)
	tt.full()
	tt.places.Move(tt.now, "a")
	tt.now = tt.now.Add(time.Second)
	tt.take("c", "b")
	tt.full() // a has moved, b leaves, c is new
	tt.places.Leave("b")
	tt.full()
	tt.now = tt.now.Add(9 * time.Second)
	tt.places.Move(tt.now, "c")
	tt.take("b", "a")
}

// A batch may take long to leave, while its store is away.
func TestOnlySoManyBatchesAreOnTheirWayOut(t *testing.T) {
	t.Parallel()
	tt := newTable(t, 1)
	tt.take("a", "")
	tt.now = tt.now.Add(time.Minute)
	tt.take("b", "a")
	tt.now = tt.now.Add(time.Minute)
	tt.full()
	tt.places.Leave("a")
	tt.take("c", "b")
}

func TestBatchesTakeTurns(t *testing.T) {
	t.Parallel()
	tt := newTable(t, 1)
	open := []string{"a", "b", "c"}
	tt.inLine(open, "a", "b", "c")
	tt.take("a", "")
	tt.inLine(open, "b", "c")
	tt.now = tt.now.Add(time.Minute)
	tt.take("b", "a")
	tt.places.Leave("a")
	tt.inLine(open, "c", "a")
	open = append(open, "d")
	tt.inLine(open, "c", "a", "d")
	tt.inLine([]string{"a", "b", "d"}, "a", "d")
}

// A runner that is paused holds up its own batches only.
func TestABatchIsRunWhileAnotherComesNoFurther(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.config.Concurrency, w.config.Patience = 1, time.Millisecond
	w.slow = true
	stuck := w.batch(ours(), `{"custom_id":"a","input":1}
{"custom_id":"b","input":"slow"}
{"custom_id":"c","input":2}
`)
	w.process(w.queue, w)
	w.until(stuck.ID, "all but what is slow", func(b queue.Batch) bool { return b.Completed == 2 })
	lines, _ := goodLines(1)
	if b := w.ended(w.batch(ours(), lines).ID); b.Completed != 1 {
		t.Errorf("got %+v", b)
	}
	if b := w.until(stuck.ID, "what it had", func(b queue.Batch) bool { return b.Stored == 1 }); b.State.Terminal() {
		t.Errorf("got %+v", b)
	}
	w.set(func() { w.slow = false })
	w.ended(stuck.ID)
	if got := customIDs(t, w.read(bulk.ResultsFile(stuck.ID))); fmt.Sprint(got) != "[a b c]" {
		t.Errorf("results of %v", got)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for body, n := range w.ran {
		if n != 1 {
			t.Errorf("%s was run %d times", body, n)
		}
	}
}

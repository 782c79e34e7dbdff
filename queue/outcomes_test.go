package queue_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ekiben/ekiben/queue"
)

func TestOutcomesOfManyJobsAndWhatIsForgotten(t *testing.T) {
	t.Parallel()
	b := setup(t)
	q, p, ctx := b.Queue, b.Producer, t.Context()
	var ids []string
	for _, name := range []string{"ended", "waits"} {
		id := queue.IDFor("r", name)
		ids = append(ids, id)
		_, err := p.Submit(ctx, queue.Call{
			ID: id, Runner: "r", Method: "m", Rows: 1, Timeout: time.Minute, Admission: queue.Admission{MaxCalls: 10, MaxBytes: 1 << 20},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := q.Cancel(ctx, ids[0]); err != nil {
		t.Fatal(err)
	}
	states := func() (all []queue.State) {
		t.Helper()
		found, err := q.Outcomes(ctx, append(ids, queue.IDFor("r", "none")), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		for i, o := range found {
			if o.Runner != "r" || i < len(ids) && o.ID != ids[i] {
				t.Errorf("outcome %d is %+v", i, o)
			}
			all = append(all, o.State)
		}
		return all
	}
	if got := states(); got[0] != queue.Canceled || got[1] != queue.Queued || got[2] != "" {
		t.Errorf("got %v", got)
	}
	if err := q.Forget(ctx, append(ids, ids[0])); err != nil {
		t.Fatal(err)
	}
	if got := states(); got[0] != "" || got[1] != queue.Queued {
		t.Errorf("then %v", got)
	}
	page, err := q.Jobs(ctx, queue.JobQuery{Runner: "r", Limit: 10})
	if err != nil || len(page.Jobs) != 1 || page.Jobs[0].ID != ids[1] {
		t.Errorf("listed %+v, %v", page, err)
	}
	stats, err := q.Stats(ctx, "r")
	if err != nil || len(stats) != 1 || stats[0].ResultBytes != 0 {
		t.Errorf("stats %+v, %v", stats, err)
	}
	if _, err := q.Outcomes(ctx, []string{"nonsense"}, 1); !errors.Is(err, queue.ErrUnknownJob) {
		t.Errorf("got %v", err)
	}
}

// Results may be large, and many.
func TestOutcomesReadOnlySoManyBytes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	q, p, ctx := b.Queue, b.Producer, t.Context()
	c := q.NewConsumer("r", "w", 0)
	const size = 1000
	ids := make([]string, 3)
	for i := range ids {
		ids[i] = queue.IDFor("r", strconv.Itoa(i))
		_, err := p.Submit(ctx, queue.Call{
			ID: ids[i], Runner: "r", Method: "m", Rows: 1, Timeout: time.Minute, Admission: queue.Admission{MaxCalls: 10, MaxBytes: 1 << 20},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for ended := 0; ended < len(ids); {
		cut, err := c.Cut(ctx, queue.Ask{Rows: 32, Enough: 1})
		if err != nil {
			t.Fatal(err)
		}
		var out []queue.Outcome
		for _, d := range cut.Deliveries {
			reply := queue.Reply{Err: &queue.CallError{Code: queue.CodeRunnerFailed, Message: strings.Repeat("x", size)}}
			out = append(out, queue.Outcome{Delivery: d, Reply: reply})
		}
		if _, err := c.Finish(ctx, out); err != nil {
			t.Fatal(err)
		}
		ended += len(out)
	}
	for most, want := range map[int64]int{1: 1, 3 * size / 2: 1, 5 * size / 2: 2, 5 * size: 3} {
		found, err := q.Outcomes(ctx, ids, most)
		if err != nil {
			t.Fatal(err)
		}
		for i, o := range found {
			if read := o.Reply.Err != nil; o.State != queue.Failed || o.Unread == read || read != (i < want) {
				t.Errorf("of %d bytes: job %d is %s, read %v, unread %v", most, i, o.State, read, o.Unread)
			}
		}
	}
}

// What is kept of jobs is counted back as far as they are forgotten, also of one
// that is named twice or has been dropped already.
func TestWhatIsForgottenIsCountedOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	q, p, ctx := b.Queue, b.Producer, t.Context()
	ids := make([]string, 300)
	all := make(chan error, 2*len(ids))
	for i := range ids {
		ids[i] = queue.IDFor("r", strconv.Itoa(i))
		for range 2 { // often in one script
			go func() {
				_, err := p.Submit(ctx, queue.Call{
					ID: ids[i], Runner: "r", Method: "m", Rows: 1, Timeout: time.Minute,
					Admission: queue.Admission{MaxCalls: 1000, MaxBytes: 1 << 20},
				})
				all <- err
			}()
		}
	}
	for range 2 * len(ids) {
		if err := <-all; err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range ids {
		if _, err := q.Cancel(ctx, id); err != nil {
			t.Fatal(err)
		}
	}
	kept := func() int64 {
		t.Helper()
		stats, err := q.Stats(ctx, "r")
		if err != nil || len(stats) != 1 || stats[0].Accepted != int64(len(ids)) || stats[0].Depth != 0 {
			t.Fatalf("stats %+v, %v", stats, err)
		}
		return stats[0].ResultBytes
	}
	each := kept() / int64(len(ids))
	for _, some := range [][]string{{ids[0], ids[0]}, {ids[0], ids[1]}} {
		if err := q.Forget(ctx, some); err != nil {
			t.Fatal(err)
		}
	}
	if got := kept(); each == 0 || got < each*int64(len(ids)-2) || got > (each+1)*int64(len(ids)-2) {
		t.Errorf("%d bytes are kept of %d jobs of %d bytes each", got, len(ids)-2, each)
	}
	if err := q.Forget(ctx, ids); err != nil {
		t.Fatal(err)
	}
	if got := kept(); got != 0 {
		t.Errorf("%d bytes are kept of nothing", got)
	}
}

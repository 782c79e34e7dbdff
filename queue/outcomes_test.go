package queue_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ekiben/ekiben/queue"
)

func TestOutcomesOfManyJobsAndWhatIsForgotten(t *testing.T) {
	t.Parallel()
	q, ctx := openBatches(t), t.Context()
	p := q.NewProducer("g")
	running, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- p.Run(running) }()
	defer func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
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
		found, err := q.Outcomes(ctx, append(ids, queue.IDFor("r", "none")))
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
	if err := q.Forget(ctx, ids); err != nil {
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
	if _, err := q.Outcomes(ctx, []string{"nonsense"}); !errors.Is(err, queue.ErrUnknownJob) {
		t.Errorf("got %v", err)
	}
}

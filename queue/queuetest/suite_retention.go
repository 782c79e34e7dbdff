package queuetest

import (
	"errors"
	"testing"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// Forgetting tests that ended jobs are dropped after their retention, which is
// apart from [Suite] because it needs a configuration of its own.
func Forgetting(t *testing.T, open func(*testing.T, queue.Config) Backend) {
	t.Helper()
	c := config()
	c.Retention = 50 * time.Millisecond
	s := newScene(t, open(t, c))
	ids := s.submit(of("done", 1), of("canceled", 1), of("queued", 1))
	w := s.consumer("w")
	s.finish(w, echo(s.cut(w, 1).Deliveries))
	must(s.Cancel(t.Context(), ids[1]))(t)
	for _, id := range ids[:2] {
		await(t, "the job is forgotten", func() bool {
			_, err := s.Job(t.Context(), id)
			return errors.Is(err, queue.ErrUnknownJob)
		})
	}
	s.wantState(ids[2], queue.Queued)
	await(t, "its bytes are given back", func() bool {
		must(s.Sweep(t.Context(), runner))(t)
		return s.stats().ResultBytes == 0
	})
	jobs := must(s.Jobs(t.Context(), queue.JobQuery{Runner: runner, Limit: 10}))(t)
	if len(jobs.Jobs) != 1 || jobs.Jobs[0].ID != ids[2] {
		t.Errorf("jobs are listed as %+v, want %s alone", jobs, ids[2])
	}
}

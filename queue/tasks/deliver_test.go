package tasks_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/queue/tasks"
)

// A webhook that is told again is so as if for the first time.
func TestRedeliveriesBeginAnew(t *testing.T) {
	t.Parallel()

	q, in := newFakeQueue(), newInbox(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	e := q.ended(in.url)
	e.N = 15
	hook := q.hooks[e.Job]
	hook.N, hook.Deliveries, hook.At = e.N, 0, e.At.Add(-time.Hour)
	q.hooks[e.Job] = hook
	s := newServer(t, ownPlace(t), q, nil)
	for n, most := range []time.Duration{6 * time.Second, 36 * time.Second} {
		err := s.Handle(t.Context(), e)
		if after := tasks.RetryDelay(0, err); err == nil || tasks.IsFailure(err) || after > most || after < most/2 {
			t.Errorf("after delivery %d: %v, again after %s", n, err, after)
		}
		if hook := q.hook(e.Job); hook.Deliveries != 1+n || hook.State != queue.HookPending || hook.Status != http.StatusBadGateway {
			t.Errorf("noted %+v", hook)
		}
	}
}

func TestJobsThatAreGoneOrRunAgainAreNotTold(t *testing.T) {
	t.Parallel()

	q, in := newFakeQueue(), newInbox(t, nil)
	s := newServer(t, ownPlace(t), q, nil)
	gone, again := q.ended(in.url), q.ended(in.url)
	delete(q.hooks, gone.Job)
	delete(q.jobs, gone.Job)
	job := q.jobs[again.Job]
	job.State = queue.Running
	q.jobs[again.Job] = job
	for _, e := range []queue.Errand{gone, again} {
		if err := s.Handle(t.Context(), e); err != nil {
			t.Error(err)
		}
	}
	if ids, _ := in.total(); ids != 0 || q.notes != 0 {
		t.Errorf("%d were told, %d noted", ids, q.notes)
	}
}

// A job that was told of as failed is run again and ends otherwise, while the
// errand of its first end is about to be delivered.
func TestTheErrandOfAnEarlierEndIsNotTold(t *testing.T) {
	t.Parallel()

	q, in := newFakeQueue(), newInbox(t, nil)
	s := newServer(t, ownPlace(t), q, nil)
	e := q.ended(in.url)
	q.change(func() {
		hook := q.hooks[e.Job]
		hook.N = 2
		q.hooks[e.Job] = hook
	})
	if err := s.Handle(t.Context(), e); err != nil {
		t.Error(err)
	}
	if ids, _ := in.total(); ids != 0 || q.notes != 0 {
		t.Errorf("%d were told, %d noted", ids, q.notes)
	}
	e.N = 2
	if err := s.Handle(t.Context(), e); err != nil {
		t.Error(err)
	}
	if got := in.got[e.Job+":2"]; len(got) != 1 || q.hook(e.Job).State != queue.HookDelivered {
		t.Errorf("of its second end %d were told, noted %+v", len(got), q.hook(e.Job))
	}
}

package queuetest

import (
	"errors"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// records are the rules of what is known about jobs.
var records = []test{
	{"a job's record follows its life", func(s *scene) {
		o := of("a", 3)
		o.timeout = time.Minute
		c := o.call()
		j := must(s.Submit(s.t.Context(), c))(s.t)
		if stored := s.job(c.ID); stored != j {
			s.t.Errorf("Submit() = %+v, Job() = %+v", j, stored)
		}
		if j.State != queue.Queued || j.Runner != runner || j.Method != "read" || j.Rows != 3 || j.Created.IsZero() ||
			j.Deadline.Sub(j.Created) != time.Minute || !j.Started.IsZero() || !j.Finished.IsZero() || !j.Expires.IsZero() {
			s.t.Errorf("queued: %+v", j)
		}
		w := s.consumer("w")
		cut := s.cut(w, 8)
		if j = s.job(c.ID); j.State != queue.Running || j.Started.Before(j.Created) || !j.Finished.IsZero() {
			s.t.Errorf("running: %+v", j)
		}
		s.finish(w, echo(cut.Deliveries))
		if j = s.job(c.ID); j.State != queue.Succeeded || j.Finished.Before(j.Started) || j.Expires.Sub(j.Finished) != time.Minute || j.Err != nil {
			s.t.Errorf("succeeded: %+v", j)
		}
	}},
	{"a job has a result when it has ended, and not before", func(s *scene) {
		ids := s.submit(of("a", 1), of("b", 1))
		w := s.consumer("w")
		early := func() {
			s.t.Helper()
			if _, err := s.Result(s.t.Context(), ids[0]); !errors.Is(err, queue.ErrNotDone) {
				s.t.Errorf("Result() = %v, want ErrNotDone", err)
			}
		}
		early()
		cut := s.cut(w, 8)
		early()
		s.finish(w, append(echo(cut.Deliveries[:1]), fail(cut.Deliveries[1:])...))
		if r := must(s.Result(s.t.Context(), ids[0]))(s.t); r.ID != ids[0] || label(r.Outputs) != "a" || r.Err != nil {
			s.t.Errorf("Result() = %+v", r)
		}
		if r := must(s.Result(s.t.Context(), ids[1]))(s.t); r.Err == nil || r.Err.Message != "out of ink" {
			s.t.Errorf("Result() of a failed job = %+v", r)
		}
		if j := s.job(ids[1]); j.State != queue.Failed || j.Err == nil || !j.Err.Retryable {
			s.t.Errorf("failed: %+v", j)
		}
	}},
	{"ids of nothing are unknown", func(s *scene) {
		for _, id := range []string{queue.NewID(runner), "", "x", "a~b", "a~1~c", "{a}~0~c", "~0~c"} {
			_, job := s.Job(s.t.Context(), id)
			_, result := s.Result(s.t.Context(), id)
			_, canceled := s.Cancel(s.t.Context(), id)
			for _, err := range []error{job, result, canceled} {
				if !errors.Is(err, queue.ErrUnknownJob) {
					s.t.Errorf("%q: %v, want ErrUnknownJob", id, err)
				}
			}
		}
	}},
	{"waiting for a job ends when it does", func(s *scene) {
		id := s.submit(of("a", 1))[0]
		w := s.consumer("w")
		waited := make(chan queue.Job, 1)
		go func() {
			j, _ := s.Producer.Wait(s.t.Context(), id, patience)
			waited <- j
		}()
		s.finish(w, echo(s.cut(w, 8).Deliveries))
		if j := <-waited; j.State != queue.Succeeded {
			s.t.Errorf("Wait() = %+v", j)
		}
		if j := must(s.Producer.Wait(s.t.Context(), id, patience))(s.t); j.State != queue.Succeeded {
			s.t.Errorf("Wait() after the end = %+v", j)
		}
	}},
	{"waiting for a job ends when the wait is over", func(s *scene) {
		id := s.submit(of("a", 1))[0]
		if j := must(s.Producer.Wait(s.t.Context(), id, 20*time.Millisecond))(s.t); j.State != queue.Queued {
			s.t.Errorf("Wait() = %+v", j)
		}
		if _, err := s.Producer.Wait(s.t.Context(), queue.NewID(runner), time.Second); !errors.Is(err, queue.ErrUnknownJob) {
			s.t.Errorf("Wait() = %v, want ErrUnknownJob", err)
		}
	}},
}

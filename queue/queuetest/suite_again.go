package queuetest

import (
	"errors"
	"testing"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// room is an admission that lets anything in.
func room() queue.Admission { return queue.Admission{MaxCalls: 10000, MaxBytes: 1 << 30} }

// retry queues a job again.
func (s *scene) retry(id string) queue.Job {
	s.t.Helper()
	return must(s.Retry(s.t.Context(), id, room()))(s.t)
}

// wantErr fails the test unless err is want.
func wantErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s = %v, want %v", what, err, want)
	}
}

// again are the rules of jobs that are queued again.
var again = []test{
	{"a failed job runs again under its id, with the times it had", func(s *scene) {
		o := of("a", 3)
		o.timeout, o.lane, o.group = time.Minute, queue.High, "with a space"
		id := s.submit(o)[0]
		w := s.consumer("w")
		s.finish(w, fail(s.cut(w, 8).Deliveries))
		s.wantState(id, queue.Failed)
		j := s.retry(id)
		if j.State != queue.Queued || j.Attempt != 1 || j.ID != id || j.Rows != 3 || j.Err != nil || !j.Finished.IsZero() ||
			!j.Expires.IsZero() || j.Deadline.Sub(j.Created) != time.Minute || j.Lane != queue.High {
			s.t.Errorf("Retry() = %+v", j)
		}
		if _, err := s.Result(s.t.Context(), id); !errors.Is(err, queue.ErrNotDone) {
			s.t.Errorf("Result() = %v, want ErrNotDone", err)
		}
		cut := s.wantCut(w, 8, "a")
		if d := cut.Deliveries[0]; d.Attempt != 1 || d.Group != "with a space" || d.Rows != 3 || d.Suspect {
			s.t.Errorf("it comes as %+v", d)
		}
		s.finish(w, echo(cut.Deliveries))
		if r := must(s.Result(s.t.Context(), id))(s.t); label(r.Outputs) != "a" {
			s.t.Errorf("Result() = %+v", r)
		}
		_, err := s.Retry(s.t.Context(), id, room())
		wantErr(s.t, "Retry() of one that succeeded", err, queue.ErrNotRetryable)
		s.rest()
	}},
	{"expired and canceled jobs run again too, others do not", func(s *scene) {
		late := of("late", 1)
		late.timeout = time.Millisecond
		ids := s.submit(late, of("canceled", 1), of("queued", 1))
		pass(3 * time.Millisecond)
		s.sweep()
		must(s.Cancel(s.t.Context(), ids[1]))(s.t)
		s.retry(ids[0])
		s.retry(ids[1])
		_, err := s.Retry(s.t.Context(), ids[2], room())
		wantErr(s.t, "Retry() of one that is queued", err, queue.ErrNotRetryable)
		w := s.consumer("w")
		cut := s.cut(w, 1)
		_, err = s.Retry(s.t.Context(), cut.Deliveries[0].ID, room())
		wantErr(s.t, "Retry() of one that runs", err, queue.ErrNotRetryable)
		_, err = s.Retry(s.t.Context(), queue.NewID(runner), room())
		wantErr(s.t, "Retry() of one that never was", err, queue.ErrUnknownJob)
	}},
	{"a job that was delayed runs again with its own time, without the delay", func(s *scene) {
		waits, ran := delayed("waits", time.Hour), delayed("ran", 20*time.Millisecond)
		waits.timeout, ran.timeout = time.Minute, time.Minute
		ids := s.submit(waits, ran)
		w := s.consumer("w")
		s.finish(w, fail(s.cutSlowly(w, "ran").Deliveries))
		must(s.Cancel(s.t.Context(), ids[0]))(s.t)
		for range 2 {
			for _, id := range ids {
				if j := s.retry(id); j.Deadline.Sub(j.Created) != time.Minute || j.StartBy != j.Deadline {
					s.t.Errorf("Retry() = %+v, want that it has a minute", j)
				}
				must(s.Cancel(s.t.Context(), id))(s.t)
			}
		}
	}},
	{"a job that was tried again by itself runs again with its own time", func(s *scene) {
		o := patient("a", 1)
		o.timeout = time.Minute
		id := s.submit(o)[0]
		w := s.consumer("w")
		for range 2 {
			s.finish(w, fail(s.cutSlowly(w, "a").Deliveries))
		}
		if j := s.retry(id); j.Deadline.Sub(j.Created) != time.Minute {
			s.t.Errorf("Retry() = %+v, want that it has a minute", j)
		}
	}},
	{"a job is not queued again beyond the bounds", func(s *scene) {
		id := s.submit(of("a", 1))[0]
		must(s.Cancel(s.t.Context(), id))(s.t)
		s.submit(of("b", 1))
		for _, a := range []queue.Admission{{MaxCalls: 1, MaxBytes: 1 << 30}, {MaxCalls: 10, MaxBytes: 100}} {
			_, err := s.Retry(s.t.Context(), id, a)
			wantErr(s.t, "Retry() into a full queue", err, queue.ErrFull)
		}
		s.wantState(id, queue.Canceled)
		s.retry(id)
	}},
	{"what a worker holds of an earlier attempt cannot end a later one", func(s *scene) {
		id := s.submit(of("a", 1))[0]
		v, w := s.consumer("v"), s.consumer("w")
		old := s.cut(v, 8)
		must(s.Cancel(s.t.Context(), id))(s.t)
		s.retry(id)
		if lost := s.finish(v, echo(old.Deliveries)); lost != 1 {
			s.t.Error("the success of an earlier attempt had an effect")
		}
		s.wantState(id, queue.Queued)
		s.drain(w, 8)
		s.wantState(id, queue.Succeeded)
	}},
	{"what was lost of an earlier attempt does not come back beside a later one", func(s *scene) {
		id := s.submit(of("a", 1))[0]
		v, w := s.consumer("v"), s.consumer("w")
		s.cut(v, 8)
		must(s.Cancel(s.t.Context(), id))(s.t)
		s.retry(id)
		s.Abandon("v", 0)
		s.sweep()
		if st := s.stats(); st.Depth != 1 || st.Waiting != 1 {
			s.t.Errorf("stats: %+v, want one call", st)
		}
		s.drain(w, 8)
	}},
	{"a job that is queued again is there for its whole time", func(s *scene) {
		id := s.submit(of("a", 1))[0]
		must(s.Cancel(s.t.Context(), id))(s.t)
		expires := s.job(id).Expires
		s.retry(id)
		if j := s.job(id); !j.Expires.IsZero() || expires.IsZero() {
			s.t.Errorf("canceled it expires at %s, queued again at %s, want never", expires, j.Expires)
		}
		if st := s.stats(); st.ResultBytes != 0 {
			s.t.Errorf("%d bytes are kept of ended jobs, want none", st.ResultBytes)
		}
	}},
}

// letters are the rules of dead letters.
var letters = []test{
	{"dead letters are listed, shown, redriven and dropped", func(s *scene) {
		w := s.consumer("w")
		ids := s.submit(of("a", 2), of("b", 1), of("c", 1))
		s.kill(w, "a", "b", "c")
		all, next, err := s.DeadLetters(s.t.Context(), runner, "", 2)
		if err != nil || len(all) != 2 || next == "" || label(all[0].Call.Inputs) != "a" || all[0].Call.ID != ids[0] ||
			all[0].Rows != 2 || !all[0].Job || all[0].Reason == "" || all[0].Died.IsZero() || all[0].Accepted.IsZero() || all[0].Err != nil {
			s.t.Fatalf("DeadLetters() = %+v, %q, %v", all, next, err)
		}
		rest, _, err := s.DeadLetters(s.t.Context(), runner, next, 2)
		if err != nil || len(rest) != 1 || label(rest[0].Call.Inputs) != "c" {
			s.t.Fatalf("DeadLetters(next) = %+v, %v", rest, err)
		}
		one, err := s.DeadLetter(s.t.Context(), runner, all[1].ID)
		if err != nil || label(one.Call.Inputs) != "b" {
			s.t.Errorf("DeadLetter() = %+v, %v", one, err)
		}
		j, err := s.Redrive(s.t.Context(), runner, all[0].ID, room())
		if err != nil || j.ID != ids[0] || j.State != queue.Queued || j.Attempt != 1 {
			s.t.Errorf("Redrive() = %+v, %v", j, err)
		}
		_, err = s.Redrive(s.t.Context(), runner, all[0].ID, room())
		wantErr(s.t, "Redrive() again", err, queue.ErrUnknownDeadLetter)
		if err := s.DropDead(s.t.Context(), runner, all[1].ID); err != nil {
			s.t.Error(err)
		}
		wantErr(s.t, "DropDead() again", s.DropDead(s.t.Context(), runner, all[1].ID), queue.ErrUnknownDeadLetter)
		if err := s.DropDead(s.t.Context(), runner, ""); err != nil {
			s.t.Error(err)
		}
		if st := s.stats(); st.DeadLetters != 0 {
			s.t.Errorf("%d dead letters are left", st.DeadLetters)
		}
		cut := s.cutSlowly(w, "a")
		if cut.Deliveries[0].Suspect {
			s.t.Error("a call that was redriven is suspect from the start")
		}
		s.finish(w, echo(cut.Deliveries))
		s.wantState(ids[0], queue.Succeeded)
		s.rest()
	}},
	{"an awaited call that was given up is redriven as a job", func(s *scene) {
		w := s.consumer("w")
		replies := s.do(of("a", 1))
		s.kill(w, "a")
		id := s.receive(replies[0]).ID
		all, _, err := s.DeadLetters(s.t.Context(), runner, "", 2)
		if err != nil || len(all) != 1 || all[0].Job || all[0].Call.ID != id {
			s.t.Fatalf("DeadLetters() = %+v, %v", all, err)
		}
		must(s.Redrive(s.t.Context(), runner, all[0].ID, room()))(s.t)
		s.drain(w, 8)
		s.wantState(id, queue.Succeeded)
	}},
	{"a dead letter that cannot be read cannot be redriven", func(s *scene) {
		if s.Plant == nil {
			s.t.Skip("there are no entries")
		}
		s.Plant(runner, "hello", "world")
		w := s.consumer("w")
		await(s.t, "it is a dead letter", func() bool {
			s.sweep()
			s.wantCut(w, 8)
			return s.stats().DeadLetters == 1
		})
		all, _, err := s.DeadLetters(s.t.Context(), runner, "", 2)
		if err != nil || len(all) != 1 || all[0].Err == nil {
			s.t.Fatalf("DeadLetters() = %+v, %v", all, err)
		}
		_, err = s.Redrive(s.t.Context(), runner, all[0].ID, room())
		wantErr(s.t, "Redrive()", err, queue.ErrNotRetryable)
	}},
	{"dead letters that are not there are unknown", func(s *scene) {
		for _, id := range []string{"1-1", "x", "-", "+", "", "1-1 ", "18446744073709551616999-1"} {
			_, err := s.DeadLetter(s.t.Context(), runner, id)
			wantErr(s.t, "DeadLetter("+id+")", err, queue.ErrUnknownDeadLetter)
			_, err = s.Redrive(s.t.Context(), runner, id, room())
			wantErr(s.t, "Redrive("+id+")", err, queue.ErrUnknownDeadLetter)
		}
		_, _, err := s.DeadLetters(s.t.Context(), runner, "x", 2)
		wantErr(s.t, "DeadLetters(x)", err, queue.ErrMalformed)
	}},
}

// kill lets calls crash their instance alone until they are given up.
func (s *scene) kill(c Consumer, want ...string) {
	s.t.Helper()
	for _, label := range want {
		for range config().MaxCrashes {
			s.crashed(c, s.cutSlowly(c, label).Deliveries)
		}
	}
}

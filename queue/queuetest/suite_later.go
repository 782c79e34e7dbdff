package queuetest

import (
	"slices"
	"strings"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// delayed is an order that is queued so much later.
func delayed(label string, d time.Duration) order {
	o := of(label, 1)
	o.change = func(c *queue.Call) { c.Delay = d }
	return o
}

// patient is an order that is tried again so often.
func patient(label string, times int) order {
	o := of(label, 1)
	o.change = func(c *queue.Call) {
		c.Retry = queue.Retry{Most: times, Backoff: 20 * time.Millisecond, MaxBackoff: time.Second}
	}
	return o
}

// later are the rules of jobs that are queued when their time comes.
var later = []test{
	{"a delayed job waits aside and is queued at its time, with all of its time", func(s *scene) {
		o := delayed("later", 300*time.Millisecond)
		o.timeout = time.Minute
		j := must(s.Submit(s.t.Context(), o.call()))(s.t)
		if j.State != queue.Queued || j.RunAt.Sub(j.Created) != 300*time.Millisecond || j.Deadline.Sub(j.RunAt) != time.Minute {
			s.t.Errorf("Submit() = %+v", j)
		}
		if stored := s.job(j.ID); stored.RunAt != j.RunAt || stored.Deadline != j.Deadline || stored.Ahead != -1 {
			s.t.Errorf("Job() = %+v, Submit() = %+v", stored, j)
		}
		w := s.consumer("w")
		s.sweep()
		s.wantCut(w, 8)
		if st := s.stats(); st.Depth != 0 || st.Bytes != 0 || st.Accepted != 1 {
			s.t.Errorf("stats: %+v, want an empty queue", st)
		}
		cut := s.cutSlowly(w, "later")
		if d := cut.Deliveries[0]; d.Left < 50*time.Second {
			s.t.Errorf("it has %s left", d.Left)
		}
		if stored := s.job(j.ID); !stored.RunAt.IsZero() || stored.State != queue.Running {
			s.t.Errorf("running it is %+v", stored)
		}
		s.finish(w, echo(cut.Deliveries))
		s.wantState(j.ID, queue.Succeeded)
		s.rest()
	}},
	{"a delayed job that is canceled is not queued", func(s *scene) {
		id := s.submit(delayed("a", 50*time.Millisecond))[0]
		if j := must(s.Cancel(s.t.Context(), id))(s.t); j.State != queue.Canceled {
			s.t.Errorf("Cancel() = %+v", j)
		}
		pass(60 * time.Millisecond)
		s.sweep()
		s.wantCut(s.consumer("w"), 8)
		s.wantState(id, queue.Canceled)
		// And it may be run again.
		s.retry(id)
		s.drain(s.consumer("w"), 8)
		s.wantState(id, queue.Succeeded)
	}},
	{"delayed jobs are bounded like others", func(s *scene) {
		o := delayed("a", time.Hour)
		delay := o.change
		o.change = func(c *queue.Call) { delay(c); c.Admission.MaxCalls = 2 }
		ids := s.submit(o, o)
		s.refused(o, queue.ErrFull)
		s.submit(of("now", 1))
		must(s.Cancel(s.t.Context(), ids[0]))(s.t)
		s.submit(o)
	}},
	{"a job that is far away is an errand, and comes back when it ripens", func(s *scene) {
		id := s.submit(delayed("far", 70*time.Second))[0]
		es := must(s.Errands(s.t.Context(), runner, 10))(s.t)
		if len(es) != 1 || es[0].Kind != queue.ErrandLater || es[0].Job != id || es[0].N != 0 || es[0].Runner != runner ||
			es[0].At != s.job(id).RunAt {
			s.t.Fatalf("Errands() = %+v, want one for %s", es, id)
		}
		if e, err := queue.ErrandOf(es[0].ID()); err != nil || e.Job != id || e.Kind != queue.ErrandLater || e.Runner != runner {
			s.t.Errorf("ErrandOf(%s) = %+v, %v", es[0].ID(), e, err)
		}
		for range 2 {
			if err := s.Ripen(s.t.Context(), es[0]); err != nil {
				s.t.Error(err)
			}
			if err := s.ErrandDone(s.t.Context(), es[0]); err != nil {
				s.t.Error(err)
			}
		}
		if es := must(s.Errands(s.t.Context(), runner, 10))(s.t); len(es) != 0 {
			s.t.Errorf("Errands() = %+v after it was done", es)
		}
		s.sweep()
		s.wantCut(s.consumer("w"), 8) // not yet
		s.wantState(id, queue.Queued)
	}},
	{"what is to be done and nobody has taken up is counted and listed", func(s *scene) {
		ids := s.submit(delayed("far", time.Hour), delayed("further", 2*time.Hour), delayed("near", time.Minute/2), hooked("told"))
		must(s.Cancel(s.t.Context(), ids[3]))(s.t)
		pass(5 * time.Millisecond)
		st := s.stats().Errands
		if st.Due != 1 || st.Ahead != 2 || st.Near != 1 || st.Oldest < 5*time.Millisecond {
			s.t.Errorf("stats: %+v", st)
		}
		list := func(which queue.Outstanding, offset, limit int, want ...string) {
			var got []string
			for _, e := range must(s.Outstanding(s.t.Context(), runner, which, offset, limit))(s.t) {
				got = append(got, e.Job)
				if e.Kind == queue.ErrandLater && e.At != s.job(e.Job).RunAt || e.Runner != runner {
					s.t.Errorf("Outstanding() = %+v", e)
				}
			}
			if !slices.Equal(got, want) {
				s.t.Errorf("Outstanding(%d, %d, %d) = %q, want %q", which, offset, limit, got, want)
			}
		}
		list(queue.ErrandsDue, 0, 10, ids[3])
		list(queue.ErrandsAhead, 0, 10, ids[0], ids[1])
		list(queue.ErrandsAhead, 1, 10, ids[1])
		list(queue.ErrandsAhead, 0, 1, ids[0])
		list(queue.JobsNear, 0, 10, ids[2])
		list(queue.JobsNear, 1, 10)
	}},
	{"the errand of a job that is canceled is dropped, or whoever has it is told", func(s *scene) {
		ids := s.submit(delayed("not yet", time.Hour), delayed("handed over", time.Hour), delayed("ripe", time.Hour), delayed("near", time.Minute/2))
		for _, e := range must(s.Errands(s.t.Context(), runner, 10))(s.t) {
			if e.Job == ids[0] {
				continue
			}
			if e.Job == ids[2] {
				wantErr(s.t, "Ripen()", s.Ripen(s.t.Context(), e), nil)
			}
			wantErr(s.t, "ErrandDone()", s.ErrandDone(s.t.Context(), e), nil)
		}
		for _, id := range ids {
			must(s.Cancel(s.t.Context(), id))(s.t)
		}
		es := must(s.Errands(s.t.Context(), runner, 10))(s.t)
		if len(es) != 1 || es[0].Kind != queue.ErrandNever || es[0].Job != ids[1] || es[0].N != 0 || es[0].At != s.job(ids[1]).Finished {
			s.t.Errorf("Errands() = %+v, want one for %s", es, ids[1])
		}
	}},
	{"what is kept of a delayed job that was canceled counts until it is run again", func(s *scene) {
		id := s.submit(delayed(strings.Repeat("x", 1000), time.Hour))[0]
		must(s.Cancel(s.t.Context(), id))(s.t)
		if n := s.stats().ResultBytes; n < 1000 || n > 1300 {
			s.t.Errorf("%d bytes are kept, want those of the call", n)
		}
		s.retry(id)
		if n := s.stats().ResultBytes; n != 0 {
			s.t.Errorf("%d bytes are kept when it is queued again, want none", n)
		}
	}},
	{"a job that fails of what may get better is tried again", func(s *scene) {
		id := s.submit(patient("a", 2))[0]
		w := s.consumer("w")
		for n := range 2 {
			cut := s.cutSlowly(w, "a")
			if d := cut.Deliveries[0]; d.Attempt != n {
				s.t.Errorf("attempt %d comes as %d", n, d.Attempt)
			}
			if lost := s.finish(w, fail(cut.Deliveries)); lost != 0 {
				s.t.Error("the failure had no effect")
			}
			j := s.job(id)
			if j.State != queue.Queued || j.Attempt != n+1 || j.RetriesLeft != 1-n || j.RunAt.IsZero() {
				s.t.Errorf("after failure %d it is %+v", n+1, j)
			}
			s.rest()
		}
		tries := must(s.Tries(s.t.Context(), id))(s.t)
		if len(tries) != 2 || tries[0].Err == nil || tries[0].Err.Message != "out of ink" || tries[1].At.Before(tries[0].At) {
			s.t.Errorf("Tries() = %+v", tries)
		}
		s.finish(w, echo(s.cutSlowly(w, "a").Deliveries))
		s.wantState(id, queue.Succeeded)
		s.rest()
	}},
	{"a job fails for good when its retries are used up, or the error does not get better", func(s *scene) {
		w := s.consumer("w")
		id := s.submit(patient("a", 1))[0]
		s.finish(w, fail(s.cutSlowly(w, "a").Deliveries))
		s.finish(w, fail(s.cutSlowly(w, "a").Deliveries))
		s.wantState(id, queue.Failed)
		id = s.submit(patient("b", 5))[0]
		out := fail(s.cutSlowly(w, "b").Deliveries)
		out[0].Reply.Err.Retryable = false
		s.finish(w, out)
		s.wantState(id, queue.Failed)
		if tries := must(s.Tries(s.t.Context(), id))(s.t); len(tries) != 0 {
			s.t.Errorf("Tries() = %+v, want none", tries)
		}
	}},
	{"a failure that is told twice counts once", func(s *scene) {
		id := s.submit(patient("a", 3))[0]
		w := s.consumer("w")
		out := fail(s.cutSlowly(w, "a").Deliveries)
		s.finish(w, out)
		if lost := s.finish(w, out); lost != 1 {
			s.t.Error("the second time had an effect")
		}
		if j := s.job(id); j.RetriesLeft != 2 {
			s.t.Errorf("%d retries are left, want 2", j.RetriesLeft)
		}
	}},
	{"a job that crashes its instance is tried again before it is given up", func(s *scene) {
		id := s.submit(patient("a", 1))[0]
		w := s.consumer("w")
		s.kill(w, "a")
		if j := s.job(id); j.State != queue.Queued || j.RetriesLeft != 0 {
			s.t.Errorf("it is %+v, want it to be tried again", j)
		}
		if st := s.stats(); st.DeadLetters != 0 {
			s.t.Errorf("%d dead letters, want none", st.DeadLetters)
		}
		s.kill(w, "a")
		s.wantState(id, queue.Failed)
		if st := s.stats(); st.DeadLetters != 1 {
			s.t.Errorf("%d dead letters, want one", st.DeadLetters)
		}
		s.rest()
	}},
	{"an awaited call cannot be delayed, tried again or have a webhook", func(s *scene) {
		if s.Plant == nil {
			s.t.Skip("the model trusts its callers")
		}
		for _, change := range []func(*queue.Call){
			func(c *queue.Call) { c.Delay = time.Second },
			func(c *queue.Call) { c.Retry = queue.Retry{Most: 1, Backoff: time.Second, MaxBackoff: time.Second} },
			func(c *queue.Call) { c.Webhook.URL = "https://example.org" },
		} {
			o := of("a", 1)
			o.change = change
			_, err := s.Do(s.t.Context(), o.call())
			wantErr(s.t, "Do()", err, queue.ErrMalformed)
		}
	}},
}

// hooked is an order whose end somebody is to be told.
func hooked(label string, events ...queue.State) order {
	o := of(label, 1)
	o.change = func(c *queue.Call) { c.Webhook = queue.Webhook{URL: "https://example.org/hook", Events: events} }
	return o
}

// hookedTests are the rules of who is told that a job has ended.
var hookedTests = []test{
	{"the end of a job with a webhook is an errand, in the same step", func(s *scene) {
		ids := s.submit(hooked("a"), hooked("b", queue.Failed, queue.Canceled), hooked("c", queue.Canceled))
		w := s.consumer("w")
		cut := s.wantCut(w, 8, "a", "b", "c")
		if es := must(s.Errands(s.t.Context(), runner, 10))(s.t); len(es) != 0 {
			s.t.Errorf("Errands() = %+v before any has ended", es)
		}
		s.finish(w, echo(cut.Deliveries[:2]))
		must(s.Cancel(s.t.Context(), ids[2]))(s.t)
		var told []string
		for _, e := range must(s.Errands(s.t.Context(), runner, 10))(s.t) {
			if e.Kind != queue.ErrandWebhook || e.N != 1 {
				s.t.Errorf("errand %+v", e)
			}
			told = append(told, e.Job)
		}
		slices.Sort(told)
		want := []string{ids[0], ids[2]}
		slices.Sort(want)
		if !slices.Equal(told, want) {
			s.t.Errorf("errands for %s, want %s", strings.Join(told, " "), strings.Join(want, " "))
		}
		h := must(s.Hook(s.t.Context(), ids[1]))(s.t)
		if h.State != "" || h.URL != "https://example.org/hook" || !slices.Equal(h.Events, []queue.State{queue.Failed, queue.Canceled}) {
			s.t.Errorf("Hook() = %+v", h)
		}
		if j := s.job(ids[0]); j.Expires.Sub(j.Finished) != hookRetention {
			s.t.Errorf("its record is kept for %s, too short for the webhook", j.Expires.Sub(j.Finished))
		}
	}},
	{"what became of a webhook is written down, and it may be delivered again", func(s *scene) {
		id := s.submit(hooked("a"))[0]
		wantErr(s.t, "Redeliver() before the end", s.Redeliver(s.t.Context(), id), queue.ErrNotDone)
		s.drain(s.consumer("w"), 8)
		wantErr(s.t, "Redeliver() while it is pending", s.Redeliver(s.t.Context(), id), queue.ErrNotDone)
		if h := must(s.Hook(s.t.Context(), id))(s.t); h.State != queue.HookPending || h.Deliveries != 0 {
			s.t.Errorf("Hook() = %+v, want it pending", h)
		}
		for _, e := range must(s.Errands(s.t.Context(), runner, 10))(s.t) {
			if err := s.ErrandDone(s.t.Context(), e); err != nil {
				s.t.Error(err)
			}
		}
		note := queue.Hook{N: 1, State: queue.HookFailed, Deliveries: 3, Status: 500, Answer: "no\nthanks"}
		if err := s.NoteHook(s.t.Context(), id, note); err != nil {
			s.t.Error(err)
		}
		h := must(s.Hook(s.t.Context(), id))(s.t)
		if h.State != note.State || h.Deliveries != 3 || h.Status != 500 || h.Answer != note.Answer || h.At.IsZero() || h.URL == "" {
			s.t.Errorf("Hook() = %+v, want %+v", h, note)
		}
		wantErr(s.t, "NoteHook() again", s.NoteHook(s.t.Context(), id, queue.Hook{N: 1, State: queue.HookDelivered}), queue.ErrUnknownJob)
		before := s.job(id).Expires
		pass(5 * time.Millisecond)
		if err := s.Redeliver(s.t.Context(), id); err != nil {
			s.t.Error(err)
		}
		if after := s.job(id).Expires; after.Sub(before) < 5*time.Millisecond {
			s.t.Errorf("it was kept until %s, and is until %s when it is told again", before, after)
		}
		wantErr(s.t, "Redeliver() again", s.Redeliver(s.t.Context(), id), queue.ErrNotDone)
		wantErr(s.t, "NoteHook() of the first errand", s.NoteHook(s.t.Context(), id, note), queue.ErrUnknownJob)
		es := must(s.Errands(s.t.Context(), runner, 10))(s.t)
		if len(es) != 1 || es[0].N != 2 {
			s.t.Errorf("Errands() = %+v, want a second one", es)
		}
		wantErr(s.t, "NoteHook() of no job", s.NoteHook(s.t.Context(), queue.NewID(runner), note), queue.ErrUnknownJob)
		other := s.submit(of("b", 1))[0]
		s.drain(s.consumer("w"), 8)
		wantErr(s.t, "Redeliver() without a webhook", s.Redeliver(s.t.Context(), other), queue.ErrNotDone)
	}},
	{"who is told of a failure is not told of the run after it that was not asked about", func(s *scene) {
		id := s.submit(hooked("a", queue.Failed))[0]
		w := s.consumer("w")
		s.finish(w, fail(s.cut(w, 8).Deliveries))
		note := queue.Hook{N: 1, State: queue.HookPending, Deliveries: 1, Status: 500, Answer: "no"}
		if err := s.NoteHook(s.t.Context(), id, note); err != nil {
			s.t.Error(err)
		}
		s.retry(id)
		h := must(s.Hook(s.t.Context(), id))(s.t)
		if h.State != "" || h.Deliveries != 0 || h.Status != 0 || h.Answer != "" || !h.At.IsZero() || h.URL == "" {
			s.t.Errorf("queued again, its webhook is %+v", h)
		}
		wantErr(s.t, "NoteHook() of the first end", s.NoteHook(s.t.Context(), id, note), queue.ErrUnknownJob)
		s.finish(w, echo(s.cut(w, 8).Deliveries))
		s.wantState(id, queue.Succeeded)
		if h := must(s.Hook(s.t.Context(), id))(s.t); h.State != "" {
			s.t.Errorf("after a success that was not asked about its webhook is %+v", h)
		}
		if j := s.job(id); j.Expires.Sub(j.Finished) > config().Retention {
			s.t.Errorf("its record is kept for %s", j.Expires.Sub(j.Finished))
		}
	}},
	{"the second end of a job is another errand than its first", func(s *scene) {
		id := s.submit(hooked("a"))[0]
		w := s.consumer("w")
		s.finish(w, fail(s.cut(w, 8).Deliveries))
		s.retry(id)
		s.finish(w, echo(s.cut(w, 8).Deliveries))
		if h := must(s.Hook(s.t.Context(), id))(s.t); h.State != queue.HookPending || h.N != 2 {
			s.t.Errorf("Hook() = %+v, want the second errand to be waited for", h)
		}
	}},
}

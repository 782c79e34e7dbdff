package queuetest

import (
	"slices"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// leases are the rules of what happens to calls in the hands of workers.
var leases = []test{
	{"released calls keep their place", func(s *scene) {
		s.submit(of("a", 1), of("b", 1), of("c", 1), of("d", 1))
		v, w := s.consumer("v"), s.consumer("w")
		cut := s.wantCut(v, 3, "a", "b", "c")
		if err := v.Release(s.t.Context(), []queue.Delivery{cut.Deliveries[2], cut.Deliveries[0]}); err != nil {
			s.t.Fatal(err)
		}
		if st := s.stats(); st.Waiting != 3 || st.WaitingRows != 3 || st.Depth != 4 {
			s.t.Errorf("after the release: %+v", st)
		}
		s.wantState(cut.Deliveries[0].ID, queue.Queued)
		s.wantState(cut.Deliveries[1].ID, queue.Running)
		next := s.wantCut(w, 8, "a", "c", "d")
		if next.Deliveries[0].Suspect {
			s.t.Error("a released call is suspect")
		}
	}},
	{"releasing what is not held has no effect", func(s *scene) {
		s.submit(of("a", 1))
		v, w := s.consumer("v"), s.consumer("w")
		cut := s.wantCut(v, 1, "a")
		for range 2 {
			if err := v.Release(s.t.Context(), cut.Deliveries); err != nil {
				s.t.Fatal(err)
			}
		}
		s.wantCut(w, 1, "a")
		if err := v.Release(s.t.Context(), cut.Deliveries); err != nil {
			s.t.Fatal(err)
		}
		s.wantCut(v, 1)
	}},
	{"leaving gives back everything", func(s *scene) {
		v := s.consumer("v")
		var want []string
		for range 300 {
			s.submit(of("a", 1))
			want = append(want, "a")
		}
		s.cut(v, 1000)
		if err := v.Leave(s.t.Context()); err != nil {
			s.t.Fatal(err)
		}
		s.wantCut(s.consumer("w"), 1000, want...)
	}},
	{"renewing keeps what is held and names what was lost", func(s *scene) {
		ids := s.submit(of("a", 1), of("b", 1))
		v, w := s.consumer("v"), s.consumer("w")
		s.wantCut(v, 1, "a")
		s.Abandon("v", 0)
		if lost := must(v.Renew(s.t.Context()))(s.t).Lost; len(lost) > 0 {
			s.t.Errorf("lost %q before anything was taken back", lost)
		}
		if swept := s.sweep(); swept != (queue.Swept{}) {
			s.t.Errorf("after the renewal a sweep did %+v", swept)
		}
		s.Abandon("v", 0)
		s.sweep()
		s.wantCut(w, 1, "a")
		if lost := must(v.Renew(s.t.Context()))(s.t).Lost; !slices.Equal(lost, ids[:1]) {
			s.t.Errorf("lost %q, want %q", lost, ids[:1])
		}
		if lost := must(v.Renew(s.t.Context()))(s.t).Lost; len(lost) > 0 {
			s.t.Errorf("lost %q a second time", lost)
		}
		if lost := must(w.Renew(s.t.Context()))(s.t).Lost; len(lost) > 0 {
			s.t.Errorf("the new owner lost %q", lost)
		}
	}},
	{"a lease that runs out by itself is taken back", func(s *scene) {
		s.submit(of("a", 1))
		s.cut(s.consumer("v"), 1)
		await(s.t, "the lease is over", func() bool { return s.sweep().Reclaimed == 1 })
		s.wantCut(s.consumer("w"), 1, "a")
	}},
	{"calls of a dead worker come back alone and suspect, in their order", func(s *scene) {
		s.submit(of("a", 1), of("b", 1), of("c", 1), of("d", 1))
		v, w := s.consumer("v"), s.consumer("w")
		s.wantCut(v, 2, "a", "b")
		s.Abandon("v", 0)
		if swept := s.sweep(); swept.Reclaimed != 2 || swept.Missing != 0 {
			s.t.Errorf("a sweep did %+v, want 2 reclaimed", swept)
		}
		for _, want := range []string{"a", "b"} {
			cut := s.wantCut(w, 8, want)
			if !cut.Deliveries[0].Suspect {
				s.t.Error("a call that lost its worker is not suspect")
			}
			s.finish(w, echo(cut.Deliveries))
		}
		s.drain(w, 8)
	}},
	{"a dead worker is found behind many calls that were given back", func(s *scene) {
		v, w := s.consumer("v"), s.consumer("w")
		for range 250 {
			s.submit(of("a", 1))
		}
		held := s.cut(v, 250)
		s.submit(of("z", 1))
		s.wantCut(w, 1, "z")
		if err := v.Release(s.t.Context(), held.Deliveries); err != nil {
			s.t.Fatal(err)
		}
		s.Abandon("w", 0)
		s.Abandon("released", 0)
		if swept := s.sweep(); swept.Reclaimed != 1 {
			s.t.Errorf("a sweep did %+v, want 1 reclaimed", swept)
		}
	}},
	{"a call that loses too many workers is given up, and who waits is told", func(s *scene) {
		id := s.submit(of("a", 1))[0]
		awaited := s.do(of("b", 1))[0]
		v := s.consumer("v")
		var swept queue.Swept
		for range config().MaxLostLeases {
			s.cutSlowly(v, "a")
			s.cutSlowly(v, "b")
			s.Abandon("v", 0)
			swept = s.sweep()
		}
		if swept.Buried != 2 {
			s.t.Errorf("the last sweep did %+v, want 2 buried", swept)
		}
		if r := s.receive(awaited); r.err != nil || r.Err == nil || r.Err.Code != queue.CodeWorkerLost {
			s.t.Errorf("Do() = %+v, want the code %s", r, queue.CodeWorkerLost)
		}
		if j := s.job(id); j.State != queue.Failed || j.Err == nil || j.Err.Code != queue.CodeWorkerLost {
			s.t.Errorf("the job is %+v, want it failed with %s", j, queue.CodeWorkerLost)
		}
		if st := s.stats(); st.Buried != 2 || st.DeadLetters != 2 {
			s.t.Errorf("stats: %+v, want 2 dead letters", st)
		}
		s.rest()
	}},
	{"a success of a worker that lost its lease counts", func(s *scene) {
		id := s.submit(of("a", 1))[0]
		awaited := s.do(of("b", 1))[0]
		v, w := s.consumer("v"), s.consumer("w")
		cut := s.cut(v, 8)
		s.Abandon("v", 0)
		s.sweep()
		if lost := s.finish(v, echo(cut.Deliveries)); lost != 0 {
			s.t.Errorf("%d outcomes had no effect, want 0", lost)
		}
		s.wantState(id, queue.Succeeded)
		if r := s.receive(awaited); r.err != nil || label(r.Outputs) != "b" {
			s.t.Errorf("Do() = %+v", r)
		}
		s.wantCut(w, 8)
		s.rest()
	}},
	{"a failure of a worker that lost its lease does not count", func(s *scene) {
		id := s.submit(of("a", 1))[0]
		awaited := s.do(of("b", 1))[0]
		v, w := s.consumer("v"), s.consumer("w")
		cut := s.cut(v, 8)
		s.Abandon("v", 0)
		s.sweep()
		if lost := s.finish(v, fail(cut.Deliveries)); lost != 2 {
			s.t.Errorf("%d outcomes had no effect, want 2", lost)
		}
		s.wantState(id, queue.Queued)
		s.drain(w, 8)
		s.wantState(id, queue.Succeeded)
		if r := s.receive(awaited); r.err != nil || label(r.Outputs) != "b" {
			s.t.Errorf("Do() = %+v", r)
		}
	}},
	{"a sweep ends what is past its deadline, waiting or running", func(s *scene) {
		late := of("late", 1)
		late.timeout = 300 * time.Millisecond
		running := s.submit(late)[0]
		w := s.consumer("w")
		cut := s.wantCut(w, 1, "late")
		waiting := s.submit(late, of("a", 1))
		pass(late.timeout + 5*time.Millisecond)
		if swept := s.sweep(); swept.Expired != 2 {
			s.t.Errorf("a sweep did %+v, want 2 expired", swept)
		}
		s.wantState(running, queue.Expired)
		s.wantState(waiting[0], queue.Expired)
		if st := s.stats(); st.Waiting != 1 || st.Depth != 2 || st.Expired != 2 {
			s.t.Errorf("stats: %+v", st)
		}
		if lost := s.finish(w, echo(cut.Deliveries)); lost != 1 {
			s.t.Errorf("the result of an expired job had an effect")
		}
		s.drain(w, 8)
	}},
	{"more calls expire at once than one script handles", func(s *scene) {
		late := of("late", 1)
		late.timeout = 300 * time.Millisecond
		var ids []string
		for range 250 {
			ids = append(ids, s.submit(late)...)
		}
		pass(late.timeout + 5*time.Millisecond)
		if swept := s.sweep(); swept.Expired != 250 {
			s.t.Errorf("a sweep did %+v, want 250 expired", swept)
		}
		s.wantState(ids[249], queue.Expired)
		s.rest()
	}},
	{"a call that is given back too late does not wait again", func(s *scene) {
		late := of("late", 1)
		late.timeout = 300 * time.Millisecond
		ids := s.submit(late, late, of("a", 1))
		v, w := s.consumer("v"), s.consumer("w")
		released := s.cut(v, 1)
		s.cut(w, 1)
		kept := s.cut(v, 1)
		pass(late.timeout + 5*time.Millisecond)
		if err := v.Release(s.t.Context(), released.Deliveries); err != nil {
			s.t.Fatal(err)
		}
		s.Abandon("w", 0)
		s.sweep()
		s.wantState(ids[0], queue.Expired)
		s.wantState(ids[1], queue.Expired)
		if st := s.stats(); st.Depth != 1 || st.Waiting != 0 || st.Expired != 2 {
			s.t.Errorf("stats: %+v", st)
		}
		s.finish(v, echo(kept.Deliveries))
		s.rest()
	}},
}

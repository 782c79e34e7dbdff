package queuetest

import (
	"github.com/ekiben/ekiben/queue"
)

// gate sets the gate of an announced runner.
func (s *scene) gate(g queue.Gate) {
	s.t.Helper()
	if err := s.Announce(s.t.Context(), runner, []byte("{}")); err != nil {
		s.t.Fatal(err)
	}
	if err := s.SetGate(s.t.Context(), runner, g); err != nil {
		s.t.Fatal(err)
	}
	if st := s.stats(); st.Gate != g {
		s.t.Errorf("the gate is %s, want %s", st.Gate, g)
	}
}

// gates are the rules of queues that are paused and drained.
var gates = []test{
	{"a paused queue takes calls in and gives none out", func(s *scene) {
		s.gate(queue.GatePaused)
		s.submit(of("a", 1))
		w := s.consumer("w")
		if cut := s.wantCut(w, 8); cut.Calls != 0 || cut.More {
			s.t.Errorf("cut %+v, want nothing to wait for", cut.Facts)
		}
		s.submit(of("b", 1))
		s.sweep()
		if rung := must(w.Wait(s.t.Context(), 1))(s.t); rung {
			s.t.Error("the bell rings for calls that do not come out")
		}
		s.gate(queue.GateOpen)
		if rung := must(w.Wait(s.t.Context(), patience))(s.t); !rung {
			s.t.Error("the bell does not ring when the queue is open again")
		}
		s.wantCut(w, 8, "a", "b")
	}},
	{"a queue that is drained takes nothing in and gives out what is there", func(s *scene) {
		id := s.submit(of("a", 1))[0]
		s.gate(queue.GateDraining)
		s.refused(of("b", 1), queue.ErrClosed)
		c := of("a", 1).call()
		c.ID = id
		if j, err := s.Submit(s.t.Context(), c); err != nil || j.ID != id {
			s.t.Errorf("Submit() of a job that is there = %+v, %v", j, err)
		}
		s.drain(s.consumer("w"), 8)
		s.gate(queue.GateOpen)
		s.submit(of("b", 1))
	}},
	{"the gate of a runner that is not known cannot be set", func(s *scene) {
		wantErr(s.t, "SetGate()", s.SetGate(s.t.Context(), "nobody", queue.GatePaused), queue.ErrUnknownRunner)
	}},
	{"a gate that does not exist is refused", func(s *scene) {
		if s.Plant == nil {
			s.t.Skip("the model trusts its callers")
		}
		if err := s.SetGate(s.t.Context(), runner, "ajar"); err == nil {
			s.t.Error("SetGate(ajar) = nil")
		}
	}},
}

// audits are the rules of jobs and calls that have lost each other.
var audits = []test{
	{"a job that no stream holds fails", func(s *scene) {
		if s.Plant == nil {
			s.t.Skip("nothing gets lost")
		}
		ids := s.submit(of("a", 1), of("b", 1), of("c", 1))
		w := s.consumer("w")
		s.cut(w, 1)
		s.Snatch(ids[0])
		s.Snatch(ids[2])
		if swept := s.sweep(); swept.Orphans != 2 {
			s.t.Errorf("a sweep did %+v, want 2 orphans", swept)
		}
		for _, id := range []string{ids[0], ids[2]} {
			if j := s.job(id); j.State != queue.Failed || j.Err == nil || j.Err.Code != queue.CodeLost || !j.Err.Retryable {
				s.t.Errorf("the job is %+v, want it failed with %s", j, queue.CodeLost)
			}
		}
		s.wantState(ids[1], queue.Queued)
		if swept := s.sweep(); swept.Orphans != 0 {
			s.t.Errorf("a second sweep did %+v", swept)
		}
	}},
	{"an entry that no job holds leaves without being run", func(s *scene) {
		if s.Plant == nil {
			s.t.Skip("nothing gets lost")
		}
		ids := s.submit(of("a", 1), of("b", 1))
		s.Forget(ids[0])
		if swept := s.sweep(); swept.Orphans != 1 {
			s.t.Errorf("a sweep did %+v, want 1 orphan", swept)
		}
		if st := s.stats(); st.Depth != 1 || st.Waiting != 1 {
			s.t.Errorf("stats: %+v, want one call", st)
		}
		if p := must(s.Jobs(s.t.Context(), queue.JobQuery{Runner: runner, Limit: 10}))(s.t); len(p.Jobs) != 1 {
			s.t.Errorf("%d jobs are listed, want 1", len(p.Jobs))
		}
		s.drain(s.consumer("w"), 8)
	}},
	{"an audit comes to every job", func(s *scene) {
		if s.Plant == nil {
			s.t.Skip("nothing gets lost")
		}
		var ids []string
		for range 70 {
			ids = append(ids, s.submit(of("a", 1))...)
		}
		s.Snatch(ids[0])
		s.Snatch(ids[35])
		s.Snatch(ids[69])
		found := 0
		await(s.t, "all three are found", func() bool {
			found += s.sweep().Orphans
			return found == 3
		})
	}},
}

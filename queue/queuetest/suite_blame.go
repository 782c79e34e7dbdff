package queuetest

import (
	"strings"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// crashed reports a crash and returns how many calls were given up.
func (s *scene) crashed(c Consumer, ds []queue.Delivery) int {
	s.t.Helper()
	return must(c.Crashed(s.t.Context(), ds, queue.Crash{How: "its process exited with status 3"}))(s.t)
}

// blame are the rules of who is given up for a crash.
var blame = []test{
	{"after a crash its calls run alone, and only the one to blame is given up", func(s *scene) {
		ids := s.submit(of("a", 1), of("poison", 1), of("c", 1))
		w := s.consumer("w")
		cut := s.wantCut(w, 8, "a", "poison", "c")
		if n := s.crashed(w, cut.Deliveries); n != 0 {
			s.t.Errorf("%d were given up, want none", n)
		}
		for _, label := range []string{"a", "poison", "poison", "c"} {
			cut := s.wantCut(w, 8, label)
			if !cut.Deliveries[0].Suspect {
				s.t.Errorf("%s is not suspect", label)
			}
			if label == "poison" {
				s.crashed(w, cut.Deliveries)
				continue
			}
			s.finish(w, echo(cut.Deliveries))
		}
		s.rest()
		s.wantState(ids[0], queue.Succeeded)
		s.wantState(ids[2], queue.Succeeded)
		if j := s.job(ids[1]); j.State != queue.Failed || j.Err == nil || j.Err.Code != queue.CodeWorkerLost {
			s.t.Errorf("the call to blame is %+v", j)
		}
		letters, _, err := s.DeadLetters(s.t.Context(), runner, "", 10)
		if err != nil || len(letters) != 1 || letters[0].Call.ID != ids[1] || !strings.Contains(letters[0].Reason, "crashed") {
			s.t.Errorf("DeadLetters() = %+v, %v", letters, err)
		}
	}},
	{"an awaited call that crashes its instance is answered", func(s *scene) {
		replies := s.do(of("poison", 1))
		w := s.consumer("w")
		for range 2 {
			s.crashed(w, s.wantCut(w, 8, "poison").Deliveries)
		}
		if r := s.receive(replies[0]); r.err != nil || r.Err == nil || r.Err.Code != queue.CodeWorkerLost {
			s.t.Errorf("Do() = %+v, want %s", r, queue.CodeWorkerLost)
		}
		s.rest()
	}},
	{"crashes in company and lost leases do not add up to crashes alone", func(s *scene) {
		id := s.submit(of("innocent", 1))[0]
		v, w := s.consumer("v"), s.consumer("w")
		for range 2 {
			s.submit(of("other", 1))
		}
		s.crashed(v, s.wantCut(v, 8, "innocent", "other", "other").Deliveries) // one in company
		s.wantCut(v, 8, "innocent")
		s.Abandon("v", 0) // one lease
		s.sweep()
		s.crashed(w, s.wantCut(w, 8, "innocent").Deliveries) // one alone
		s.wantState(id, queue.Queued)
		s.drainSlowly(w, "other", "other", "innocent")
		s.wantState(id, queue.Succeeded)
	}},
	{"who had begun when the instance crashed has until its deadline", func(s *scene) {
		const startWithin = 3 * time.Second
		o := of("a", 1)
		o.change = func(c *queue.Call) { c.StartWithin = startWithin }
		id := s.submit(o, of("b", 1))[0]
		w := s.consumer("w")
		cut := s.wantCut(w, 8, "a", "b")
		pass(startWithin)
		s.crashed(w, cut.Deliveries)
		s.sweep()
		s.wantState(id, queue.Queued)
		cut = s.wantCut(w, 8, "a")
		if left := cut.Deliveries[0].StartLeft; left < time.Minute {
			s.t.Errorf("it is to begin within %s", left)
		}
		s.finish(w, echo(cut.Deliveries))
		s.wantState(id, queue.Succeeded)
		s.finish(w, echo(s.wantCut(w, 8, "b").Deliveries))
		s.rest()
	}},
	{"a crash of very many calls is one, and in company for all of them", func(s *scene) {
		var orders []order
		for range 129 { // more than a script handles
			orders = append(orders, of("many", 1))
		}
		ids := s.submit(orders...)
		w := s.consumer("w")
		var ds []queue.Delivery
		for len(ds) < len(ids) {
			ds = append(ds, s.cut(w, len(ids)).Deliveries...)
		}
		s.crashed(w, ds)
		for range ids[1:] {
			s.finish(w, echo(s.wantCut(w, 8, "many").Deliveries))
		}
		s.crashed(w, s.wantCut(w, 8, "many").Deliveries)
		s.wantState(ids[len(ids)-1], queue.Queued)
		s.finish(w, echo(s.wantCut(w, 8, "many").Deliveries))
		s.rest()
	}},
	{"a crash that is reported late blames nobody", func(s *scene) {
		id := s.submit(of("a", 1))[0]
		v, w := s.consumer("v"), s.consumer("w")
		cut := s.wantCut(v, 8, "a")
		s.Abandon("v", 0)
		s.sweep()
		s.wantCut(w, 8, "a")
		for range 3 {
			if n := s.crashed(v, cut.Deliveries); n != 0 {
				s.t.Errorf("%d were given up by one who had lost the lease", n)
			}
		}
		s.wantState(id, queue.Running)
	}},
	{"a runner that crashes in a loop waits, and shows as degraded", func(s *scene) {
		s.submit(of("x", 1), of("y", 1), of("z", 1))
		w := s.consumer("w")
		s.crashed(w, s.wantCut(w, 8, "x", "y", "z").Deliveries)
		for _, label := range []string{"x", "x", "y"} {
			if s.stats().Degraded {
				s.t.Error("it is degraded too soon")
			}
			s.crashed(w, s.wantCut(w, 8, label).Deliveries)
		}
		s.submit(of("fresh", 1))
		if st := s.stats(); !st.Degraded || st.Waiting != 3 {
			s.t.Errorf("stats: %+v, want it degraded with 3 calls that wait", st)
		}
		// Nothing was finished between the crashes: everything waits.
		if cut := s.wantCut(w, 8); cut.Calls != 0 || cut.More {
			s.t.Errorf("cut %+v, want nothing to wait for", cut.Facts)
		}
		s.drainSlowly(w, "y", "z", "fresh")
	}},
	{"a call that is suspect twice by itself waits, others do not", func(s *scene) {
		s.submit(of("suspect", 1), of("x", 1), of("y", 1))
		v, w := s.consumer("v"), s.consumer("w")
		s.crashed(w, s.wantCut(w, 8, "suspect", "x", "y").Deliveries)
		s.crashed(w, s.wantCut(w, 8, "suspect").Deliveries)
		s.wantCut(v, 8, "suspect") // at once: it may not have been to blame
		s.Abandon("v", 0)
		s.sweep()
		for _, label := range []string{"x", "y"} {
			s.finish(w, echo(s.wantCut(w, 8, label).Deliveries))
		}
		if cut := s.wantCut(w, 8); cut.Calls != 0 || cut.More {
			s.t.Errorf("cut %+v, want nothing to wait for", cut.Facts)
		}
		s.submit(of("fresh", 1))
		s.finish(w, echo(s.wantCut(w, 8, "fresh").Deliveries))
		s.drainSlowly(w, "suspect")
	}},
}

// cutSlowly cuts one call when its time has come.
func (s *scene) cutSlowly(c Consumer, want string) queue.Cut {
	s.t.Helper()
	var cut queue.Cut
	await(s.t, want+" comes out", func() bool {
		s.sweep()
		cut = s.cut(c, 1)
		return len(cut.Deliveries) > 0
	})
	if got := labels(cut.Deliveries); got[0] != want {
		s.t.Fatalf("cut %q, want %s", got, want)
	}
	return cut
}

// drainSlowly finishes calls that come out when their time has come.
func (s *scene) drainSlowly(c Consumer, want ...string) {
	s.t.Helper()
	for _, label := range want {
		s.finish(c, echo(s.cutSlowly(c, label).Deliveries))
	}
	s.rest()
}

package queuetest

import (
	"time"

	"github.com/ekiben/ekiben/queue"
)

// moment is how long a bell that must not ring is listened to.
const moment = 30 * time.Millisecond

// ringing are the rules of the doorbell. It is a hint: who waits asks again
// after a while in any case.
var ringing = []test{
	{"the bell of an empty queue rings at the first arrival, once", func(s *scene) {
		w := s.consumer("w")
		s.wantCut(w, 8)
		s.wantBell(w, false)
		s.submit(of("a", 1), of("b", 1))
		s.wantBell(w, true)
		s.wantCut(w, 8, "a", "b")
		s.wantBell(w, false)
	}},
	{"who waits is woken by an arrival", func(s *scene) {
		w := s.consumer("w")
		s.wantCut(w, 8)
		rang := make(chan bool, 1)
		go func() {
			for {
				rung, err := w.Wait(s.t.Context(), time.Second)
				if rung || err != nil {
					rang <- rung
					return
				}
			}
		}()
		s.submit(of("a", 1))
		if !<-rang {
			s.t.Error("the bell did not ring")
		}
	}},
	{"the bell rings when enough rows wait, and not before", func(s *scene) {
		w := s.consumer("w")
		s.submit(of("a", 1))
		s.wantBell(w, true)
		must(w.Cut(s.t.Context(), queue.Ask{Rows: 8, Enough: 4, Age: time.Hour}))(s.t)
		s.submit(of("b", 2))
		s.wantBell(w, false)
		o := of("c", 1)
		o.lane = queue.Low // rows count over all lanes
		s.submit(o)
		s.wantBell(w, true)
	}},
	{"the bell rings at an arrival once the oldest is old enough", func(s *scene) {
		w := s.consumer("w")
		s.submit(of("a", 1))
		s.wantBell(w, true)
		must(w.Cut(s.t.Context(), queue.Ask{Rows: 8, Enough: 4, Age: 20 * time.Millisecond}))(s.t)
		pass(moment)
		s.submit(of("b", 1))
		s.wantBell(w, true)
	}},
	{"the bell is passed on when calls are left", func(s *scene) {
		v, w := s.consumer("v"), s.consumer("w")
		s.submit(of("a", 1), of("b", 1), of("c", 1))
		s.wantBell(v, true)
		s.wantCut(v, 1, "a")
		s.wantBell(w, true)
		s.wantCut(w, 2, "b", "c")
		s.wantBell(v, false)
	}},
	{"the bell rings when calls are given back", func(s *scene) {
		v, w := s.consumer("v"), s.consumer("w")
		s.submit(of("a", 1))
		cut := s.cut(v, 8)
		s.wantBell(w, false)
		if err := v.Release(s.t.Context(), cut.Deliveries); err != nil {
			s.t.Fatal(err)
		}
		s.wantBell(w, true)
	}},
	{"one who heard the bell can pass it on, and it rings once", func(s *scene) {
		w := s.consumer("w")
		for range 3 {
			if err := w.Ring(s.t.Context()); err != nil {
				s.t.Fatal(err)
			}
		}
		s.wantBell(w, true)
		s.wantBell(w, false)
	}},
	{"a bell that was heard by a worker that died rings again", func(s *scene) {
		v, w := s.consumer("v"), s.consumer("w")
		s.submit(of("a", 1))
		s.wantBell(v, true) // and v dies
		s.sweep()
		s.wantBell(w, true)
	}},
	{"a sweep does not ring while nothing may be cut", func(s *scene) {
		w := s.consumer("w")
		s.sweep()
		s.wantBell(w, false)
		s.submit(of("a", 1))
		s.wantBell(w, true)
		must(w.Cut(s.t.Context(), queue.Ask{Rows: 8, Enough: 4, Age: time.Hour}))(s.t)
		s.sweep()
		s.wantBell(w, false)
	}},
}

// wantBell listens for a second, or for a moment where silence is right.
func (s *scene) wantBell(c Consumer, want bool) {
	s.t.Helper()
	d := moment
	if want {
		d = time.Second
	}
	if rang := must(c.Wait(s.t.Context(), d))(s.t); rang != want {
		s.t.Fatalf("the bell rang: %v, want %v", rang, want)
	}
}

package queuetest

import (
	"errors"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// within is an order of a caller in a queue that takes so many calls, of which
// one caller may have the given share.
func within(label, caller string, calls int, share float64) order {
	o := of(label, 1)
	o.caller = caller
	o.change = func(c *queue.Call) { c.Admission.MaxCalls, c.Admission.CallerShare = calls, share }
	return o
}

// refused submits an order and fails the test unless the error is want.
func (s *scene) refused(o order, want error) {
	s.t.Helper()
	if _, err := s.Submit(s.t.Context(), o.call()); !errors.Is(err, want) {
		s.t.Errorf("Submit(%s) = %v, want %v", o.label, err, want)
	}
}

// sharing are the rules of how callers share a queue, and of who need not wait.
var sharing = []test{
	{"a lone caller leaves room for others", func(s *scene) {
		for range 12 {
			s.submit(within("a", "ann", 16, 0.75))
		}
		s.refused(within("a", "ann", 16, 0.75), queue.ErrCallerFull)
		s.submit(within("b", "bob", 16, 0.75))
		if st := s.stats(); st.Callers != 2 || st.Depth != 13 {
			s.t.Errorf("stats: %+v", st)
		}
	}},
	{"where several callers have calls each has its part", func(s *scene) {
		s.submit(within("b", "bob", 16, 0.75))
		for range 7 {
			s.submit(within("a", "ann", 16, 0.75)) // half the queue is anybody's
		}
		s.refused(within("a", "ann", 16, 0.75), queue.ErrCallerFull)
		for range 5 {
			s.submit(within("b", "bob", 16, 0.75))
		}
		s.refused(within("b", "bob", 16, 0.75), queue.ErrCallerFull)
		s.submit(within("c", "cat", 16, 0.75))
	}},
	{"a share counts bytes too", func(s *scene) {
		large := within("a", "ann", 1000, 0.75)
		large.change = func(c *queue.Call) {
			c.Admission.MaxBytes, c.Admission.CallerShare = 4*envelopeSize(*c, "gateway"), 0.75
		}
		for range 3 {
			s.submit(large)
		}
		s.refused(large, queue.ErrCallerFull)
		large.caller = "bob"
		s.submit(large)
	}},
	{"what a caller held it has again when its calls have ended", func(s *scene) {
		w := s.consumer("w")
		for range 3 {
			ids := s.submit(within("a", "ann", 4, 0.75), within("a", "ann", 4, 0.75), within("a", "ann", 4, 0.75))
			s.refused(within("a", "ann", 4, 0.75), queue.ErrCallerFull)
			if _, err := s.Cancel(s.t.Context(), ids[0]); err != nil {
				s.t.Fatal(err)
			}
			cut := s.cut(w, 1)
			s.finish(w, fail(cut.Deliveries))
			s.drain(w, 8)
			if st := s.stats(); st.Callers != 0 {
				s.t.Fatalf("%d callers have calls, want none", st.Callers)
			}
		}
	}},
	{"a caller that has much of the queue lets others go first", func(s *scene) {
		w := s.consumer("w")
		for range 5 {
			s.submit(within("a", "ann", 32, 0)) // more than a sixteenth from the third on
		}
		if st := s.stats(); st.Lanes[1].Calls != 5 {
			s.t.Errorf("lanes: %+v, want a lone caller's 5 to be normal", st.Lanes)
		}
		s.submit(within("b", "bob", 32, 0), within("a", "ann", 32, 0), within("b", "bob", 32, 0))
		if st := s.stats(); st.Lanes[1].Calls != 7 || st.Lanes[2].Calls != 1 {
			s.t.Errorf("lanes: %+v, want 7 normal and 1 low", st.Lanes)
		}
		s.wantCut(w, 8, "a", "a", "a", "a", "a", "b", "b", "a")
	}},
	{"a call that would wait for longer than it has is refused", func(s *scene) {
		s.submit(of("a", 5), of("b", 5))
		o := of("late", 1)
		o.change = func(c *queue.Call) { c.Admission.RowTime, c.Timeout = time.Second, 9*time.Second }
		_, err := s.Submit(s.t.Context(), o.call())
		var late *queue.TooLateError
		if !errors.As(err, &late) || late.Wait != 10*time.Second || late.Left != 9*time.Second {
			s.t.Errorf("Submit() = %v, want that it would wait 10s and has 9s", err)
		}
		o.change = func(c *queue.Call) {
			c.Admission.RowTime, c.Timeout, c.StartWithin = time.Second, time.Hour, 9*time.Second
		}
		s.refused(o, queue.ErrTooLate)
		// Lanes that go later do not count.
		o.lane = queue.High
		s.submit(o)
		o.change, o.lane = func(c *queue.Call) { c.Admission.RowTime, c.Timeout = time.Second, time.Minute }, queue.Normal
		s.submit(o)
	}},
	{"a job is refused while results take all the room, a call is not", func(s *scene) {
		w := s.consumer("w")
		for range 2 {
			o := of(string(make([]byte, 2100)), 1)
			s.submit(o)
			s.drain(w, 8)
		}
		s.refused(of("a", 1), queue.ErrResultsFull)
		replies := s.do(of("b", 1))
		s.drain(w, 8)
		if r := s.receive(replies[0]); r.err != nil {
			s.t.Errorf("Do() = %v", r.err)
		}
	}},
	{"a call that must begin soon expires when it has not", func(s *scene) {
		o := of("late", 1)
		o.change = func(c *queue.Call) { c.StartWithin = 200 * time.Millisecond }
		ids := s.submit(o, o)
		s.submit(of("a", 1))
		w := s.consumer("w")
		cut := s.wantCut(w, 1, "late")
		if d := cut.Deliveries[0]; d.StartLeft > 200*time.Millisecond || d.Left < time.Minute {
			s.t.Errorf("it has %s to begin and %s to end", d.StartLeft, d.Left)
		}
		if j := s.job(ids[0]); j.StartBy.Sub(j.Created) != 200*time.Millisecond {
			s.t.Errorf("it must begin by %s, it was accepted at %s", j.StartBy, j.Created)
		}
		pass(205 * time.Millisecond)
		if swept := s.sweep(); swept.Expired != 1 {
			s.t.Errorf("a sweep did %+v, want 1 expired", swept)
		}
		s.wantState(ids[1], queue.Expired)
		// The first has begun in time.
		if lost := s.finish(w, echo(cut.Deliveries)); lost != 0 {
			s.t.Error("the result of a call that began in time has no effect")
		}
		s.wantState(ids[0], queue.Succeeded)
		s.drain(w, 8)
	}},
}

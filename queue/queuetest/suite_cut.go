package queuetest

import (
	"slices"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// cutting are the rules of what comes out.
var cutting = []test{
	{"what would end too late expires while a full batch waits behind it", func(s *scene) {
		short := func(label string) order {
			o := of(label, 1)
			o.timeout = time.Minute
			return o
		}
		ids := s.submit(short("a"), short("b"), of("c", 1), short("d"), of("e", 1))
		cut := must(s.consumer("w").Cut(s.t.Context(), queue.Ask{Rows: 2, Enough: 1, Need: 2 * time.Minute}))(s.t)
		if got := labels(cut.Deliveries); !slices.Equal(got, []string{"c", "d"}) {
			s.t.Errorf("cut %q, want c, and d because nothing but e waits behind it", got)
		}
		s.wantState(ids[0], queue.Expired)
		s.wantState(ids[1], queue.Expired)
		if st := s.stats(); st.Expired != 2 || st.Waiting != 1 {
			s.t.Errorf("stats: %+v", st)
		}
	}},
	{"nothing is cut from an empty queue", func(s *scene) {
		cut := s.wantCut(s.consumer("w"), 8)
		if cut.Rows != 0 || cut.Calls != 0 || cut.Oldest != 0 || cut.Left != 0 || cut.More || cut.Now <= 0 {
			s.t.Errorf("the facts are %+v", cut)
		}
	}},
	{"a batch is a prefix in order of arrival, counted in rows", func(s *scene) {
		s.submit(of("a", 2), of("b", 3), of("c", 1), of("d", 4))
		w := s.consumer("w")
		s.wantCut(w, 6, "a", "b", "c")
		s.wantCut(w, 6, "d")
		s.wantCut(w, 6)
	}},
	{"what does not fit keeps its place", func(s *scene) {
		s.submit(of("a", 1), of("b", 1), of("c", 4), of("d", 1), of("e", 1), of("f", 1), of("g", 3), of("h", 4), of("i", 1))
		got := s.drain(s.consumer("w"), 4)
		if want := []string{"a b", "c", "d e f", "g", "h", "i"}; !slices.Equal(got, want) {
			s.t.Errorf("cut %q, want %q", got, want)
		}
	}},
	{"more calls than one script reads come in order", func(s *scene) {
		var want []string
		for i := range 300 {
			label := string(rune('a'+i%26)) + string(rune('a'+i/26))
			want = append(want, label)
			s.submit(of(label, 1))
		}
		w := s.consumer("w")
		cut := s.cut(w, 1000)
		if got := labels(cut.Deliveries); !slices.Equal(got, want) || cut.More {
			s.t.Errorf("cut %d calls with more %v: %q", len(got), cut.More, got)
		}
		s.finish(w, echo(cut.Deliveries))
		s.rest()
	}},
	{"a call larger than the limit comes alone and first", func(s *scene) {
		s.submit(of("a", 9), of("b", 1), of("c", 9))
		w := s.consumer("w")
		s.wantCut(w, 4, "a")
		s.wantCut(w, 4, "b")
		s.wantCut(w, 4, "c")
	}},
	{"calls without a group come alone", func(s *scene) {
		single := order{label: "c", rows: 1}
		s.submit(of("a", 1), of("b", 1), single, single, of("d", 1))
		got := s.drain(s.consumer("w"), 8)
		if want := []string{"a b", "c", "c", "d"}; !slices.Equal(got, want) {
			s.t.Errorf("cut %q, want %q", got, want)
		}
	}},
	{"a batch may hold several groups", func(s *scene) {
		other := of("b", 1)
		other.group = "h"
		s.submit(of("a", 1), other, of("c", 1))
		s.wantCut(s.consumer("w"), 8, "a", "b", "c")
	}},
	{"a higher lane goes first and may fill up from a lower one", func(s *scene) {
		in := func(label string, rows int, lane queue.Lane) order {
			o := of(label, rows)
			o.lane = lane
			return o
		}
		s.submit(in("low", 1, queue.Low), in("normal", 2, queue.Normal), in("high", 1, queue.High), in("big", 4, queue.Normal))
		w := s.consumer("w")
		s.wantCut(w, 4, "high", "normal")
		s.submit(in("high", 1, queue.High))
		s.wantCut(w, 4, "high")
		s.wantCut(w, 4, "big")
		s.wantCut(w, 4, "low")
	}},
	{"fewer rows than enough are not cut before the oldest is old enough", func(s *scene) {
		w := s.consumer("w")
		s.submit(of("a", 1), of("b", 1))
		ask := queue.Ask{Rows: 8, Enough: 3, Age: time.Hour}
		cut := must(w.Cut(s.t.Context(), ask))(s.t)
		if len(cut.Deliveries) != 0 || cut.Rows != 2 || cut.Calls != 2 {
			s.t.Fatalf("two rows of three: %+v", cut)
		}
		s.submit(of("c", 1))
		cut = must(w.Cut(s.t.Context(), ask))(s.t)
		if got := labels(cut.Deliveries); !slices.Equal(got, []string{"a", "b", "c"}) {
			s.t.Fatalf("three rows of three: %q", got)
		}
		s.submit(of("d", 1))
		ask.Age = 20 * time.Millisecond
		await(s.t, "the call is old enough", func() bool {
			cut = must(w.Cut(s.t.Context(), ask))(s.t)
			if len(cut.Deliveries) == 0 && cut.Oldest >= ask.Age {
				s.t.Fatalf("not cut at an age of %s", cut.Oldest)
			}
			return len(cut.Deliveries) == 1
		})
		if cut.Deliveries[0].Waited < ask.Age {
			s.t.Errorf("cut at an age of %s, want at least %s", cut.Deliveries[0].Waited, ask.Age)
		}
	}},
	{"more says whether calls are left", func(s *scene) {
		s.submit(of("a", 1), of("b", 1), of("c", 1))
		w := s.consumer("w")
		if cut := s.cut(w, 2); !cut.More {
			s.t.Error("one is left, and more is false")
		}
		if cut := s.cut(w, 2); cut.More {
			s.t.Error("none is left, and more is true")
		}
	}},
	{"the facts are those before the cut", factsAreThoseBefore},
	{"the oldest is the first that still waits", func(s *scene) {
		w := s.consumer("w")
		ids := s.submit(of("a", 1), of("b", 1), of("c", 1), of("d", 1), of("e", 1))
		oldest := func(id string) {
			s.t.Helper()
			st := s.stats()
			if want := at(st.At).Sub(s.job(id).Created); st.Oldest != want {
				s.t.Errorf("the oldest is %s old, want %s", st.Oldest, want)
			}
		}
		oldest(ids[0])
		cut := s.wantCut(w, 2, "a", "b")
		oldest(ids[2])
		must(s.Cancel(s.t.Context(), ids[2]))(s.t)
		oldest(ids[3])
		if err := w.Release(s.t.Context(), cut.Deliveries[1:]); err != nil {
			s.t.Fatal(err)
		}
		oldest(ids[1])
		s.finish(w, echo(cut.Deliveries))
		oldest(ids[3])
	}},
	{"a call that has no time left never comes out", func(s *scene) {
		w := s.consumer("w")
		late := of("late", 1)
		late.timeout = 20 * time.Millisecond
		ids := s.submit(late, of("a", 1), late, of("b", 1))
		pass(late.timeout + 5*time.Millisecond)
		cut := s.wantCut(w, 8, "a", "b")
		if cut.Calls != 4 {
			s.t.Errorf("the facts count %d calls, want the 4 before", cut.Calls)
		}
		s.wantState(ids[0], queue.Expired)
		s.wantState(ids[2], queue.Expired)
		if n := s.stats().Expired; n != 2 {
			s.t.Errorf("%d calls expired, want 2", n)
		}
		s.finish(w, echo(cut.Deliveries))
		s.rest()
	}},
	{"a delivery knows how long it waited and how long it has", func(s *scene) {
		w := s.consumer("w")
		s.submit(order{label: "a", rows: 2, group: "g", timeout: time.Minute})
		pass(20 * time.Millisecond)
		d := s.wantCut(w, 8, "a").Deliveries[0]
		if d.Waited < 20*time.Millisecond || d.Waited+d.Left != time.Minute || d.Timeout != time.Minute {
			s.t.Errorf("waited %s, left %s, of %s", d.Waited, d.Left, d.Timeout)
		}
		if d.Runner != runner || d.Method != "read" || d.Rows != 2 || d.Group != "g" || d.Suspect {
			s.t.Errorf("the delivery is %+v", d)
		}
	}},
}

func factsAreThoseBefore(s *scene) {
	w := s.consumer("w")
	near := of("near", 3)
	near.timeout, near.lane = time.Minute, queue.High
	s.submit(near, of("a", 2))
	pass(20 * time.Millisecond)
	s.submit(of("b", 1))
	cut := s.wantCut(w, 3, "near")
	if cut.Rows != 6 || cut.Calls != 3 || cut.Arrived != 6 {
		s.t.Errorf("%d rows, %d calls, %d arrived; want 6, 3, 6", cut.Rows, cut.Calls, cut.Arrived)
	}
	if cut.Oldest < 20*time.Millisecond || cut.Newest >= cut.Oldest {
		s.t.Errorf("the oldest is %s old, the newest %s", cut.Oldest, cut.Newest)
	}
	if cut.Left <= 0 || cut.Left > time.Minute {
		s.t.Errorf("the nearest deadline is in %s, want less than a minute", cut.Left)
	}
	if cut = s.wantCut(w, 2, "a"); cut.Left <= time.Minute {
		s.t.Errorf("the nearest deadline of what waits is in %s, want an hour: one in flight does not count", cut.Left)
	}
	if cut.Rows != 3 || cut.Calls != 2 {
		s.t.Errorf("%d rows, %d calls; want 3, 2", cut.Rows, cut.Calls)
	}
}

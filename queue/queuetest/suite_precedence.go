package queuetest

import "github.com/ekiben/ekiben/queue"

// in is an order in a lane.
func in(label string, lane queue.Lane) order {
	o := of(label, 1)
	o.lane = lane
	return o
}

// precedence are the rules of which lane goes first.
var precedence = []test{
	{"every fourth batch begins with a lane that has waited too long", func(s *scene) {
		w := s.consumer("w")
		s.submit(in("low", queue.Low), in("low", queue.Low))
		pass(config().Aging)
		var batches []string
		for range 8 {
			s.submit(in("high", queue.High))
			cut := s.cut(w, 1)
			batches = append(batches, labels(cut.Deliveries)...)
			s.finish(w, echo(cut.Deliveries))
		}
		low := 0
		for i, label := range batches {
			if label == "low" {
				low++
				if i%4 != 3 {
					s.t.Errorf("batch %d begins with low", i)
				}
			}
		}
		if low != 2 {
			s.t.Errorf("batches %q, want 2 low", batches)
		}
		s.drain(w, 8)
	}},
	{"what has waited too long is followed by the other lanes in their order", func(s *scene) {
		w := s.consumer("w")
		s.submit(in("low", queue.Low), in("normal", queue.Normal))
		pass(config().Aging)
		s.submit(in("high", queue.High))
		for range 3 {
			cut := s.wantCut(w, 1, "high")
			if err := w.Release(s.t.Context(), cut.Deliveries); err != nil {
				s.t.Fatal(err)
			}
		}
		s.wantCut(w, 8, "low", "high", "normal")
	}},
	{"a lane that goes last waits while it is not too long", func(s *scene) {
		w := s.consumer("w")
		s.submit(in("low", queue.Low), in("high", queue.High), in("normal", queue.Normal))
		s.wantCut(w, 8, "high", "normal", "low")
	}},
}

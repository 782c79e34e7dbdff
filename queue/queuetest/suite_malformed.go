package queuetest

import (
	"fmt"

	"github.com/ekiben/ekiben/queue"
)

// refuse are the rules of what a foreign hand puts into the queue. None of it
// comes out, none of it stops what is behind it, and all of it is kept as dead
// letters.
var refuse = []test{
	{"an entry without the fields of a call becomes a dead letter", func(s *scene) {
		s.plantedAmong(func() { s.Plant(runner, "hello", "world") })
	}},
	{"an entry that lacks one field becomes a dead letter", func(s *scene) {
		for without := 0; without < len(s.sound("x")); without += 2 {
			s.plantedAmong(func() {
				fields := s.sound("x")
				s.Plant(runner, append(fields[:without:without], fields[without+2:]...)...)
			})
		}
	}},
	{"an entry with a field that is not what it says becomes a dead letter", func(s *scene) {
		for field, values := range map[string][]string{
			"r": {"0", "-3", "1.5", "many", "", "nan", "1e3"}, "b": {"7", "-1", "x", "1000000", "nan"},
			"t": {"now", "0x7", " 5 "}, "d": {"never", "inf", "99999999999999999999", " 5 "},
		} {
			for _, v := range values {
				s.plantedAmong(func() { s.Plant(runner, append(s.sound("x"), field, v)...) })
			}
		}
	}},
	{"an entry whose envelope cannot be decoded becomes a dead letter", func(s *scene) {
		s.plantedAmong(func() { s.Plant(runner, s.sound("garbage")...) })
	}},
	{"a job whose entry cannot be decoded fails", func(s *scene) {
		if s.Plant == nil {
			s.t.Skip("there are no entries")
		}
		id := s.submit(of("a", 1))[0]
		s.plantedAmong(func() { s.Plant(runner, append(s.sound("garbage"), "j", id)...) })
		if j := s.job(id); j.State != queue.Failed || j.Err == nil || j.Err.Code != queue.CodeMismatch {
			s.t.Errorf("the job is %+v, want it failed with %s", j, queue.CodeMismatch)
		}
	}},
	{"many malformed entries do not stop what is behind them", func(s *scene) {
		s.plantedAmong(func() {
			for range 200 {
				s.Plant(runner, "hello", "world")
			}
		})
	}},
	{"a malformed entry in a queue that nobody used becomes a dead letter", func(s *scene) {
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
		s.rest()
	}},
}

// sound are the fields of an entry as accept writes them.
func (s *scene) sound(envelope string) []string {
	now := s.stats().At.Microseconds()
	return []string{
		"e", envelope, "r", "1", "g", "g", "b", fmt.Sprint(len(envelope)),
		"t", fmt.Sprint(now), "d", fmt.Sprint(now + 3_600_000_000), "j", "",
	}
}

// plantedAmong plants between two jobs and fails the test unless those end, and
// everything planted becomes a dead letter.
func (s *scene) plantedAmong(plant func()) {
	s.t.Helper()
	if s.Plant == nil {
		s.t.Skip("there are no entries")
	}
	before, w := s.stats(), s.consumer("w")
	first := s.submit(of("first", 1))
	depth := s.stats().Depth
	plant()
	planted := s.stats().Depth - depth
	last := s.submit(of("last", 1))
	await(s.t, "the queue is empty", func() bool {
		s.finish(w, echo(s.cut(w, 8).Deliveries))
		s.sweep()
		return s.stats().Depth == 0
	})
	s.wantState(first[0], queue.Succeeded)
	s.wantState(last[0], queue.Succeeded)
	if st := s.stats(); st.DeadLetters-before.DeadLetters != planted || st.Buried-before.Buried != int64(planted) {
		s.t.Errorf("%d entries were planted; stats before %+v, after %+v", planted, before, st)
	}
	s.rest()
}

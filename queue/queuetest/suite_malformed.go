package queuetest

import (
	"fmt"
	"strings"

	"github.com/ekiben/ekiben/queue"
)

// refuse are the rules of what a foreign hand puts into the queue. None of it
// comes out, none of it stops what is behind it, and all of it is kept as dead
// letters.
var refuse = []test{
	{"an entry without the fields of a call becomes a dead letter", func(s *scene) {
		s.plantedAmong(func() { s.Plant(runner, "hello", "world") })
	}},
	{"an entry that lacks a field, or has one too many, becomes a dead letter", func(s *scene) {
		sound := s.sound("x", nil)
		for _, fields := range [][]string{sound[:2], sound[2:], append(sound, "j", ""), {"m", sound[3], "e", "x"}} {
			s.plantedAmong(func() { s.Plant(runner, fields...) })
		}
	}},
	{"an entry with a value that is not what it should be becomes a dead letter", func(s *scene) {
		for place, values := range [][]string{
			{"0", "-3", "1.5", "many", "", "nan", "1e3", "9999999999"},
			{"7", "-1", "x", "1000000", "nan"},
			{"now", "0x7", "5x", "99999999999999999"},
			{"soon", "-5", "99999999999999999", ""},
			{"never", "inf", "99999999999999999999", ""},
		} {
			for _, v := range values {
				s.plantedAmong(func() { s.Plant(runner, s.sound("x", map[int]string{place: v})...) })
			}
		}
	}},
	{"an entry whose envelope cannot be decoded becomes a dead letter", func(s *scene) {
		s.plantedAmong(func() { s.Plant(runner, s.sound("garbage", nil)...) })
	}},
	{"a job whose entry cannot be decoded fails", func(s *scene) {
		if s.Plant == nil {
			s.t.Skip("there are no entries")
		}
		id := s.submit(of("a", 1))[0]
		s.plantedAmong(func() { s.Assign(id, s.Plant(runner, s.sound("garbage", map[int]string{6: id})...)) })
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

// sound are the fields of an entry as accept writes them, but with some of the
// values beside the envelope changed, by their place.
func (s *scene) sound(envelope string, change map[int]string) []string {
	now := s.stats().At.Microseconds()
	beside := []string{"1", fmt.Sprint(len(envelope)), fmt.Sprint(now), fmt.Sprint(now + 3_600_000_000), fmt.Sprint(now + 3_600_000_000), "", "", "g"}
	for place, value := range change {
		beside[place] = value
	}
	return []string{"e", envelope, "m", strings.Join(beside, " ")}
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

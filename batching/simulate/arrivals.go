package simulate

import (
	"math/rand/v2"
	"time"
)

// call is one call in the model.
type call struct {
	number int
	rows   int
	group  int
	at     time.Duration // of its accept
	due    time.Duration // its deadline; 0: none
}

// source makes calls in the order of their arrival.
type source struct {
	Arrivals
	random *rand.Rand
	made   int
	next   time.Duration
}

func newSource(a Arrivals, seed uint64) *source {
	s := &source{Arrivals: a, random: rand.New(rand.NewPCG(seed, 1))}
	if a.Process != Burst { // whose first call comes at once
		s.next = s.gap()
	}
	return s
}

// draw returns the time of the next arrival and its call, to be numbered when it is accepted.
func (s *source) draw() call {
	c := call{rows: 1, at: s.next}
	if len(s.Rows) > 0 {
		c.rows = s.Rows[s.made%len(s.Rows)]
	}
	if s.Groups > 1 {
		c.group = s.made % s.Groups
	}
	if s.Deadline > 0 {
		c.due = c.at + s.Deadline
	}
	s.made++
	s.next += s.gap()
	return c
}

func (s *source) gap() time.Duration {
	mean := float64(time.Second) / s.Rate
	switch s.Process {
	case Poisson:
		return time.Duration(s.random.ExpFloat64() * mean)
	case Burst:
		within := s.Spread / time.Duration(s.Burst)
		if s.made%s.Burst != 0 {
			return within
		}
		return max(time.Duration(mean*float64(s.Burst))-within*time.Duration(s.Burst-1), 0)
	default:
		return time.Duration(mean)
	}
}

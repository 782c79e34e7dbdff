package simulate

import (
	"time"

	"github.com/ekiben/ekiben/batching"
)

// line is the model of a runner's queue: one lane, in the order of arrival, and a bell with at most one token, which
// wakes the instance that has waited for it longest. It follows the scripts accept and cut of package queue.
type line struct {
	waiting []call
	rows    int
	arrived int64
	numbers int
	depth   int // calls that may wait or run; 0: any
	held    int // calls that wait or run
	expired int

	want   int           // ring when so many rows wait,
	until  time.Duration // or from this time on
	token  bool
	ears   []*instance // in the order in which they began to wait
	rouse  func(*instance)
	newest time.Duration
}

// accept queues a call or refuses it.
func (l *line) accept(c call) bool {
	if l.depth > 0 && l.held >= l.depth {
		return false
	}
	c.number = l.numbers
	l.numbers++
	l.held++
	l.waiting = append(l.waiting, c)
	l.rows += c.rows
	l.arrived += int64(c.rows)
	l.newest = c.at
	if l.rows >= l.want || c.at >= l.until {
		l.ring()
	}
	return true
}

// ring wakes the first instance that listens, or leaves a token for the next one that will.
func (l *line) ring() {
	if len(l.ears) == 0 {
		l.token = true
		return
	}
	first := l.ears[0]
	l.ears = l.ears[1:]
	l.rouse(first)
}

// listen makes an instance wait for the bell. It reports false if there was a token.
func (l *line) listen(i *instance) bool {
	if l.token {
		l.token = false
		return false
	}
	l.ears = append(l.ears, i)
	return true
}

// deaf ends an instance's waiting.
func (l *line) deaf(i *instance) {
	for at, other := range l.ears {
		if other == i {
			l.ears = append(l.ears[:at], l.ears[at+1:]...)
			return
		}
	}
}

// ask answers a batch, or no calls and the facts.
func (l *line) ask(now time.Duration, ask batching.Ask) ([]call, batching.Cut) {
	l.expire(now)
	cut := batching.Cut{Facts: l.facts(now), Asked: ask}
	if len(l.waiting) == 0 {
		l.want, l.until, l.token = 1, 0, false
		return nil, cut
	}
	if l.rows < ask.Enough && cut.Oldest < ask.Age {
		l.want, l.until = ask.Enough, now-cut.Oldest+ask.Age
		return nil, cut
	}
	for cut.Calls < len(l.waiting) {
		rows := l.waiting[cut.Calls].rows
		if cut.Calls > 0 && cut.Rows+rows > ask.Rows {
			break
		}
		cut.Rows += rows
		cut.Calls++
	}
	batch := l.waiting[:cut.Calls:cut.Calls]
	l.waiting = l.waiting[cut.Calls:]
	l.rows -= cut.Rows
	cut.More = len(l.waiting) > 0
	l.want, l.until = 1, 0
	if cut.More {
		l.ring()
	} else {
		l.token = false
	}
	return batch, cut
}

func (l *line) facts(now time.Duration) batching.Facts {
	f := batching.Facts{Now: now, Rows: l.rows, Calls: len(l.waiting), Arrived: l.arrived}
	if f.Calls == 0 {
		return f
	}
	f.Oldest, f.Newest = now-l.waiting[0].at, now-l.newest
	if due := l.waiting[0].due; due > 0 { // all have the same deadline after their accept: the oldest is the nearest
		f.Left = due - now
	}
	return f
}

// expire drops what must not be started any more.
func (l *line) expire(now time.Duration) {
	for len(l.waiting) > 0 && l.waiting[0].due > 0 && l.waiting[0].due <= now {
		l.rows -= l.waiting[0].rows
		l.waiting = l.waiting[1:]
		l.held--
		l.expired++
	}
}

package queuetest

import (
	"sync"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// Model is a queue in the memory of one process. It has the methods of
// [queue.Queue] and keeps the same promises, by the plainest means. The URL and
// prefix of its configuration mean nothing.
type Model struct {
	config queue.Config

	mu sync.Mutex
	// All that follows is guarded by mu.
	runners map[string]*shelf
	jobs    map[string]*record
	aliases map[queue.Alias]alias
}

// NewModel returns an empty queue.
func NewModel(c queue.Config) *Model {
	return &Model{config: c, runners: map[string]*shelf{}, jobs: map[string]*record{}, aliases: map[queue.Alias]alias{}}
}

// shelf is what there is of one runner.
type shelf struct {
	// lanes hold the calls, waiting and in flight, in order of arrival.
	lanes [3][]*entry
	// came is how many came into each.
	came [3]int64

	bell chan struct{}
	// The bell rings when want rows wait, or from the time until on.
	want  int
	until time.Duration

	newest  time.Duration
	arrived int64
	counted queue.Stats

	spec  []byte
	beats map[string]pulse

	// later are jobs that are to be queued at their time, errands what is to be
	// done by other means.
	later   []*entry
	errands []queue.Errand

	gate    queue.Gate
	shared  time.Duration // until when callers count as more than one
	turn    int
	letters []*letter
	loop    loop
}

// entry is a call on a shelf.
type entry struct {
	call               queue.Call
	bytes              int64
	accepted, deadline time.Duration
	// startBy is when execution must have begun.
	startBy time.Duration

	// lane is the one it is in, 0 to 2; share what it takes of the queue, in
	// millionths.
	lane  int
	share int64
	// seq is how many had come into the lane with it.
	seq int64

	// reply gets the reply of an awaited call; job is the record of a job. One of
	// them is nil.
	reply chan queue.Reply
	job   *record

	// owner holds it, "" while it waits; seen is when the owner last said so.
	owner string
	seen  time.Duration

	// shared and alone are crashes in company and alone, lost the leases that ran
	// out on it.
	shared, alone, lost int
	// hold is until when it waits for that.
	hold time.Duration

	// at is when one that is to be queued later is; near: that needs no errand, or
	// none any more.
	at   time.Duration
	near bool

	// unwanted: it is in flight, and nobody wants it.
	unwanted bool
}

// suspect reports whether a call may be to blame for a crash.
func (e *entry) suspect() bool { return e.shared+e.alone+e.lost > 0 }

// begin is until when execution must have begun. It had if the instance crashed.
func (e *entry) begin() time.Duration {
	if e.shared+e.alone > 0 {
		return e.deadline
	}
	return e.startBy
}

// begin is the time within which the execution of a call must begin.
func begin(c queue.Call) time.Duration {
	if c.StartWithin > 0 {
		return min(c.StartWithin, c.Timeout).Truncate(time.Microsecond)
	}
	return c.Timeout.Truncate(time.Microsecond)
}

// record is that of a job.
type record struct {
	queue.Job

	reply queue.Reply
	tries []queue.Try
	hook  queue.Hook

	// call is what may be queued again; its input is kept unless it succeeded.
	call queue.Call
	// ended is closed when the job ends.
	ended chan struct{}
}

// now is the clock: microseconds, as Redis has it.
func now() time.Duration { return time.Duration(time.Now().UnixMicro()) * time.Microsecond }

// at is a moment of the clock.
func at(d time.Duration) time.Time { return time.UnixMicro(d.Microseconds()).UTC() }

func (m *Model) shelf(runner string) *shelf {
	s := m.runners[runner]
	if s == nil {
		s = &shelf{bell: make(chan struct{}, 1), beats: map[string]pulse{}, gate: queue.GateOpen}
		m.runners[runner] = s
	}
	return s
}

// job returns a record, unless its time is over.
func (m *Model) job(id string) *record {
	r := m.jobs[id]
	if r != nil && !r.Expires.IsZero() && !at(now()).Before(r.Expires) {
		delete(m.jobs, id)
		return nil
	}
	return r
}

func laneOf(l queue.Lane) int {
	return map[queue.Lane]int{queue.High: 0, queue.Normal: 1, queue.Low: 2}[l]
}

// each visits all calls of a shelf.
func (s *shelf) each(f func(*entry)) {
	for _, lane := range s.lanes {
		for _, e := range lane {
			f(e)
		}
	}
}

// waiting returns the rows and calls that wait, and the oldest acceptance.
func (s *shelf) waiting() (rows, calls int, oldest time.Duration) {
	oldest = now()
	s.each(func(e *entry) {
		if e.owner == "" {
			rows, calls, oldest = rows+e.call.Rows, calls+1, min(oldest, e.accepted)
		}
	})
	return rows, calls, oldest
}

func (s *shelf) size() (depth int, bytes int64) {
	s.each(func(e *entry) { depth, bytes = depth+1, bytes+e.bytes })
	return depth, bytes
}

// find returns the latest attempt of a call.
func (s *shelf) find(id string) *entry {
	var found *entry
	s.each(func(e *entry) {
		if e.call.ID == id && (found == nil || found.call.Attempt < e.call.Attempt) {
			found = e
		}
	})
	return found
}

// delivered returns the call that a delivery is of, nil if it has left.
func (s *shelf) delivered(d queue.Delivery) *entry {
	var found *entry
	s.each(func(e *entry) {
		if e.call.ID == d.ID && e.call.Attempt == d.Attempt {
			found = e
		}
	})
	return found
}

func (s *shelf) remove(gone *entry) {
	var rest []*entry
	for _, e := range s.lanes[gone.lane] {
		if e != gone {
			rest = append(rest, e)
		}
	}
	s.lanes[gone.lane] = rest
	gone.owner = "nobody" // who held it has lost it
}

func (s *shelf) ring() {
	select {
	case s.bell <- struct{}{}:
	default:
	}
}

func (s *shelf) hush() {
	select {
	case <-s.bell:
	default:
	}
}

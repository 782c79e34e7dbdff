package queuetest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/tensor"
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
}

// NewModel returns an empty queue.
func NewModel(c queue.Config) *Model {
	return &Model{config: c, runners: map[string]*shelf{}, jobs: map[string]*record{}}
}

// shelf is what there is of one runner.
type shelf struct {
	// lanes hold the calls, waiting and in flight, in order of arrival.
	lanes [3][]*entry

	bell chan struct{}
	// The bell rings when want rows wait, or from the time until on.
	want  int
	until time.Duration

	newest  time.Duration
	arrived int64
	counted queue.Stats

	spec  []byte
	beats map[string]pulse
}

// entry is a call on a shelf.
type entry struct {
	call               queue.Call
	bytes              int64
	accepted, deadline time.Duration

	// reply gets the reply of an awaited call; job is the record of a job. One of
	// them is nil.
	reply chan queue.Reply
	job   *record

	// owner holds it, "" while it waits; seen is when the owner last said so.
	owner string
	seen  time.Duration

	// lost is how many leases ran out on it.
	lost int
}

// record is that of a job.
type record struct {
	queue.Job

	reply queue.Reply
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
		s = &shelf{bell: make(chan struct{}, 1), beats: map[string]pulse{}}
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

func (s *shelf) find(id string) *entry {
	var found *entry
	s.each(func(e *entry) {
		if e.call.ID == id {
			found = e
		}
	})
	return found
}

func (s *shelf) remove(gone *entry) {
	lane := laneOf(gone.call.Lane)
	var rest []*entry
	for _, e := range s.lanes[lane] {
		if e != gone {
			rest = append(rest, e)
		}
	}
	s.lanes[lane] = rest
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

// accept takes a call in. known is the record of a job that exists already.
func (m *Model) accept(call queue.Call, gateway string, job bool) (e *entry, known *record, err error) {
	if runner, err := queue.RunnerOf(call.ID); err != nil || runner != call.Runner {
		return nil, nil, fmt.Errorf("%w: id %q", queue.ErrMalformed, call.ID)
	}
	if tensor.CheckNamed(call.Inputs) != nil || call.Rows < 1 || call.Timeout < time.Microsecond || len(call.Caller) > 1024 {
		return nil, nil, fmt.Errorf("%w: %d rows, %s", queue.ErrMalformed, call.Rows, call.Timeout)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s, t := m.shelf(call.Runner), now()
	if call.Admission.NeedWorker && s.living(t, m.config.WorkerTTL) == 0 {
		return nil, nil, fmt.Errorf("%w: %s", queue.ErrNoWorker, call.Runner)
	}
	if known := m.job(call.ID); job && known != nil {
		return nil, known, nil
	}
	e = &entry{call: call, bytes: envelopeSize(call, gateway), accepted: t, deadline: t + call.Timeout.Truncate(time.Microsecond)}
	depth, bytes := s.size()
	if depth >= call.Admission.MaxCalls || bytes+e.bytes > call.Admission.MaxBytes {
		return nil, nil, fmt.Errorf("%w: %s", queue.ErrFull, call.Runner)
	}
	if job {
		e.job = &record{ended: make(chan struct{}), Job: queue.Job{
			ID: call.ID, Runner: call.Runner, Method: call.Method, State: queue.Queued, Rows: call.Rows,
			Created: at(t), Deadline: at(e.deadline),
		}}
		m.jobs[call.ID] = e.job
	} else {
		e.reply = make(chan queue.Reply, 1)
	}
	lane := laneOf(call.Lane)
	s.lanes[lane] = append(s.lanes[lane], e)
	s.newest, s.arrived = t, s.arrived+int64(call.Rows)
	s.counted.Accepted++
	if rows, _, _ := s.waiting(); rows >= s.want || t >= s.until {
		s.ring()
	}
	return e, nil, nil
}

// envelopeSize is how many bytes a call counts: those of its envelope.
func envelopeSize(c queue.Call, gateway string) int64 {
	n := 16
	for _, s := range []string{c.ID, c.Method, c.Caller, c.Trace, "", gateway} {
		n++
		if len(s) >= 128 {
			n++
		}
		n += len(s)
	}
	return int64(n + len(tensor.AppendNamed(nil, c.Inputs)))
}

// ModelProducer is a gateway's end of a [Model].
type ModelProducer struct {
	model   *Model
	gateway string
	stopped chan struct{}
}

// NewProducer is [queue.Queue.NewProducer].
func (m *Model) NewProducer(gateway string) *ModelProducer {
	return &ModelProducer{model: m, gateway: gateway, stopped: make(chan struct{})}
}

// Run is [queue.Producer.Run].
func (p *ModelProducer) Run(ctx context.Context) error {
	<-ctx.Done()
	close(p.stopped)
	return nil
}

// Do is [queue.Producer.Do].
func (p *ModelProducer) Do(ctx context.Context, call queue.Call) (queue.Reply, error) {
	e, _, err := p.model.accept(call, p.gateway, false)
	if err != nil {
		return queue.Reply{}, err
	}
	deadline := time.NewTimer(call.Timeout)
	defer deadline.Stop()
	select {
	case r := <-e.reply:
		return r, nil
	case <-deadline.C:
		p.model.withdraw(e)
		return queue.Reply{}, fmt.Errorf("%w: %s", queue.ErrDeadline, call.Timeout)
	case <-ctx.Done():
		p.model.withdraw(e)
		return queue.Reply{}, fmt.Errorf("call %s: %w", call.ID, context.Cause(ctx))
	case <-p.stopped:
		return queue.Reply{}, fmt.Errorf("%w: the gateway stopped", queue.ErrUnavailable)
	}
}

// Submit is [queue.Producer.Submit].
func (p *ModelProducer) Submit(_ context.Context, call queue.Call) (queue.Job, error) {
	e, known, err := p.model.accept(call, p.gateway, true)
	if err != nil {
		return queue.Job{}, err
	}
	p.model.mu.Lock()
	defer p.model.mu.Unlock()
	if known != nil {
		return known.Job, nil
	}
	return e.job.Job, nil
}

// Wait is [queue.Producer.Wait].
func (p *ModelProducer) Wait(ctx context.Context, id string, wait time.Duration) (queue.Job, error) {
	m := p.model
	m.mu.Lock()
	r := m.job(id)
	m.mu.Unlock()
	if r == nil {
		return queue.Job{}, fmt.Errorf("%w: %s", queue.ErrUnknownJob, id)
	}
	over := time.NewTimer(wait)
	defer over.Stop()
	select {
	case <-r.ended:
	case <-over.C:
	case <-ctx.Done():
	case <-p.stopped:
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return r.Job, nil
}

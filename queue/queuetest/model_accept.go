package queuetest

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/tensor"
)

// whole is all of a queue, in the unit of shares.
const whole = 1_000_000

// accept takes a call in. known is the record of a job that exists already.
func (m *Model) accept(call queue.Call, gateway string, job bool) (e *entry, known *record, err error) {
	if err := sound(call); err != nil {
		return nil, nil, err
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
	if s.gate == queue.GateDraining {
		return nil, nil, fmt.Errorf("%w: %s", queue.ErrClosed, call.Runner)
	}
	e = &entry{call: call, bytes: envelopeSize(call, gateway), accepted: t, lane: laneOf(call.Lane)}
	admit := m.admit
	if call.Delay > 0 {
		admit = m.admitLater
	}
	if err := admit(s, e, job); err != nil {
		return nil, nil, err
	}
	if job {
		e.job = &record{ended: make(chan struct{}), Job: queue.Job{
			ID: call.ID, Runner: call.Runner, Method: call.Method, Lane: call.Lane, Rows: call.Rows, RetriesLeft: call.Retry.Most,
		}}
		e.job.call, e.job.hook.Webhook = call, call.Webhook
		m.jobs[call.ID] = e.job
	} else {
		e.reply = make(chan queue.Reply, 1)
	}
	if call.Delay > 0 {
		s.counted.Accepted++
		e.job.Created = at(t)
		m.putLater(s, e, t+call.Delay.Truncate(time.Microsecond))
		return e, nil, nil
	}
	s.counted.Accepted++
	if job {
		e.job.Created = at(t)
	}
	m.enqueue(s, e)
	return e, nil, nil
}

// sound refuses what could not be read again.
func sound(call queue.Call) error {
	if runner, err := queue.RunnerOf(call.ID); err != nil || runner != call.Runner {
		return fmt.Errorf("%w: id %q", queue.ErrMalformed, call.ID)
	}
	if tensor.CheckNamed(call.Inputs) != nil || call.Rows < 1 || call.Timeout < time.Microsecond || call.StartWithin < 0 || len(call.Caller) > 1024 {
		return fmt.Errorf("%w: %d rows, %s", queue.ErrMalformed, call.Rows, call.Timeout)
	}
	return nil
}

// admit holds a call against the bounds, and finds its lane and share.
func (m *Model) admit(s *shelf, e *entry, job bool) error {
	a := e.call.Admission
	depth, bytes := s.size()
	shared := s.share(e)
	if depth >= a.MaxCalls || bytes+e.bytes > a.MaxBytes {
		return fmt.Errorf("%w: %s", queue.ErrFull, e.call.Runner)
	}
	if e.share > 0 && a.CallerShare > 0 && (depth*2 >= a.MaxCalls || bytes*2 >= a.MaxBytes) {
		held := s.holds(e.call.Caller)
		if held > 0 && float64(held+e.share) > math.Trunc(a.CallerShare*whole)/float64(max(s.callers(), 1)) {
			return fmt.Errorf("%w: %s", queue.ErrCallerFull, e.call.Runner)
		}
	}
	if job && m.kept(e.call.Runner) >= m.config.MaxResultBytes {
		return fmt.Errorf("%w: %s", queue.ErrResultsFull, e.call.Runner)
	}
	if wait := time.Duration(s.rowsBefore(e.lane)) * a.RowTime; wait > begin(e.call) {
		return &queue.TooLateError{Wait: wait, Left: begin(e.call)}
	}
	s.shared = shared
	return nil
}

// share finds what part of the queue a call takes and the lane that it goes into,
// and until when callers count as more than one if it is let in.
func (s *shelf) share(e *entry) (shared time.Duration) {
	a, caller := e.call.Admission, e.call.Caller
	if caller == "" {
		return s.shared
	}
	e.share = int64(math.Ceil(whole * max(1/float64(a.MaxCalls), float64(e.bytes)/float64(a.MaxBytes))))
	held, others := s.holds(caller), s.callers()
	if held > 0 {
		others--
	}
	if shared = s.shared; others > 0 {
		shared = e.accepted + 10*time.Minute
	}
	if held > whole/16 && e.accepted < shared {
		e.lane = min(e.lane+1, 2)
	}
	return shared
}

// enqueue puts an entry at the end of its lane.
func (m *Model) enqueue(s *shelf, e *entry) {
	t := e.accepted
	e.deadline, e.startBy = t+e.call.Timeout.Truncate(time.Microsecond), t+begin(e.call)
	if e.job != nil {
		e.job.State, e.job.Deadline, e.job.StartBy, e.job.RunAt = queue.Queued, at(e.deadline), at(e.startBy), time.Time{}
	}
	s.came[e.lane]++
	e.seq = s.came[e.lane]
	s.lanes[e.lane] = append(s.lanes[e.lane], e)
	s.newest, s.arrived = t, s.arrived+int64(e.call.Rows)
	if rows, _, _ := s.waiting(); s.gate != queue.GatePaused && (rows >= s.want || t >= s.until) {
		s.ring()
	}
}

// view is the record as clients see it.
func (m *Model) view(r *record) queue.Job {
	j := r.Job
	j.Ahead = -1
	s := m.shelf(j.Runner)
	e := s.find(j.ID)
	if j.State != queue.Queued || !j.RunAt.IsZero() || e == nil {
		return j
	}
	var before, own int
	s.each(func(other *entry) {
		switch {
		case other.owner != "":
		case other.lane < e.lane:
			before++
		case other.lane == e.lane:
			own++
		}
	})
	j.Ahead = before + max(own-int(s.came[e.lane]-e.seq)-1, 0)
	return j
}

// holds is what a caller has of the queue.
func (s *shelf) holds(caller string) (share int64) {
	s.each(func(e *entry) {
		if e.call.Caller == caller {
			share += e.share
		}
	})
	return share
}

// callers is how many have calls.
func (s *shelf) callers() int {
	seen := map[string]bool{}
	s.each(func(e *entry) {
		if e.share > 0 {
			seen[e.call.Caller] = true
		}
	})
	return len(seen)
}

// rowsBefore are the rows that wait in a lane and those that go first.
func (s *shelf) rowsBefore(lane int) (rows int) {
	s.each(func(e *entry) {
		if e.owner == "" && e.lane <= lane {
			rows += e.call.Rows
		}
	})
	return rows
}

// kept is about how many bytes are kept of ended jobs.
func (m *Model) kept(runner string) (bytes int64) {
	for id := range m.jobs {
		if r := m.job(id); r != nil && r.Runner == runner && r.State.Terminal() {
			for _, n := range r.reply.Outputs {
				bytes += int64(len(n.Tensor.Data()))
			}
			if r.State != queue.Succeeded {
				bytes += envelopeSize(r.call, "")
			}
		}
	}
	return bytes
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
	r := known
	if r == nil {
		r = e.job
	}
	return p.model.view(r), nil
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
	return m.view(r), nil
}

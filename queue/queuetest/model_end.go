package queuetest

import (
	"context"
	"fmt"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// Finish is [queue.Consumer.Finish].
func (c *ModelConsumer) Finish(_ context.Context, outcomes []queue.Outcome) (queue.Finished, error) {
	m := c.model
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.shelf(c.runner)
	var done queue.Finished
	for _, o := range outcomes {
		delete(c.held, key(o.Delivery.Call))
		e := s.delivered(o.Delivery)
		if e == nil || (o.Reply.Err != nil && e.owner != c.name) {
			done.Lost++
			continue
		}
		reply := o.Reply
		reply.ID = o.Delivery.ID
		if reply.Err != nil && reply.Err.Retryable && m.tryAgain(s, e, reply.Err) {
			s.remove(e)
			s.counted.Finished++
			s.counted.FinishedRows += int64(e.call.Rows)
			continue
		}
		state := queue.Succeeded
		if reply.Err != nil {
			state = queue.Failed
		}
		if !m.settle(e, state, reply) {
			done.Lost++
		}
		s.remove(e)
		s.counted.Finished++
		s.counted.FinishedRows += int64(e.call.Rows)
	}
	return done, nil
}

// settle ends a call, unless it has ended: the one place where a state becomes
// terminal and where an awaited call is answered.
func (m *Model) settle(e *entry, state queue.State, reply queue.Reply) bool {
	if e.job == nil {
		select {
		case e.reply <- reply:
		default:
		}
		return true
	}
	if e.job.State.Terminal() {
		return false
	}
	t := now()
	e.job.State, e.job.Finished, e.job.Expires = state, at(t), at(t+m.config.Retention)
	e.job.Err, e.job.reply = reply.Err, reply
	close(e.job.ended)
	m.tell(e.job)
	e.unwanted = e.owner != "" && (state == queue.Canceled || state == queue.Expired)
	return true
}

// expire ends a call whose time is over. Who awaits one knows by itself.
func (m *Model) expire(s *shelf, e *entry) bool {
	if e.job != nil && !m.settle(e, queue.Expired, queue.Reply{}) {
		return false
	}
	s.counted.Expired++
	return true
}

// withdraw takes an awaited call off, if it waits.
func (m *Model) withdraw(e *entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.shelf(e.call.Runner)
	switch {
	case s.find(e.call.ID) != e:
	case e.owner == "":
		s.remove(e)
		s.counted.Canceled++
	default:
		e.unwanted = true
	}
}

// Cancel is [queue.Queue.Cancel].
func (m *Model) Cancel(_ context.Context, id string) (queue.Job, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.job(id)
	if r == nil {
		return queue.Job{}, fmt.Errorf("%w: %s", queue.ErrUnknownJob, id)
	}
	s := m.shelf(r.Runner)
	if e := s.takeLater(r); e != nil {
		m.settle(e, queue.Canceled, queue.Reply{})
		s.neverMind(e)
		s.counted.Canceled++
	} else if e := s.find(id); e != nil && e.job == r && m.settle(e, queue.Canceled, queue.Reply{}) {
		s.counted.Canceled++
		if e.owner == "" {
			s.remove(e)
		}
	}
	return m.view(r), nil
}

// Sweep is [queue.Queue.Sweep].
func (m *Model) Sweep(_ context.Context, runner string) (queue.Swept, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, t := m.shelf(runner), now()
	var swept queue.Swept
	s.each(func(e *entry) {
		if e.owner == "" && e.begin() > t || e.owner != "" && (e.deadline > t || e.job == nil) {
			return
		}
		if m.expire(s, e) {
			swept.Expired++
		}
		if e.owner == "" {
			s.remove(e)
		}
	})
	m.queueLater(s, t)
	s.each(func(e *entry) { m.takeBack(s, e, &swept) })
	if rows, calls, _ := s.waiting(); calls > 0 && s.gate != queue.GatePaused && (rows >= s.want || t >= s.until) {
		s.ring()
	}
	return swept, nil
}

// takeBack takes a call back whose lease is over, or gives it up.
func (m *Model) takeBack(s *shelf, e *entry, swept *queue.Swept) {
	if e.owner == "" || now()-e.seen < m.config.Lease {
		return
	}
	if e.lost++; e.lost > 1 {
		m.noteCrash(s)
	}
	if e.lost < m.config.MaxLostLeases {
		m.mark(e)
		if m.release(s, e) {
			swept.Reclaimed++
		}
		return
	}
	if m.tryAgain(s, e, &queue.CallError{Code: queue.CodeWorkerLost, Message: fmt.Sprintf("%d workers were lost while they ran the call", m.config.MaxLostLeases)}) {
		s.remove(e)
		return
	}
	if m.bury(s, e, fmt.Sprintf("lost with %d workers", m.config.MaxLostLeases),
		fmt.Sprintf("%d workers were lost while they ran the call", m.config.MaxLostLeases)) {
		swept.Buried++
	}
}

// bury gives up a call, and reports whether that ended it.
func (m *Model) bury(s *shelf, e *entry, reason, message string) bool {
	s.remove(e)
	s.counted.Buried++
	s.letters = append(s.letters, &letter{
		DeadLetter: queue.DeadLetter{
			ID: fmt.Sprintf("%d-%d", now().Milliseconds(), s.counted.Buried), Runner: e.call.Runner, Reason: reason, Died: at(now()),
			Accepted: at(e.accepted), Rows: e.call.Rows, Bytes: e.bytes, Call: e.call, Job: e.job != nil,
		},
	})
	failure := &queue.CallError{Code: queue.CodeWorkerLost, Message: message}
	return m.settle(e, queue.Failed, queue.Reply{ID: e.call.ID, Err: failure})
}

// Crashed is [queue.Consumer.Crashed].
func (c *ModelConsumer) Crashed(_ context.Context, ds []queue.Delivery, how queue.Crash) (buried int, err error) {
	m := c.model
	message, reason := queue.Blame(m.config.MaxCrashes, how)
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.shelf(c.runner)
	m.backOff(s)
	m.noteCrash(s)
	for _, d := range ds {
		delete(c.held, key(d.Call))
		e := s.delivered(d)
		if e == nil || e.owner != c.name {
			continue
		}
		if len(ds) > 1 {
			e.shared++
		} else {
			e.alone++
		}
		if e.alone < m.config.MaxCrashes {
			m.mark(e)
			m.release(s, e)
			continue
		}
		if m.tryAgain(s, e, &queue.CallError{Code: queue.CodeWorkerLost, Message: message}) {
			s.remove(e)
			continue
		}
		if m.bury(s, e, reason, message) {
			buried++
		}
	}
	return buried, nil
}

// loop is how often a runner has crashed lately.
type loop struct {
	crashed, streak int
	at              time.Duration
	finished        int64
	// all is until when the runner takes nothing.
	all time.Duration
}

// pause is how long to wait after the nth time.
func (m *Model) pause(n int) time.Duration {
	return min(m.config.CrashBackoff<<(n-1), 30*time.Second)
}

// mark lets a call wait that alone has earned more than one mark.
func (m *Model) mark(e *entry) {
	if own := e.alone + e.lost; own > 1 {
		e.hold = now() + m.pause(own-1)
	}
}

// noteCrash notes that a runner crashed, or lost a worker for the second time with
// a call.
func (m *Model) noteCrash(s *shelf) {
	t := now()
	if s.loop.crashed++; t-s.loop.at >= time.Minute {
		s.loop.crashed = 1
	}
	s.loop.at = t
}

// backOff lets a runner wait that crashes and finishes nothing in between.
func (m *Model) backOff(s *shelf) {
	l, t := &s.loop, now()
	if l.streak++; t-l.at >= time.Minute || l.finished != s.counted.Finished {
		l.streak = 1
	}
	l.finished, l.all = s.counted.Finished, 0
	if l.streak > 3 && m.config.CrashBackoff > 0 {
		l.all = t + m.pause(l.streak-3)
	}
}

// Job is [queue.Queue.Job].
func (m *Model) Job(_ context.Context, id string) (queue.Job, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.job(id)
	if r == nil {
		return queue.Job{}, fmt.Errorf("%w: %s", queue.ErrUnknownJob, id)
	}
	return m.view(r), nil
}

// Result is [queue.Queue.Result].
func (m *Model) Result(ctx context.Context, id string) (queue.Reply, error) {
	j, err := m.Job(ctx, id)
	if err != nil {
		return queue.Reply{}, err
	}
	if j.State != queue.Succeeded && j.State != queue.Failed {
		return queue.Reply{}, fmt.Errorf("%w: %s", queue.ErrNotDone, j.State)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.jobs[id].reply, nil
}

// Lease is [queue.Queue.Lease].
func (m *Model) Lease() time.Duration { return m.config.Lease }

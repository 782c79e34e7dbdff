package queuetest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// admitLater holds a job that is to be queued later against the bounds.
func (m *Model) admitLater(s *shelf, e *entry, _ bool) error {
	a, bytes := e.call.Admission, int64(0)
	for _, other := range s.later {
		bytes += other.bytes
	}
	if len(s.later) >= a.MaxCalls || bytes+e.bytes > a.MaxBytes {
		return fmt.Errorf("%w: %s", queue.ErrFull, e.call.Runner)
	}
	if m.kept(e.call.Runner) >= m.config.MaxResultBytes {
		return fmt.Errorf("%w: %s", queue.ErrResultsFull, e.call.Runner)
	}
	return nil
}

// putLater has a job queued at a time. What is far away is an errand too.
func (m *Model) putLater(s *shelf, e *entry, when time.Duration) {
	e.at, e.owner = when, ""
	e.job.State, e.job.Started, e.job.RunAt = queue.Queued, time.Time{}, at(when)
	e.job.StartBy, e.job.Deadline = at(when+begin(e.call)), at(when+e.call.Timeout.Truncate(time.Microsecond))
	s.later = append(s.later, e)
	if e.near = when-now() < time.Minute; !e.near {
		s.errands = append(s.errands, queue.Errand{
			Kind: queue.ErrandLater, Runner: e.call.Runner, Job: e.call.ID, N: e.call.Attempt, At: at(when),
		})
	}
}

// takeLater takes a job from those that are to be queued later; nil if it is none.
func (s *shelf) takeLater(r *record) *entry {
	for i, e := range s.later {
		if e.job == r {
			s.later = slices.Delete(s.later, i, i+1)
			return e
		}
	}
	return nil
}

// queueLater queues the jobs whose time has come.
func (m *Model) queueLater(s *shelf, t time.Duration) {
	slices.SortStableFunc(s.later, func(a, b *entry) int { return int(a.at - b.at) })
	for len(s.later) > 0 && s.later[0].at <= t {
		e := s.later[0]
		s.later = s.later[1:]
		m.enqueue(s, &entry{call: e.call, bytes: e.bytes, accepted: t, lane: laneOf(e.call.Lane), job: e.job})
	}
}

// tryAgain has a job that failed queued again later, if it is to be.
func (m *Model) tryAgain(s *shelf, e *entry, failure *queue.CallError) bool {
	r := e.job
	if r == nil || r.State.Terminal() || r.RetriesLeft < 1 {
		return false
	}
	policy := r.call.Retry
	wait := min(policy.Backoff<<len(r.tries), policy.MaxBackoff)
	r.tries = append(r.tries, queue.Try{At: at(now()), Err: failure})
	r.RetriesLeft--
	r.Attempt++
	call := e.call
	call.Attempt = r.Attempt
	m.putLater(s, &entry{call: call, bytes: e.bytes, job: r}, now()+wait)
	return true
}

// hookRetention is how long the record of a job is kept at least that has a webhook.
const hookRetention = 25 * time.Hour

// tell writes down that somebody is to be told of the end of a job.
func (m *Model) tell(r *record) {
	if r.hook.URL == "" || len(r.hook.Events) > 0 && !slices.Contains(r.hook.Events, r.State) {
		return
	}
	r.Expires = r.Finished.Add(max(m.config.Retention, hookRetention))
	m.tellAgain(r)
}

// tellAgain writes down that somebody is to be told now.
func (m *Model) tellAgain(r *record) {
	r.hook.State, r.hook.Deliveries = queue.HookPending, 0
	r.hook.N++
	s := m.shelf(r.Runner)
	s.errands = append(s.errands, queue.Errand{Kind: queue.ErrandWebhook, Runner: r.Runner, Job: r.ID, N: r.hook.N, At: at(now())})
}

// Errands is [queue.Queue.Errands].
func (m *Model) Errands(_ context.Context, runner string, limit int) ([]queue.Errand, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	es := inOrder(m.shelf(runner).errands)
	return es[:min(limit, len(es))], nil
}

// inOrder are errands, those with the earliest time first.
func inOrder(es []queue.Errand) []queue.Errand {
	es = slices.Clone(es)
	slices.SortStableFunc(es, func(a, b queue.Errand) int { return a.At.Compare(b.At) })
	return es
}

// outstanding are errands by whether they are due, and jobs that need none.
func (s *shelf) outstanding(t time.Duration) map[queue.Outstanding][]queue.Errand {
	all := map[queue.Outstanding][]queue.Errand{}
	for _, e := range inOrder(s.errands) {
		which := queue.ErrandsAhead
		if !e.At.After(at(t)) {
			which = queue.ErrandsDue
		}
		all[which] = append(all[which], e)
	}
	for _, e := range s.later {
		if e.near {
			all[queue.JobsNear] = append(all[queue.JobsNear], queue.Errand{
				Kind: queue.ErrandLater, Runner: e.call.Runner, Job: e.call.ID, N: e.call.Attempt, At: at(e.at),
			})
		}
	}
	all[queue.JobsNear] = inOrder(all[queue.JobsNear])
	return all
}

func (s *shelf) errandStats(t time.Duration) queue.ErrandStats {
	all := s.outstanding(t)
	due := all[queue.ErrandsDue]
	stats := queue.ErrandStats{Due: len(due), Ahead: len(all[queue.ErrandsAhead]), Near: len(all[queue.JobsNear])}
	if len(due) > 0 {
		stats.Oldest = at(t).Sub(due[0].At)
	}
	return stats
}

// Outstanding is [queue.Queue.Outstanding].
func (m *Model) Outstanding(_ context.Context, runner string, which queue.Outstanding, offset, limit int) ([]queue.Errand, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	es := m.shelf(runner).outstanding(now())[which]
	es = es[min(offset, len(es)):]
	return es[:min(limit, len(es))], nil
}

// ErrandDone is [queue.Queue.ErrandDone].
func (m *Model) ErrandDone(_ context.Context, e queue.Errand) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.shelf(e.Runner).dropErrand(e)
	return nil
}

// dropErrand drops an errand, and reports whether it was there.
func (s *shelf) dropErrand(e queue.Errand) bool {
	before := len(s.errands)
	s.errands = slices.DeleteFunc(s.errands, func(other queue.Errand) bool { return other.ID() == e.ID() })
	return len(s.errands) < before
}

// neverMind drops the errand of a job that is not to be queued later any more, or
// tells who has it.
func (s *shelf) neverMind(e *entry) {
	errand := queue.Errand{Kind: queue.ErrandLater, Runner: e.call.Runner, Job: e.call.ID, N: e.call.Attempt, At: e.job.Finished}
	if !e.near && !s.dropErrand(errand) {
		errand.Kind = queue.ErrandNever
		s.errands = append(s.errands, errand)
	}
}

// Ripen is [queue.Queue.Ripen]: the model needs nobody to do it.
func (m *Model) Ripen(_ context.Context, errand queue.Errand) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.shelf(errand.Runner).later {
		e.near = e.near || e.call.ID == errand.Job && e.call.Attempt == errand.N
	}
	return nil
}

// Hook is [queue.Queue.Hook].
func (m *Model) Hook(_ context.Context, id string) (queue.Hook, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.job(id)
	if r == nil {
		return queue.Hook{}, fmt.Errorf("%w: %s", queue.ErrUnknownJob, id)
	}
	return r.hook, nil
}

// NoteHook is [queue.Queue.NoteHook].
func (m *Model) NoteHook(_ context.Context, id string, h queue.Hook) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.job(id)
	if r == nil || r.hook.N != h.N || r.hook.State != queue.HookPending {
		return fmt.Errorf("%w: %s", queue.ErrUnknownJob, id)
	}
	h.Webhook, h.At = r.hook.Webhook, at(now())
	r.hook = h
	return nil
}

// Redeliver is [queue.Queue.Redeliver].
func (m *Model) Redeliver(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.job(id)
	if r == nil {
		return fmt.Errorf("%w: %s", queue.ErrUnknownJob, id)
	}
	if !r.State.Terminal() || r.hook.URL == "" || r.hook.State == queue.HookPending {
		return fmt.Errorf("%w: %s", queue.ErrNotDone, id)
	}
	r.Expires = at(max(time.Duration(r.Expires.UnixMicro())*time.Microsecond, now()+hookRetention))
	m.tellAgain(r)
	return nil
}

// Tries is [queue.Queue.Tries].
func (m *Model) Tries(_ context.Context, id string) ([]queue.Try, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.job(id)
	if r == nil {
		return nil, nil
	}
	return slices.Clone(r.tries), nil
}

package queuetest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// letter is a dead letter.
type letter struct{ queue.DeadLetter }

// alias is what a caller's key stands for.
type alias struct {
	id, digest string
	until      time.Duration
}

// Claim is [queue.Queue.Claim].
func (m *Model) Claim(_ context.Context, name queue.Alias, digest, id string, ttl time.Duration) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, taken := m.aliases[name]
	if !taken || a.until <= now() {
		m.aliases[name] = alias{id, digest, now() + ttl}
		return id, nil
	}
	if a.digest != digest {
		return "", queue.ErrKeyReused
	}
	return a.id, nil
}

// Resolve is [queue.Queue.Resolve].
func (m *Model) Resolve(_ context.Context, name queue.Alias) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, taken := m.aliases[name]
	if !taken || a.until <= now() {
		return "", queue.ErrUnknownJob
	}
	return a.id, nil
}

// Retry is [queue.Queue.Retry].
func (m *Model) Retry(_ context.Context, id string, a queue.Admission) (queue.Job, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.job(id)
	if r == nil {
		return queue.Job{}, fmt.Errorf("%w: %s", queue.ErrUnknownJob, id)
	}
	return m.again(r, r.call, a)
}

// again queues a call again as a job; old is its record, nil if there is none.
func (m *Model) again(old *record, call queue.Call, a queue.Admission) (queue.Job, error) {
	if old != nil && (old.State == queue.Succeeded || !old.State.Terminal()) {
		return queue.Job{}, fmt.Errorf("%w: it is %s", queue.ErrNotRetryable, old.State)
	}
	s := m.shelf(call.Runner)
	if s.gate == queue.GateDraining {
		return queue.Job{}, queue.ErrClosed
	}
	call.Attempt = 1
	if old != nil {
		call.Attempt = old.Attempt + 1
	}
	e := &entry{call: call, bytes: envelopeSize(call, ""), accepted: now(), lane: laneOf(call.Lane)}
	if depth, bytes := s.size(); depth >= a.MaxCalls || bytes+e.bytes > a.MaxBytes {
		return queue.Job{}, fmt.Errorf("%w: %s", queue.ErrFull, call.Runner)
	}
	// A new record: a worker may still hold an entry of the old attempt.
	r := &record{call: call, ended: make(chan struct{}), Job: queue.Job{
		ID: call.ID, Runner: call.Runner, Method: call.Method, Lane: call.Lane, Rows: call.Rows, Attempt: call.Attempt,
	}}
	if old != nil {
		r.RetriesLeft, r.tries = old.RetriesLeft, old.tries
		r.hook = queue.Hook{Webhook: old.hook.Webhook, N: old.hook.N}
	}
	m.jobs[call.ID], e.job = r, r
	r.Created = at(e.accepted)
	s.counted.Accepted++
	m.enqueue(s, e)
	return m.view(r), nil
}

// Jobs is [queue.Queue.Jobs]. Its cursor is the id of the last job.
func (m *Model) Jobs(_ context.Context, q queue.JobQuery) (queue.JobPage, error) {
	if q.Limit < 1 || q.Limit > 1000 {
		return queue.JobPage{}, fmt.Errorf("%w: limit %d", queue.ErrMalformed, q.Limit)
	}
	all := m.newestFirst(q.Runner)
	if q.Cursor != "" {
		i := slices.IndexFunc(all, func(j queue.Job) bool { return j.ID == q.Cursor })
		if i < 0 {
			return queue.JobPage{}, fmt.Errorf("%w: cursor %q", queue.ErrMalformed, q.Cursor)
		}
		all = all[i+1:]
	}
	all = slices.DeleteFunc(all, func(j queue.Job) bool {
		early, late := !q.From.IsZero() && j.Created.Before(q.From), !q.Until.IsZero() && !j.Created.Before(q.Until)
		return q.State != "" && j.State != q.State || early || late
	})
	if len(all) > q.Limit {
		return queue.JobPage{Jobs: all[:q.Limit], Next: all[q.Limit-1].ID}, nil
	}
	return queue.JobPage{Jobs: all}, nil
}

// newestFirst are the jobs of a runner, or all, in the order of lists.
func (m *Model) newestFirst(runner string) (all []queue.Job) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id := range m.jobs {
		if r := m.job(id); r != nil && (runner == "" || runner == r.Runner) {
			all = append(all, m.view(r))
		}
	}
	slices.SortFunc(all, func(a, b queue.Job) int {
		return cmp.Or(b.Created.Compare(a.Created), strings.Compare(b.ID, a.ID))
	})
	return all
}

// DeadLetters is [queue.Queue.DeadLetters].
func (m *Model) DeadLetters(_ context.Context, runner, cursor string, limit int) (ls []queue.DeadLetter, next string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	letters := m.shelf(runner).letters
	if cursor != "" {
		i := slices.IndexFunc(letters, func(l *letter) bool { return l.ID == cursor })
		if i < 0 {
			return nil, "", fmt.Errorf("%w: cursor %q", queue.ErrMalformed, cursor)
		}
		letters = letters[i+1:]
	}
	for _, l := range letters[:min(limit, len(letters))] {
		ls = append(ls, l.DeadLetter)
	}
	if len(ls) == limit {
		next = ls[limit-1].ID
	}
	return ls, next, nil
}

// DeadLetter is [queue.Queue.DeadLetter].
func (m *Model) DeadLetter(_ context.Context, runner, id string) (queue.DeadLetter, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.shelf(runner).letters {
		if l.ID == id {
			return l.DeadLetter, nil
		}
	}
	return queue.DeadLetter{}, fmt.Errorf("%w: %q", queue.ErrUnknownDeadLetter, id)
}

// Redrive is [queue.Queue.Redrive].
func (m *Model) Redrive(ctx context.Context, runner, id string, a queue.Admission) (queue.Job, error) {
	l, err := m.DeadLetter(ctx, runner, id)
	if err != nil {
		return queue.Job{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	j, err := m.again(m.job(l.Call.ID), l.Call, a)
	if err == nil {
		m.shelf(runner).dropLetter(id)
	}
	return j, err
}

// DropDead is [queue.Queue.DropDead].
func (m *Model) DropDead(_ context.Context, runner, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.shelf(runner).dropLetter(id) && id != "" {
		return fmt.Errorf("%w: %q", queue.ErrUnknownDeadLetter, id)
	}
	return nil
}

// dropLetter drops a letter, or all with "", and reports whether there was any.
func (s *shelf) dropLetter(id string) bool {
	before := len(s.letters)
	s.letters = slices.DeleteFunc(s.letters, func(l *letter) bool { return id == "" || l.ID == id })
	return len(s.letters) < before
}

// SetGate is [queue.Queue.SetGate].
func (m *Model) SetGate(_ context.Context, runner string, g queue.Gate) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.shelf(runner)
	if s.spec == nil {
		return fmt.Errorf("%w: %s", queue.ErrUnknownRunner, runner)
	}
	s.gate, s.want, s.until = g, 1, 0
	if depth, _ := s.size(); g != queue.GatePaused && depth > 0 {
		s.ring()
	}
	return nil
}

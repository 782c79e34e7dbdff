package queuetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// pulse is a heartbeat and when it was.
type pulse struct {
	queue.Heartbeat

	at time.Duration
}

// living counts the workers that are alive.
func (s *shelf) living(t, ttl time.Duration) int {
	n := 0
	for _, b := range s.beats {
		if t-b.at <= ttl {
			n++
		}
	}
	return n
}

// Announce is [queue.Queue.Announce].
func (m *Model) Announce(_ context.Context, runner string, spec []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.shelf(runner).spec = slices.Clone(spec)
	return nil
}

// Spec is [queue.Queue.Spec].
func (m *Model) Spec(_ context.Context, runner string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.shelf(runner); s.spec != nil {
		return slices.Clone(s.spec), nil
	}
	return nil, fmt.Errorf("%w: %s", queue.ErrUnknownRunner, runner)
}

// Runners is [queue.Queue.Runners].
func (m *Model) Runners(context.Context) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for name, s := range m.runners {
		if s.spec != nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// Beat is [queue.Queue.Beat].
func (m *Model) Beat(_ context.Context, runner string, beat queue.Heartbeat) (known bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.shelf(runner)
	s.beats[beat.Worker] = pulse{beat, now()}
	return s.spec != nil, nil
}

// Leave is [queue.Queue.Leave].
func (m *Model) Leave(_ context.Context, runner, worker string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.shelf(runner).beats, worker)
	return nil
}

// Workers is [queue.Queue.Workers].
func (m *Model) Workers(_ context.Context, runner string) ([]queue.Heartbeat, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var beats []queue.Heartbeat
	t := now()
	for _, b := range m.shelf(runner).beats {
		if b.Age = t - b.at; b.Age <= m.config.WorkerTTL {
			beats = append(beats, b.Heartbeat)
		}
	}
	slices.SortFunc(beats, func(a, b queue.Heartbeat) int { return strings.Compare(a.Worker, b.Worker) })
	return beats, nil
}

// Stats is [queue.Queue.Stats].
func (m *Model) Stats(_ context.Context, runners ...string) ([]queue.Stats, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []queue.Stats
	for _, runner := range runners {
		s, t := m.shelf(runner), now()
		stats := s.counted
		stats.Runner, stats.At = runner, t
		stats.Depth, stats.Bytes = s.size()
		rows, calls, oldest := s.waiting()
		stats.WaitingRows, stats.Waiting, stats.Oldest = rows, calls, t-min(oldest, t)
		stats.Workers = s.living(t, m.config.WorkerTTL)
		stats.DeadLetters, stats.Gate, stats.Callers = len(s.letters), s.gate, s.callers()
		stats.ResultBytes = m.kept(runner)
		stats.Degraded = s.loop.crashed > 3 && t-s.loop.at < time.Minute
		stats.Errands = s.errandStats(t)
		s.each(func(e *entry) {
			if e.owner == "" {
				l := &stats.Lanes[e.lane]
				l.Calls, l.Rows, l.Oldest = l.Calls+1, l.Rows+e.call.Rows, max(l.Oldest, t-e.accepted)
			}
		})
		out = append(out, stats)
	}
	return out, nil
}

// Ping is [queue.Queue.Ping].
func (m *Model) Ping(context.Context) error { return nil }

// Durability is [queue.Queue.Durability].
func (m *Model) Durability(context.Context) (queue.Durability, error) {
	return queue.Durability{Problem: "the queue is a model in memory"}, nil
}

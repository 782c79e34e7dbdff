package schedule_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/queue/tasks/schedule"
)

// memory is a store whose time is virtual, and a queue that keeps every job.
type memory struct {
	mu    sync.Mutex
	now   time.Time
	revs  int
	kept  map[string]queue.Schedule
	jobs  map[string]time.Time // when the job of this id was made
	sent  int
	taken func(s queue.Schedule, id string) error // nil: all are
}

func newMemory(now time.Time) *memory {
	return &memory{now: now, kept: map[string]queue.Schedule{}, jobs: map[string]time.Time{}}
}

func (m *memory) set(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = now
}

func (m *memory) Now(ctx context.Context) (time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now, ctx.Err()
}

func (m *memory) Schedules(ctx context.Context) ([]queue.Schedule, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]queue.Schedule, 0, len(m.kept))
	for _, name := range slices.Sorted(maps.Keys(m.kept)) {
		s := m.kept[name]
		s.Input = nil
		all = append(all, s)
	}
	return all, ctx.Err()
}

func (m *memory) Schedule(ctx context.Context, name string) (queue.Schedule, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.kept[name]
	if !ok {
		return s, queue.ErrUnknownSchedule
	}
	return s, ctx.Err()
}

func (m *memory) PutSchedule(ctx context.Context, s queue.Schedule) (queue.Schedule, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return s, ctx.Err()
	}
	was := m.kept[s.Name]
	if was.Rev != s.Rev {
		return s, queue.ErrScheduleChanged
	}
	m.revs++
	s.Rev = strconv.Itoa(m.revs)
	if s.Input == nil {
		s.Input = was.Input
	}
	m.kept[s.Name] = s
	return s, nil
}

func (m *memory) DropSchedule(ctx context.Context, s queue.Schedule) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if m.kept[s.Name].Rev != s.Rev {
		return queue.ErrScheduleChanged
	}
	delete(m.kept, s.Name)
	return nil
}

func (m *memory) SubmitTick(ctx context.Context, s queue.Schedule, id string) (queue.Job, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return queue.Job{}, ctx.Err()
	}
	m.sent++
	if m.taken != nil {
		if err := m.taken(s, id); err != nil {
			return queue.Job{}, err
		}
	}
	if _, there := m.jobs[id]; !there {
		m.jobs[id] = m.now
	}
	return queue.Job{ID: id, Runner: s.Runner}, nil
}

// made is how many jobs there are.
func (m *memory) made() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.jobs)
}

// is is a schedule as it is kept.
func (m *memory) is(t *testing.T, name string) queue.Schedule {
	t.Helper()
	s, err := m.Schedule(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// define makes a schedule of a definition that is right.
func define(t *testing.T, d schedule.Definition) queue.Schedule {
	t.Helper()
	if d.Runner == "" {
		d.Runner, d.Method = "r", "m"
	}
	s, err := d.Schedule()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// put sets a schedule.
func put(t *testing.T, store schedule.Store, d schedule.Definition) queue.Schedule {
	t.Helper()
	s, _, err := schedule.Book{Store: store}.Set(t.Context(), define(t, d))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var errLost = errors.New("the answer was lost")

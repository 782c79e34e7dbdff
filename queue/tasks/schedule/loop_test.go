package schedule_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/queue/tasks/schedule"
)

// turn does what is due at a moment, and fails if that cannot be found out.
func turn(t *testing.T, l *schedule.Loop, m *memory, at string) {
	t.Helper()
	m.set(moment(t, at))
	if err := l.Turn(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func quiet(m *memory) *schedule.Loop { return schedule.NewLoop(m, m, slog.New(slog.DiscardHandler)) }

func TestATickBecomesAJobWhenItIsDue(t *testing.T) {
	t.Parallel()
	m := newMemory(moment(t, "2026-05-01T00:10:00Z"))
	var got queue.Schedule
	m.taken = func(s queue.Schedule, _ string) error { got = s; return nil }
	put(t, m, schedule.Definition{Name: "a", Cron: "0 * * * *", Input: []byte(`{"x": 1}`), Timeout: "5s", Priority: "low"})
	l := quiet(m)
	turn(t, l, m, "2026-05-01T00:59:59Z")
	if m.made() != 0 {
		t.Fatal("a job was made before its time")
	}
	turn(t, l, m, "2026-05-01T01:00:00Z")
	s := m.is(t, "a")
	id := schedule.JobID(s, moment(t, "2026-05-01T01:00:00Z"))
	if _, there := m.jobs[id]; !there || m.made() != 1 || s.LastJob != id || !s.Last.Equal(moment(t, "2026-05-01T01:00:00Z")) {
		t.Errorf("jobs %v, schedule %+v", m.jobs, s)
	}
	if string(got.Input) != `{"x":1}` || got.Timeout != 5*time.Second || got.Lane != queue.Low || string(s.Input) != `{"x":1}` {
		t.Errorf("submitted %+v", got)
	}
	if runner, err := queue.RunnerOf(id); runner != "r" || err != nil {
		t.Errorf("id %s: %v", id, err)
	}
	turn(t, l, m, "2026-05-01T01:00:01Z")
	if m.sent != 1 {
		t.Errorf("it was submitted %d times", m.sent)
	}
}

func TestATickThatIsNotTakenIsTriedUntilItIs(t *testing.T) {
	t.Parallel()
	m := newMemory(moment(t, "2026-05-01T00:10:00Z"))
	m.taken = func(queue.Schedule, string) error { return queue.ErrFull }
	put(t, m, schedule.Definition{Name: "a", Cron: "0 * * * *"})
	put(t, m, schedule.Definition{Name: "skip", Cron: "0 * * * *", Missed: "skip"})
	var log bytes.Buffer
	l := schedule.NewLoop(m, m, slog.New(slog.NewTextHandler(&log, nil)))
	for _, at := range []string{"01:00:00", "01:00:01", "01:00:09", "01:00:30"} {
		turn(t, l, m, "2026-05-01T"+at+"Z")
	}
	if n := strings.Count(log.String(), queue.ErrFull.Error()); n != 2 {
		t.Errorf("it was said %d times of two schedules:\n%s", n, &log)
	}
	if s := m.is(t, "a"); s.LastJob != "" || s.MissedTicks != 0 || !s.Handled.Equal(moment(t, "2026-05-01T00:10:00Z")) {
		t.Errorf("it moved: %+v", s)
	}
	if s := m.is(t, "skip"); s.MissedTicks != 1 || !s.Handled.Equal(moment(t, "2026-05-01T01:00:00Z")) {
		t.Errorf("it is still wanted: %+v", s)
	}
	m.taken = nil
	turn(t, l, m, "2026-05-01T01:40:00Z")
	if s := m.is(t, "a"); m.made() != 1 || s.LastJob == "" || s.MissedTicks != 0 {
		t.Errorf("%d jobs, %+v", m.made(), s)
	}
}

func TestATickThatIsRefusedIsNotedAndTheNextComes(t *testing.T) {
	t.Parallel()
	m := newMemory(moment(t, "2026-05-01T00:10:00Z"))
	m.taken = func(queue.Schedule, string) error { return fmt.Errorf("%w: x is missing", schedule.ErrRefused) }
	put(t, m, schedule.Definition{Name: "a", Cron: "0 * * * *"})
	l := quiet(m)
	turn(t, l, m, "2026-05-01T01:00:00Z")
	turn(t, l, m, "2026-05-01T01:00:01Z")
	if s := m.is(t, "a"); m.sent != 1 || !strings.Contains(s.Refusal, "x is missing") || !s.RefusedAt.Equal(moment(t, "2026-05-01T01:00:00Z")) || s.LastJob != "" {
		t.Errorf("submitted %d times, %+v", m.sent, s)
	}
	m.taken = nil
	turn(t, l, m, "2026-05-01T02:00:00Z")
	if s := m.is(t, "a"); s.Refusal != "" || !s.RefusedAt.IsZero() || s.LastJob == "" {
		t.Errorf("%+v", s)
	}
}

// A schedule that ticks every second says once what is the matter with it, and once
// more when it is that again.
func TestWhatEveryTickHasIsSaidOnce(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{"refused": fmt.Errorf("%w: x is missing", schedule.ErrRefused), "not taken": queue.ErrUnknownRunner} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMemory(moment(t, "2026-05-01T00:10:00Z"))
			put(t, m, schedule.Definition{Name: "a", Cron: "@every 1s"})
			var log bytes.Buffer
			l := schedule.NewLoop(m, m, slog.New(slog.NewTextHandler(&log, nil)))
			failing := func(from time.Time) {
				m.taken = func(queue.Schedule, string) error { return err }
				for s := range 60 {
					m.set(from.Add(time.Duration(s) * time.Second))
					if err := l.Turn(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
			}
			failing(moment(t, "2026-05-01T00:10:01Z"))
			for _, line := range []string{err.Error(), "ticks of a schedule were missed"} {
				if n := strings.Count(log.String(), line); n > 1 {
					t.Errorf("%q is said %d times:\n%s", line, n, &log)
				}
			}
			if !strings.Contains(log.String(), err.Error()) {
				t.Errorf("it is not said why: %s", &log)
			}
			m.taken = nil
			for range 2 {
				turn(t, l, m, "2026-05-01T00:11:30Z")
			}
			turn(t, l, m, "2026-05-01T00:11:31Z")
			log.Reset()
			failing(moment(t, "2026-05-01T00:11:32Z"))
			if n := strings.Count(log.String(), err.Error()); n != 1 {
				t.Errorf("the second time it is said %d times:\n%s", n, &log)
			}
		})
	}
}

func TestAPausedScheduleDoesNotTickAndMissesNothing(t *testing.T) {
	t.Parallel()
	m := newMemory(moment(t, "2026-05-01T00:10:00Z"))
	book := schedule.Book{Store: m}
	put(t, m, schedule.Definition{Name: "a", Cron: "0 * * * *", Missed: "all"})
	l := quiet(m)
	if s, err := book.Pause(t.Context(), "a"); err != nil || !s.Paused {
		t.Fatal(s, err)
	}
	turn(t, l, m, "2026-05-01T05:00:00Z")
	m.set(moment(t, "2026-05-01T05:30:00Z"))
	if s, err := book.Resume(t.Context(), "a"); err != nil || s.Paused {
		t.Fatal(s, err)
	}
	turn(t, l, m, "2026-05-01T05:59:59Z")
	if s := m.is(t, "a"); m.made() != 0 || s.MissedTicks != 0 {
		t.Errorf("%d jobs, %+v", m.made(), s)
	}
	turn(t, l, m, "2026-05-01T06:00:00Z")
	if m.made() != 1 {
		t.Errorf("%d jobs", m.made())
	}
	for _, change := range []func(context.Context, string) (queue.Schedule, error){book.Pause, book.Resume} {
		if _, err := change(t.Context(), "b"); !errors.Is(err, queue.ErrUnknownSchedule) {
			t.Errorf("got %v", err)
		}
	}
}

func TestMissedTicksAreRunAsTheRuleSays(t *testing.T) {
	t.Parallel()
	for rule, want := range map[string]struct{ jobs, missed int }{"skip": {0, 5}, "once": {1, 4}, "": {1, 4}, "all": {5, 0}} {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			m := newMemory(moment(t, "2026-05-01T00:10:00Z"))
			put(t, m, schedule.Definition{Name: "a", Cron: "0 * * * *", Missed: rule})
			l := quiet(m)
			turn(t, l, m, "2026-05-01T05:30:00Z")
			turn(t, l, m, "2026-05-01T05:30:01Z")
			if s := m.is(t, "a"); m.made() != want.jobs || s.MissedTicks != want.missed || m.sent != want.jobs {
				t.Errorf("%d jobs, %+v; want %+v", m.made(), s, want)
			}
			turn(t, l, m, "2026-05-01T06:00:00Z")
			if m.made() != want.jobs+1 {
				t.Errorf("%d jobs", m.made())
			}
		})
	}
}

func TestOneBrokenScheduleDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	m := newMemory(moment(t, "2026-05-01T00:10:00Z"))
	put(t, m, schedule.Definition{Name: "b", Cron: "0 * * * *"})
	for _, name := range []string{"a", "c"} {
		if _, err := m.PutSchedule(t.Context(), queue.Schedule{Name: name, Cron: "what a later version writes"}); err != nil {
			t.Fatal(err)
		}
	}
	turn(t, quiet(m), m, "2026-05-01T01:00:00Z")
	if m.made() != 1 {
		t.Errorf("%d jobs", m.made())
	}
}

func TestALoopRunsUntilItIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(time.Now())
		put(t, m, schedule.Definition{Name: "a", Cron: "@every 10s"})
		store := virtual{m}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- schedule.NewLoop(store, store, slog.New(slog.DiscardHandler)).Run(ctx) }()
		time.Sleep(61500 * time.Millisecond) // of virtual time
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if m.made() != 6 {
			t.Errorf("%d jobs in a minute, want 6", m.made())
		}
	})
}

// virtual is a store whose clock is that of the test.
type virtual struct{ *memory }

func (virtual) Now(ctx context.Context) (time.Time, error) { return time.Now(), ctx.Err() }

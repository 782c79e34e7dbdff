package schedule

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// ErrInFile means that a schedule is of ekiben.yaml, where it is to be changed.
var ErrInFile = errors.New("the schedule is defined in ekiben.yaml")

// Store keeps schedules; it is *[queue.Queue].
type Store interface {
	// Now is the time by the store's clock, the only one there is.
	Now(ctx context.Context) (time.Time, error)
	Schedules(ctx context.Context) ([]queue.Schedule, error)
	Schedule(ctx context.Context, name string) (queue.Schedule, error)
	PutSchedule(ctx context.Context, s queue.Schedule) (queue.Schedule, error)
	DropSchedule(ctx context.Context, s queue.Schedule) error
}

// Book changes the schedules in a store. A change that comes between others is
// made again on what they left.
type Book struct{ Store Store }

// mostTries is how often a change is made again.
const mostTries = 100

// Set defines a schedule by request. A new one ticks from now on, and so does one
// that changes when it ticks or what it runs, or is resumed by that; others go on
// where they are.
// made: there was none. Errors: [ErrInFile], and those of the store.
func (b Book) Set(ctx context.Context, s queue.Schedule) (set queue.Schedule, made bool, err error) {
	s.Source = queue.ScheduleAPI
	set, err = b.change(ctx, s.Name, func(was queue.Schedule, now time.Time) (queue.Schedule, error) {
		made = was.Rev == ""
		if was.Source == queue.ScheduleFile {
			return was, ErrInFile
		}
		if !made && digest(was) == s.Digest {
			return was, nil
		}
		return redefined(was, s, now), nil
	})
	return set, made, err
}

// Pause stops a schedule until it is resumed. Ticks meanwhile are not missed: they
// do not happen. For a schedule of the file it holds until its entry there is
// changed.
func (b Book) Pause(ctx context.Context, name string) (queue.Schedule, error) {
	return b.setPaused(ctx, name, true)
}

// Resume lets a schedule tick from now on.
func (b Book) Resume(ctx context.Context, name string) (queue.Schedule, error) {
	return b.setPaused(ctx, name, false)
}

func (b Book) setPaused(ctx context.Context, name string, paused bool) (queue.Schedule, error) {
	return b.change(ctx, name, func(was queue.Schedule, now time.Time) (queue.Schedule, error) {
		if was.Rev == "" {
			return was, queue.ErrUnknownSchedule
		}
		if was.Paused == paused {
			return was, nil
		}
		if !paused {
			was.Handled = now
		}
		was.Paused = paused
		return was, nil
	})
}

// Remove drops a schedule. Its jobs stay. Errors: [ErrInFile],
// [queue.ErrUnknownSchedule], and those of the store.
func (b Book) Remove(ctx context.Context, name string) error {
	return b.drop(ctx, name, queue.ScheduleAPI)
}

// Replace makes the schedules of the file those given. Those that are not in it
// any more are removed; those that are in it as they were go on, paused or not;
// one of the same name that came by request becomes the file's. It returns the names
// of those that it removed, after an error too.
func (b Book) Replace(ctx context.Context, all []queue.Schedule) (removed []string, err error) {
	keep := make(map[string]bool, len(all))
	for _, s := range all {
		keep[s.Name] = true
	}
	known, err := b.Store.Schedules(ctx)
	if err != nil {
		return nil, fmt.Errorf("schedules: %w", err)
	}
	for _, s := range known {
		if s.Source != queue.ScheduleFile || keep[s.Name] {
			continue
		}
		err := b.drop(ctx, s.Name, queue.ScheduleFile)
		switch {
		case err == nil:
			removed = append(removed, s.Name)
		case !errors.Is(err, queue.ErrUnknownSchedule) && !errors.Is(err, ErrInFile):
			return removed, err
		}
	}
	for _, s := range all {
		s.Source = queue.ScheduleFile
		_, err := b.change(ctx, s.Name, func(was queue.Schedule, now time.Time) (queue.Schedule, error) {
			if was.Source == queue.ScheduleFile && was.Digest == s.Digest {
				return was, nil
			}
			return redefined(was, s, now), nil
		})
		if err != nil {
			return removed, err
		}
	}
	return removed, nil
}

// redefined is a schedule with another definition. What it did stays.
func redefined(was, s queue.Schedule, now time.Time) queue.Schedule {
	s.Rev, s.Last, s.LastJob, s.MissedTicks = was.Rev, was.Last, was.LastJob, was.MissedTicks
	s.Handled = was.Handled
	goesOn := was.Rev != "" && was.Cron == s.Cron && was.TimeZone == s.TimeZone && was.Runner == s.Runner && was.Method == s.Method
	if !goesOn || was.Paused && !s.Paused {
		s.Handled = now
	}
	return s
}

// change writes what a function makes of a schedule, or nothing if that is what
// it was. The function is given one without Rev if there is none.
func (b Book) change(ctx context.Context, name string, to func(was queue.Schedule, now time.Time) (queue.Schedule, error)) (queue.Schedule, error) {
	for range mostTries {
		now, err := b.Store.Now(ctx)
		if err != nil {
			return queue.Schedule{}, fmt.Errorf("schedule %s: %w", name, err)
		}
		was, err := b.Store.Schedule(ctx, name)
		if err != nil && !errors.Is(err, queue.ErrUnknownSchedule) {
			return queue.Schedule{}, fmt.Errorf("schedule %s: %w", name, err)
		}
		s, err := to(was, now)
		if err != nil {
			return queue.Schedule{}, fmt.Errorf("schedule %s: %w", name, err)
		}
		if was.Rev != "" && s.Source == was.Source && s.Digest == was.Digest && s.Paused == was.Paused {
			return was, nil
		}
		put, err := b.Store.PutSchedule(ctx, s)
		if !errors.Is(err, queue.ErrScheduleChanged) {
			if err != nil {
				return queue.Schedule{}, fmt.Errorf("schedule %s: %w", name, err)
			}
			return put, nil
		}
	}
	return queue.Schedule{}, fmt.Errorf("schedule %s: %w", name, queue.ErrScheduleChanged)
}

// drop removes a schedule of a source.
func (b Book) drop(ctx context.Context, name string, source queue.ScheduleSource) error {
	for range mostTries {
		s, err := b.Store.Schedule(ctx, name)
		if err != nil {
			return fmt.Errorf("schedule %s: %w", name, err)
		}
		if s.Source != source {
			return fmt.Errorf("schedule %s: %w", name, ErrInFile)
		}
		err = b.Store.DropSchedule(ctx, s)
		if err == nil {
			return nil
		}
		if !errors.Is(err, queue.ErrScheduleChanged) {
			return fmt.Errorf("schedule %s: %w", name, err)
		}
	}
	return fmt.Errorf("schedule %s: %w", name, queue.ErrScheduleChanged)
}

package schedule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/ekiben/ekiben/queue"
)

// ErrRefused means that a tick's job is not taken, and would not be later: its
// input is wrong, say.
var ErrRefused = errors.New("the job of a tick was refused")

// submitter makes jobs of ticks. A job that has the id already is returned as it
// is. Errors that are [ErrRefused] do not pass by themselves; others may.
type submitter interface {
	SubmitTick(ctx context.Context, s queue.Schedule, id string) (queue.Job, error)
}

const (
	// period is how often it is looked for what is due.
	period = time.Second

	// turnTime bounds what is done about one schedule at a time. A process that was
	// stopped in the middle of it does not go on with what it knew: by then the job
	// of a tick may have ended and its record have been dropped.
	turnTime = 10 * time.Second

	// atOnce is how many schedules are served at the same time: on the hour there
	// may be hundreds, and none should be late for the others.
	atOnce = 16
)

// Loop submits the jobs of ticks. Make it with [NewLoop] and run it once.
type Loop struct {
	store  Store
	submit submitter
	log    *slog.Logger
	ticks  *prometheus.CounterVec

	mu sync.Mutex
	// said is what was logged last about each schedule that has a fault, so that
	// it is said once. specs are those that were read lately. Guarded by mu.
	said  map[string]string
	specs map[[2]string]Spec
	// missing are the schedules of which it was said that they miss ticks, and which
	// have missed some whenever there was something to do since. Guarded by mu.
	missing map[string]bool
}

// mostSpecs is how many specs are kept read.
const mostSpecs = 2 * queue.MaxSchedules

// NewLoop makes a loop. A nil log is slog.Default().
func NewLoop(store Store, submit submitter, log *slog.Logger) *Loop {
	if log == nil {
		log = slog.Default()
	}
	return &Loop{store: store, submit: submit, log: log, ticks: newTicks(), said: map[string]string{}, specs: map[[2]string]Spec{}, missing: map[string]bool{}}
}

// Run looks about every second for what is due until ctx is done, and returns nil
// then.
func (l *Loop) Run(ctx context.Context) error {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for ctx.Err() == nil {
		l.tell(ctx, "", l.Turn(ctx))
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	return nil
}

// Turn does what is due now, once. The error is why it could not be found out;
// those of single schedules are logged. Turns of one loop come one after the
// other.
func (l *Loop) Turn(ctx context.Context) error {
	now, err := l.store.Now(ctx)
	if err != nil {
		return fmt.Errorf("schedules: %w", err)
	}
	all, err := l.store.Schedules(ctx)
	if err != nil {
		return fmt.Errorf("schedules: %w", err)
	}
	there := map[string]bool{"": true}
	var serving errgroup.Group
	serving.SetLimit(atOnce)
	for _, s := range all {
		there[s.Name] = true
		if ctx.Err() != nil || !l.isDue(s, now) {
			continue
		}
		serving.Go(func() error {
			err := l.serve(ctx, s.Name)
			if errors.Is(err, queue.ErrScheduleChanged) || errors.Is(err, queue.ErrUnknownSchedule) {
				err = nil // another process did it, or somebody changed it
			}
			l.tell(ctx, s.Name, err)
			return nil
		})
	}
	_ = serving.Wait() // each has been told of
	l.forget(there)
	return nil
}

// forget drops what was said about schedules that are gone.
func (l *Loop) forget(there map[string]bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name := range l.said {
		if !there[name] {
			delete(l.said, name)
		}
	}
	for name := range l.missing {
		if !there[name] {
			delete(l.missing, name)
		}
	}
}

// misses notes whether a schedule misses ticks, and reports whether that begins.
func (l *Loop) misses(name string, some bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	begins := some && !l.missing[name]
	if some {
		l.missing[name] = true
	} else {
		delete(l.missing, name)
	}
	return begins
}

// isDue reports whether a schedule may have something to do. One that cannot be
// read has: it is to be said.
func (l *Loop) isDue(s queue.Schedule, now time.Time) bool {
	if s.Paused {
		return false
	}
	spec, err := l.spec(s)
	if err != nil {
		return true
	}
	next := spec.Next(s.Handled)
	return !next.IsZero() && !next.After(now)
}

// spec is [Parse] of a schedule's, which reads the zone's file.
func (l *Loop) spec(s queue.Schedule) (Spec, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := [2]string{s.Cron, s.TimeZone}
	if spec, ok := l.specs[key]; ok {
		return spec, nil
	}
	spec, err := Parse(s.Cron, s.TimeZone)
	if err != nil {
		return Spec{}, err
	}
	if len(l.specs) >= mostSpecs {
		clear(l.specs)
	}
	l.specs[key] = spec
	return spec, nil
}

// serve does what is due of one schedule, as it is now.
func (l *Loop) serve(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, turnTime)
	defer cancel()
	s, err := l.store.Schedule(ctx, name)
	if err != nil || s.Paused {
		return err
	}
	now, err := l.store.Now(ctx)
	if err != nil {
		return err
	}
	spec, err := l.spec(s)
	if err != nil {
		return err
	}
	due := spec.Due(s.Missed, s.Handled, now)
	if l.misses(name, due.Missed > 0) {
		l.log.WarnContext(ctx, "ticks of a schedule were missed and are not run", "schedule", name, "missed", due.Missed, "rule", s.Missed)
	}
	if due.Missed > 0 {
		s.Handled = due.Until
		s.MissedTicks += due.Missed
		if s, err = l.move(ctx, s); err != nil {
			return err
		}
		l.count(s.Runner, missed, due.Missed)
	}
	for _, at := range due.Run {
		if s, err = l.run(ctx, s, at); err != nil {
			return err
		}
	}
	return nil
}

// run submits the job of one tick and moves the schedule past it.
func (l *Loop) run(ctx context.Context, s queue.Schedule, at time.Time) (queue.Schedule, error) {
	job, err := l.submit.SubmitTick(ctx, s, JobID(s, at))
	result := fired
	switch {
	case errors.Is(err, ErrRefused):
		if s.Refusal != err.Error() {
			l.log.ErrorContext(ctx, "the jobs of a schedule are refused", "schedule", s.Name, "tick", at, "err", err)
		}
		s.Refusal, s.RefusedAt = err.Error(), at.UTC()
		result = refused
	case err != nil:
		return s, fmt.Errorf("the job of a tick is not taken: %w", err)
	default:
		s.Last, s.LastJob = at.UTC(), job.ID
		s.Refusal, s.RefusedAt = "", time.Time{}
	}
	s.Handled = at
	if s, err = l.move(ctx, s); err == nil {
		l.count(s.Runner, result, 1)
	}
	return s, err
}

// move writes how far a schedule has come. Its input stays as it is.
func (l *Loop) move(ctx context.Context, s queue.Schedule) (queue.Schedule, error) {
	input := s.Input
	s.Input = nil
	s.Handled = s.Handled.UTC()
	moved, err := l.store.PutSchedule(ctx, s)
	moved.Input = input
	return moved, err
}

// tell logs an error of a schedule, or of all for "", when it is another than
// before. Errors of the end are none.
func (l *Loop) tell(ctx context.Context, name string, err error) {
	if ctx.Err() != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		delete(l.said, name)
		return
	}
	if l.said[name] == err.Error() {
		return
	}
	l.said[name] = err.Error()
	l.log.WarnContext(ctx, "schedules wait", "schedule", name, "err", err)
}

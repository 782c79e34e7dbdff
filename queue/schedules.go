package queue

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

var (
	// ErrUnknownSchedule means that there is no such schedule.
	ErrUnknownSchedule = errors.New("unknown schedule")

	// ErrScheduleChanged means that a schedule is not any more what it was when it
	// was read. It may be read again.
	ErrScheduleChanged = errors.New("the schedule was changed meanwhile")

	// ErrTooManySchedules means that there are as many as there may be,
	// [MaxSchedules].
	ErrTooManySchedules = errors.New("there are as many schedules as there may be")
)

// MaxSchedules is how many schedules there may be.
const MaxSchedules = 1000

// Missed says what is done about ticks that nobody was there for.
type Missed string

// What can be done about them.
const (
	// MissedSkip runs none of them.
	MissedSkip Missed = "skip"
	// MissedOnce runs the latest.
	MissedOnce Missed = "once"
	// MissedAll runs all, 100 at most.
	MissedAll Missed = "all"
)

// ScheduleSource is where a schedule comes from.
type ScheduleSource string

// The sources of schedules.
const (
	// ScheduleFile is ekiben.yaml.
	ScheduleFile ScheduleSource = "file"
	// ScheduleAPI is a request.
	ScheduleAPI ScheduleSource = "api"
)

// Schedule is a method that is run at certain times, and how far that has gone.
// The queue only keeps it; queue/tasks/schedule says what it means.
type Schedule struct {
	Name   string `json:"-"`
	Runner string `json:"runner"`
	Method string `json:"method"`
	// Cron is when, TimeZone the IANA name of whose wall clock; "" is UTC.
	Cron     string `json:"cron"`
	TimeZone string `json:"time_zone,omitempty"`
	// Input is the JSON body of the call. It is nil in lists, and where it is to
	// stay as it is.
	Input []byte `json:"-"`
	// Timeout is the time from acceptance to the deadline, 0 the usual.
	Timeout time.Duration  `json:"timeout,omitempty"`
	Lane    Lane           `json:"lane,omitempty"`
	Retry   Retry          `json:"retry"`
	Missed  Missed         `json:"missed"`
	Paused  bool           `json:"paused,omitempty"`
	Source  ScheduleSource `json:"source"`
	// Digest is of what the schedule was when it was defined.
	Digest string `json:"digest,omitempty"`

	// Handled: all ticks up to then have been dealt with.
	Handled time.Time `json:"handled"`
	// Last is the last tick that became a job, LastJob that job; zero and "" if
	// there was none.
	Last    time.Time `json:"last,omitzero"`
	LastJob string    `json:"last_job,omitempty"`
	// MissedTicks counts those that were not run.
	MissedTicks int `json:"missed_ticks,omitempty"`
	// Refusal is why the latest tick that was not taken was not, RefusedAt which
	// that was; "" if none was since the schedule was defined.
	Refusal   string    `json:"refusal,omitempty"`
	RefusedAt time.Time `json:"refused_at,omitzero"`

	// Rev changes with every write; "" is a schedule that is not kept yet.
	Rev string `json:"-"`
}

// Schedules returns all schedules by name, without their inputs.
func (q *Queue) Schedules(ctx context.Context) ([]Schedule, error) {
	values, err := q.redis.HGetAll(ctx, q.keys.schedules()).Result()
	if err != nil {
		return nil, unavailable("list schedules", err)
	}
	all := make([]Schedule, 0, len(values))
	for name, value := range values {
		s, err := scheduleOf(name, value)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b Schedule) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// Schedule returns one with its input, or [ErrUnknownSchedule].
func (q *Queue) Schedule(ctx context.Context, name string) (Schedule, error) {
	pipe := q.redis.TxPipeline()
	value := pipe.HGet(ctx, q.keys.schedules(), name)
	input := pipe.HGet(ctx, q.keys.scheduleInputs(), name)
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return Schedule{}, unavailable("read a schedule", err)
	}
	if errors.Is(value.Err(), redis.Nil) {
		return Schedule{}, ErrUnknownSchedule
	}
	s, err := scheduleOf(name, value.Val())
	s.Input = []byte(input.Val())
	return s, err
}

// PutSchedule writes a schedule if what is kept is what s was read as: its Rev, or
// nothing if that is "". It returns s as it is then, [ErrScheduleChanged] if
// somebody else wrote meanwhile, or [ErrTooManySchedules].
func (q *Queue) PutSchedule(ctx context.Context, s Schedule) (Schedule, error) {
	raw, err := json.Marshal(s)
	if err != nil {
		return Schedule{}, fmt.Errorf("queue: write schedule %s: %w", s.Name, err)
	}
	rev := rand.Text()
	if err := q.changeSchedule(ctx, s, rev, string(raw)); err != nil {
		return Schedule{}, err
	}
	s.Rev = rev
	return s, nil
}

// DropSchedule removes a schedule if it is still what s was read as. Otherwise it
// returns [ErrScheduleChanged].
func (q *Queue) DropSchedule(ctx context.Context, s Schedule) error {
	return q.changeSchedule(ctx, s, "", "")
}

func (q *Queue) changeSchedule(ctx context.Context, s Schedule, rev, record string) error {
	// It is not one of a runner's shard, and rare: it is loaded when it is needed.
	_, body, _ := strings.Cut(mustRead("schedule"), "\n")
	done, err := redis.NewScript(body).Run(ctx, q.redis, []string{q.keys.schedules(), q.keys.scheduleInputs()},
		s.Name, s.Rev, rev, record, s.Input != nil, s.Input, MaxSchedules).Int()
	switch {
	case err != nil:
		return unavailable("write a schedule", err)
	case done == 0:
		return ErrScheduleChanged
	case done < 0:
		return ErrTooManySchedules
	}
	return nil
}

// scheduleOf reads a record: its revision, a space, and JSON.
func scheduleOf(name, value string) (Schedule, error) {
	rev, raw, _ := strings.Cut(value, " ")
	var s Schedule
	if err := json.Unmarshal([]byte(raw), &s); err != nil {
		return Schedule{}, fmt.Errorf("%w: schedule %s: %w", ErrMalformed, name, err)
	}
	s.Name, s.Rev = name, rev
	return s, nil
}

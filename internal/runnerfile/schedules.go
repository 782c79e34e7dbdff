package runnerfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/queue/tasks/schedule"
	"github.com/ekiben/ekiben/runnables"
)

// scheduleEntry is one schedule in the file.
type scheduleEntry struct {
	Name     string      `yaml:"name"`
	Runner   string      `yaml:"runner"`
	Method   string      `yaml:"method"`
	Cron     string      `yaml:"cron"`
	TimeZone string      `yaml:"time_zone"`
	Input    any         `yaml:"input"`
	Timeout  string      `yaml:"timeout"`
	Priority string      `yaml:"priority"`
	Retry    *retryEntry `yaml:"retry"`
	Missed   string      `yaml:"missed"`
	Paused   bool        `yaml:"paused"`
}

// ReadSchedules reads and checks the schedules in a file. The errors name
// everything that is wrong with them.
func ReadSchedules(path string) ([]queue.Schedule, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("runners file: %w", err)
	}
	all, err := ParseSchedules(data)
	if err != nil {
		return nil, fmt.Errorf("runners file %s: %w", path, err)
	}
	return all, nil
}

// ParseSchedules is [ReadSchedules] of a file's content.
func ParseSchedules(data []byte) ([]queue.Schedule, error) {
	f, err := decode(data)
	if err != nil {
		return nil, err
	}
	return f.schedules()
}

func (f file) schedules() ([]queue.Schedule, error) {
	all := make([]queue.Schedule, 0, len(f.Schedules))
	var errs []error
	seen := map[string]bool{}
	for i, e := range f.Schedules {
		if e == nil {
			errs = append(errs, fmt.Errorf("schedule %d is empty", i+1))
			continue
		}
		s, err := e.schedule()
		if err != nil {
			errs = append(errs, fmt.Errorf("schedule %q: %w", e.Name, err))
			continue
		}
		if seen[s.Name] {
			errs = append(errs, fmt.Errorf("schedule %q is there twice", s.Name))
		}
		seen[s.Name] = true
		all = append(all, s)
	}
	if len(all) > queue.MaxSchedules {
		errs = append(errs, fmt.Errorf("there are %d schedules, want at most %d", len(all), queue.MaxSchedules))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return all, nil
}

func (e scheduleEntry) schedule() (queue.Schedule, error) {
	d := schedule.Definition{
		Name: e.Name, Runner: e.Runner, Method: e.Method, Cron: e.Cron, TimeZone: e.TimeZone,
		Timeout: e.Timeout, Priority: e.Priority, Missed: e.Missed, Paused: e.Paused,
	}
	if e.Input != nil {
		raw, err := json.Marshal(e.Input)
		if err != nil {
			return queue.Schedule{}, fmt.Errorf("input cannot be written as JSON: %w", err)
		}
		d.Input = raw
	}
	var errs []error
	if e.Retry != nil {
		d.Retry = &runnables.RetrySpec{Attempts: e.Retry.Attempts}
		positive(&errs, "retry: backoff_ms", e.Retry.BackoffMS, &d.Retry.BackoffMS)
		positive(&errs, "retry: max_backoff_ms", e.Retry.MaxBackoffMS, &d.Retry.MaxBackoffMS)
	}
	s, err := d.Schedule()
	return s, errors.Join(append(errs, err)...)
}

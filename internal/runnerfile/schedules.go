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
	// Name identifies the schedule, as that of a runner; at most 1000 schedules.
	Name string `yaml:"name" required:"true"`

	// Runner is whose method is run.
	Runner string `yaml:"runner" required:"true"`

	// Method is what is run. While nobody knows it the tick waits.
	Method string `yaml:"method" required:"true"`

	// Cron is minute, hour, day of the month, the month and the day of the week; or
	// `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`; or `@every` with whole seconds, which
	// ticks at the multiples of that since 1970 UTC.
	Cron string `yaml:"cron" required:"true"`

	// TimeZone is the IANA name of the zone that `cron` is meant in.
	TimeZone string `yaml:"time_zone" default:"UTC"`

	// Input is the body of the call as JSON, at most 256 KiB.
	Input any `yaml:"input" default:"{}"`

	// Timeout is how long a job may take, such as `30s`.
	Timeout string `yaml:"timeout" default:"the gateway's"`

	// Priority is `high`, `normal` or `low`.
	Priority string `yaml:"priority" default:"normal" enum:"high|normal|low"`

	// Retry is as that of runners, with at least one attempt.
	Retry *retryEntry `yaml:"retry" default:"the runner's"`

	// Missed is what is run of ticks that are more than 10 seconds late: `skip` none;
	// `once` the latest, unless a tick is on time; `all` the latest 100.
	Missed string `yaml:"missed" default:"once" enum:"skip|once|all"`

	// Paused schedules do not tick; what passes meanwhile is not missed.
	Paused bool `yaml:"paused" default:"false"`
}

// ReadSchedules reads and checks the schedules in a file, with the variables that
// env finds in them. The error says everything that is wrong with them.
func ReadSchedules(path string, env Lookup) ([]queue.Schedule, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("runners file: %w", err)
	}
	all, err := ParseSchedules(data, env)
	if err != nil {
		return nil, fmt.Errorf("runners file %s: %w", path, err)
	}
	return all, nil
}

// ParseSchedules is [ReadSchedules] of a file's content.
func ParseSchedules(data []byte, env Lookup) ([]queue.Schedule, error) {
	var fs faults
	f, _, err := decode(data, env, &fs, "schedules")
	if err != nil {
		return nil, err
	}
	all := f.schedules(&fs)
	if err := fs.err(); err != nil {
		return nil, err
	}
	return all, nil
}

// schedules are those of the file. What is wrong with them is noted.
func (f file) schedules(fs *faults) []queue.Schedule {
	all := make([]queue.Schedule, 0, len(f.Schedules.all))
	seen := map[string]bool{}
	for i, e := range f.Schedules.all {
		at := f.Schedules.at[i]
		if seen[e.Name] {
			fs.add(at, "schedule %q is there twice", e.Name)
		}
		seen[e.Name] = true
		s, err := e.schedule()
		if err != nil {
			fs.add(at, "schedule %q: %s", e.Name, err)
		}
		all = append(all, s)
	}
	if len(all) > queue.MaxSchedules {
		fs.add(place{}, "there are %d schedules, want at most %d", len(all), queue.MaxSchedules)
	}
	return all
}

func (e scheduleEntry) schedule() (queue.Schedule, error) {
	d := schedule.Definition{
		Name: e.Name, Runner: e.Runner, Method: e.Method, Cron: e.Cron, TimeZone: e.TimeZone,
		Timeout: e.Timeout, Priority: e.Priority, Missed: e.Missed, Paused: e.Paused,
	}
	var errs []error
	if e.Input != nil {
		raw, err := json.Marshal(e.Input)
		if err != nil {
			errs = append(errs, fmt.Errorf("input cannot be written as JSON: %w", err))
		}
		d.Input = raw
	}
	if e.Retry != nil {
		d.Retry = &runnables.RetrySpec{}
		set(&d.Retry.Attempts, e.Retry.Attempts)
		set(&d.Retry.BackoffMS, e.Retry.BackoffMS)
		set(&d.Retry.MaxBackoffMS, e.Retry.MaxBackoffMS)
	}
	s, err := d.Schedule()
	return s, errors.Join(append(errs, err)...)
}

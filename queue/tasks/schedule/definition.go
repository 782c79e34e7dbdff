package schedule

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/runnables"
)

// Definition is a schedule as people write it, in ekiben.yaml and in requests.
type Definition struct {
	Name   string `json:"name,omitempty"`
	Runner string `json:"runner"`
	Method string `json:"method"`
	// Cron is a cron spec, TimeZone the IANA name of the zone that it is meant in,
	// "UTC" if it is "".
	Cron     string `json:"cron"`
	TimeZone string `json:"time_zone,omitempty"`
	// Input is the JSON body of the call, {} if there is none.
	Input json.RawMessage `json:"input,omitempty"`
	// Timeout is a duration such as "30s", "" the gateway's.
	Timeout string `json:"timeout,omitempty"`
	// Priority is high, normal or low, "" normal.
	Priority string `json:"priority,omitempty"`
	// Retry is how often a failed job is tried again; nil is what the runner says.
	Retry *runnables.RetrySpec `json:"retry,omitempty"`
	// Missed is skip, once or all, "" once.
	Missed string `json:"missed,omitempty"`
	Paused bool   `json:"paused,omitempty"`
}

// The words for lanes, and for the zone of those who name none.
const (
	high, normal, low = "high", "normal", "low"
	utc               = "UTC"
)

const (
	// maxInput is the longest input, in bytes.
	maxInput = 256 << 10

	// maxCron is the longest cron spec, in bytes.
	maxCron = 256

	// longestTimeout and longestBackoff bound times.
	longestTimeout = 365 * 24 * time.Hour
	longestBackoff = 24 * time.Hour
)

// Schedule checks a definition and makes a schedule of it, without a source. The
// error says everything that is wrong, and what is right.
func (d Definition) Schedule() (queue.Schedule, error) {
	s := queue.Schedule{
		Name: d.Name, Runner: d.Runner, Method: d.Method, Cron: strings.TrimSpace(d.Cron), TimeZone: d.TimeZone,
		Input: []byte(`{}`), Missed: queue.MissedOnce, Paused: d.Paused,
	}
	var errs []error
	for _, named := range []struct{ what, name string }{{"the schedule", d.Name}, {"runner", d.Runner}, {"method", d.Method}} {
		if err := runnables.ValidName(named.name); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", named.what, err))
		}
	}
	if strings.HasPrefix(d.Runner, runnables.ReservedPrefix) {
		errs = append(errs, fmt.Errorf("runner: %.80q is a service, and schedules call runners", d.Runner))
	}
	if len(d.Cron) > maxCron {
		errs = append(errs, fmt.Errorf("cron has %d bytes, want at most %d", len(d.Cron), maxCron))
	} else if _, err := Parse(s.Cron, d.TimeZone); err != nil {
		errs = append(errs, err)
	}
	errs = append(errs, d.setInput(&s), d.setCall(&s), d.setRetry(&s))
	if err := errors.Join(errs...); err != nil {
		return queue.Schedule{}, err
	}
	s.Digest = digest(s)
	return s, nil
}

func (d Definition) setInput(s *queue.Schedule) error {
	if len(d.Input) == 0 {
		return nil
	}
	if len(d.Input) > maxInput {
		return fmt.Errorf("input has %d bytes, want at most %d", len(d.Input), maxInput)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, d.Input); err != nil {
		return fmt.Errorf("input is not JSON: %w", err)
	}
	s.Input = compact.Bytes()
	return nil
}

// setCall sets what is asked for of the call, besides its input, and the rule for
// missed ticks.
func (d Definition) setCall(s *queue.Schedule) error {
	var errs []error
	if d.Timeout != "" {
		var err error
		if s.Timeout, err = duration("timeout", d.Timeout); err != nil {
			errs = append(errs, err)
		}
	}
	switch d.Priority {
	case "", normal:
	case high:
		s.Lane = queue.High
	case low:
		s.Lane = queue.Low
	default:
		errs = append(errs, fmt.Errorf("priority is %.80q, want high, normal or low", d.Priority))
	}
	switch missed := queue.Missed(d.Missed); missed {
	case "":
	case queue.MissedSkip, queue.MissedOnce, queue.MissedAll:
		s.Missed = missed
	default:
		errs = append(errs, fmt.Errorf("missed is %.80q, want skip, once or all", d.Missed))
	}
	return errors.Join(errs...)
}

// setRetry sets how often a failed job is tried again.
func (d Definition) setRetry(s *queue.Schedule) error {
	if d.Retry == nil {
		return nil
	}
	r := *d.Retry
	var errs []error
	if r.Attempts < 1 || r.Attempts > runnables.MaxRetries {
		errs = append(errs, fmt.Errorf("retry: attempts is %d, want 1 to %d, or no retry", r.Attempts, runnables.MaxRetries))
	}
	most := longestBackoff.Milliseconds()
	if r.BackoffMS < 0 || r.BackoffMS > most {
		errs = append(errs, fmt.Errorf("retry: backoff_ms is %d, want 1 to %d", r.BackoffMS, most))
	}
	if r.MaxBackoffMS < 0 || r.MaxBackoffMS > most || r.MaxBackoffMS != 0 && r.MaxBackoffMS < r.BackoffMS {
		errs = append(errs, fmt.Errorf("retry: max_backoff_ms is %d, want at least backoff_ms, %d, and at most %d", r.MaxBackoffMS, r.BackoffMS, most))
	}
	p := runnables.RetryPolicy{
		Attempts: r.Attempts, Backoff: time.Duration(r.BackoffMS) * time.Millisecond, MaxBackoff: time.Duration(r.MaxBackoffMS) * time.Millisecond,
	}.WithDefaults()
	s.Retry = queue.Retry{Most: p.Attempts, Backoff: p.Backoff, MaxBackoff: max(p.MaxBackoff, p.Backoff)}
	return errors.Join(errs...)
}

func duration(name, text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d < time.Millisecond || d > longestTimeout {
		return 0, fmt.Errorf("%s is %.80q, want a duration such as 30s, at least 1ms and at most %s", name, text, longestTimeout)
	}
	return d, nil
}

// DefinitionOf is what a schedule was defined as, all defaults spelled out.
func DefinitionOf(s queue.Schedule) Definition {
	d := Definition{
		Name: s.Name, Runner: s.Runner, Method: s.Method, Cron: s.Cron, TimeZone: s.TimeZone, Input: s.Input,
		Priority: normal, Missed: string(s.Missed), Paused: s.Paused,
	}
	if d.TimeZone == "" {
		d.TimeZone = utc
	}
	switch s.Lane {
	case queue.High:
		d.Priority = high
	case queue.Low:
		d.Priority = low
	case queue.Normal:
	}
	if s.Timeout > 0 {
		d.Timeout = s.Timeout.String()
	}
	if s.Retry.Most > 0 {
		d.Retry = &runnables.RetrySpec{
			Attempts: s.Retry.Most, BackoffMS: s.Retry.Backoff.Milliseconds(), MaxBackoffMS: s.Retry.MaxBackoff.Milliseconds(),
		}
	}
	return d
}

// digest is equal for equal definitions.
func digest(s queue.Schedule) string {
	raw, err := json.Marshal(DefinitionOf(s))
	if err != nil {
		return "" // an input that is not JSON equals nothing
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

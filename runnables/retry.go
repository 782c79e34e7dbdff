package runnables

import (
	"fmt"
	"time"
)

// MaxRetries is how often a failed job may be tried again.
const MaxRetries = 20

// RetryPolicy is how often a failed job is tried again, and how soon: after
// Backoff at first, twice as long each time, MaxBackoff at most. Only what may get
// better is tried again.
type RetryPolicy struct {
	// Attempts is how many there are after the first, 0 to [MaxRetries]. Clients may
	// ask for another number.
	Attempts int

	// Backoff and MaxBackoff are 1 s and 10 min where they are 0.
	Backoff, MaxBackoff time.Duration
}

// The times of a [RetryPolicy] that does not say.
const (
	usualBackoff    = time.Second
	usualMaxBackoff = 10 * time.Minute
)

// longestBackoff bounds the time between two attempts.
const longestBackoff = 24 * time.Hour

// WithDefaults returns the policy with times.
func (p RetryPolicy) WithDefaults() RetryPolicy {
	orInt(&p.Backoff, usualBackoff)
	if p.MaxBackoff == 0 {
		p.MaxBackoff = max(p.Backoff, usualMaxBackoff)
	}
	return p
}

// validate reports everything that is wrong with a policy that has its times.
func (p RetryPolicy) validate() []error {
	var errs []error
	fault := func(format string, args ...any) { errs = append(errs, fmt.Errorf("retry: "+format, args...)) }
	if p.Attempts < 0 || p.Attempts > MaxRetries {
		fault("attempts is %d, want 0 to %d", p.Attempts, MaxRetries)
	}
	if p.Backoff < time.Millisecond || p.Backoff > longestBackoff {
		fault("backoff_ms is %s, want 1ms to %s", p.Backoff, longestBackoff)
	}
	if p.MaxBackoff < p.Backoff || p.MaxBackoff > longestBackoff {
		fault("max_backoff_ms is %s, want at least backoff_ms, %s, and at most %s", p.MaxBackoff, p.Backoff, longestBackoff)
	}
	return errs
}

// RetrySpec is a [RetryPolicy] in a [Spec].
type RetrySpec struct {
	Attempts     int   `json:"attempts"`
	BackoffMS    int64 `json:"backoff_ms"`
	MaxBackoffMS int64 `json:"max_backoff_ms"`
}

// Spec is the policy as it is published.
func (p RetryPolicy) Spec() RetrySpec {
	p = p.WithDefaults()
	return RetrySpec{p.Attempts, p.Backoff.Milliseconds(), p.MaxBackoff.Milliseconds()}
}

// Policy is the policy that was published. Nonsense in it becomes what makes
// sense: it may come from a worker of another version.
func (s *RetrySpec) Policy() RetryPolicy {
	if s == nil {
		return RetryPolicy{}.WithDefaults()
	}
	most := longestBackoff.Milliseconds()
	p := RetryPolicy{
		Attempts: min(max(s.Attempts, 0), MaxRetries),
		Backoff:  time.Duration(min(max(s.BackoffMS, 0), most)) * time.Millisecond,
	}
	p.MaxBackoff = max(time.Duration(min(max(s.MaxBackoffMS, 0), most))*time.Millisecond, p.Backoff)
	return p.WithDefaults()
}

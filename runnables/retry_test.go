package runnables_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/ekiben/ekiben/runnables"
)

func TestAPolicyIsPublishedAsItIs(t *testing.T) {
	t.Parallel()
	for _, p := range []runnables.RetryPolicy{
		{}, {Attempts: 3}, {Attempts: 20, Backoff: 50 * time.Millisecond, MaxBackoff: time.Second}, {Backoff: time.Hour},
	} {
		spec := p.Spec()
		if got := spec.Policy(); got != p.WithDefaults() {
			t.Errorf("%+v was published as %+v, which is %+v", p, spec, got)
		}
		r := runnables.Runner{Name: "a", Runnable: "b", Retry: p}.WithDefaults()
		if err := r.Validate(); err != nil || r.Retry != p.WithDefaults() {
			t.Errorf("%+v: %+v, %v", p, r.Retry, err)
		}
	}
	none := (*runnables.RetrySpec)(nil).Policy()
	if want := (runnables.RetryPolicy{Backoff: time.Second, MaxBackoff: 10 * time.Minute}); none != want {
		t.Errorf("nothing is %+v", none)
	}
}

func TestNonsenseThatWasPublishedIsAPolicyAllTheSame(t *testing.T) {
	t.Parallel()
	for _, s := range []runnables.RetrySpec{
		{Attempts: -1, BackoffMS: -1, MaxBackoffMS: -1},
		{Attempts: math.MaxInt, BackoffMS: math.MaxInt64, MaxBackoffMS: 1},
		{Attempts: 5, BackoffMS: 1000, MaxBackoffMS: 10},
	} {
		r := runnables.Runner{Name: "a", Runnable: "b", Retry: s.Policy()}.WithDefaults()
		if err := r.Validate(); err != nil {
			t.Errorf("%+v: %v", s, err)
		}
	}
}

func TestWhatIsWrongWithAPolicyIsSaid(t *testing.T) {
	t.Parallel()
	for want, p := range map[string]runnables.RetryPolicy{
		"attempts is 21, want 0 to 20":           {Attempts: 21},
		"attempts is -1, want 0 to 20":           {Attempts: -1},
		"backoff_ms is 1µs, want 1ms":            {Backoff: time.Microsecond},
		"max_backoff_ms is 1s, want at least":    {Backoff: time.Minute, MaxBackoff: time.Second},
		"max_backoff_ms is 25h0m0s, want at lea": {MaxBackoff: 25 * time.Hour},
	} {
		err := runnables.Runner{Name: "a", Runnable: "b", Retry: p}.WithDefaults().Validate()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", p, err, want)
		}
	}
}

package worker

import (
	"context"
	"time"

	"github.com/ekiben/ekiben/runnables"
)

const (
	// blink is how long an instance may be away without that others are asked to
	// take its calls.
	blink = time.Millisecond

	// absence is how long an instance may be away before it no longer counts as
	// one that lives: the usual process is back sooner.
	absence = 5 * time.Second
)

// attendance waits for an instance that is away, because its process is being
// replaced. The zero attendance is of one that never is.
type attendance struct {
	runner   *runner
	instance runnables.Supervised
}

// attendanceOf is that of an instance's runnable.
func attendanceOf(r *runner, instance runnables.Runnable) attendance {
	supervised, _ := instance.(runnables.Supervised)
	return attendance{runner: r, instance: supervised}
}

// here waits at most patience until the instance can execute calls. The error is
// why it cannot.
func (a attendance) here(ctx context.Context, patience time.Duration) error {
	if a.instance == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return a.instance.Ready(ctx)
}

// await waits until the instance is back, and reports whether it is: false means
// that pull is done. gone is called if the wait is more than a blink.
func (a attendance) await(pull context.Context, gone func()) bool {
	if a.here(pull, blink) == nil {
		return true
	}
	gone()
	err := a.here(pull, absence)
	if err == nil {
		return true
	}
	if pull.Err() != nil {
		return false
	}
	a.runner.log.WarnContext(pull, "an instance has been away for long and counts no more", "after", absence, "err", err)
	why := err.Error()
	a.runner.absent.Store(&why)
	a.runner.live.Add(-1)
	a.runner.beatSoon()
	err = a.instance.Ready(pull)
	a.runner.live.Add(1)
	a.runner.beatSoon()
	return err == nil
}

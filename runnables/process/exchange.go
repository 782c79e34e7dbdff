//go:build unix

package process

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

const (
	// grace is how long a call may go on that was canceled, before the process is
	// killed.
	grace = time.Second

	// longestPatience bounds how long it may where the process is still of use.
	longestPatience = 20 * time.Second
)

// patience is how long a call may go on that was canceled: as long as another
// process would take to be ready, if only its result is not wanted. Otherwise
// whoever cancels short calls of a model that loads for long would keep it from all
// others.
func (c *child) patience(ctx context.Context) time.Duration {
	if !errors.Is(context.Cause(ctx), runnables.ErrUnwanted) {
		return grace
	}
	return max(grace, min(c.took, longestPatience))
}

// remembered is the largest frame whose memory is kept for the next one.
const remembered = 1 << 20

// errGone is that a process has ended before it was called.
var errGone = errors.New("the process has ended")

// call executes a method of the process: parts[a][c] is argument a of call c. When
// it returns, the process has ended, or was killed, or can take the next one. Calls wait for each
// other.
func (c *child) call(ctx context.Context, method int, sig *runnables.Signature, parts [][]tensor.Tensor) (runnables.Outputs, error) {
	c.calling.Lock()
	defer c.calling.Unlock()
	if !c.alive() {
		return runnables.Outputs{}, errGone
	}
	c.useful.Store(true)
	c.tidy()
	c.sent++
	slot := c.slots.take()
	frame, err := c.encode(method, sig, parts, slot)
	if err == nil { // large arguments take a while to join
		err = over(ctx)
	}
	if err != nil {
		c.slots.free(slot)
		return runnables.Outputs{}, err
	}
	ctx, cancel := c.runner.Limited(ctx)
	defer cancel()
	unhook := c.limit(ctx)
	var h header
	var body []byte
	if err = broken(c.channel.send(frame)); err == nil {
		h, body, err = c.channel.receive()
		err = broken(err)
	}
	unhook()
	var out runnables.Outputs
	var used bool
	if err == nil {
		out, used, err = c.answer(h, body, slot, sig)
	}
	if !used {
		c.slots.free(slot)
	}
	return out, c.verdict(ctx, err)
}

// over is why it is too late for a call. The clock may know before ctx does.
func over(ctx context.Context) error {
	deadline, ok := ctx.Deadline()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case ok && !time.Now().Before(deadline):
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// limit bounds a call by ctx: by its deadline, and, when it is canceled, by a
// while more. unhook ends that.
func (c *child) limit(ctx context.Context) (unhook func()) {
	if ctx.Done() == nil {
		return func() {}
	}
	hooked := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(hooked)
		latest := time.Now()
		if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			latest = latest.Add(c.patience(ctx))
			if deadline, ok := ctx.Deadline(); ok && deadline.Before(latest) {
				latest = deadline
			}
		}
		_ = c.channel.conn.SetDeadline(latest)
	})
	return func() {
		if !stop() {
			<-hooked
			_ = c.channel.conn.SetDeadline(time.Time{})
		}
	}
}

// lastMoments is how long a process that has closed its channel may take to end,
// so that it can be told how it did.
const lastMoments = 500 * time.Millisecond

// verdict makes of what went wrong in a call what its caller is to know. Where
// the process cannot be used any more it has ended, or was killed.
func (c *child) verdict(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errUnsent):
		return context.Cause(ctx)
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.stop("a call did not end in time")
		return &runnables.HungError{Cause: context.Cause(ctx), PID: c.cmd.Process.Pid}
	case errors.Is(err, errProtocol):
		c.stop(err.Error())
	case isBroken(err):
		timer := time.NewTimer(lastMoments)
		defer timer.Stop()
		select {
		case <-c.ended:
		case <-timer.C:
			c.stop("it closed its channel")
		}
	default:
		return err
	}
	d := c.ending()
	return &runnables.CrashError{How: "its process " + d.how, Wrote: d.wrote, PID: c.cmd.Process.Pid}
}

// brokenError is a channel that is of no use any more.
type brokenError struct{ error }

func (e brokenError) Unwrap() error { return e.error }

func isBroken(err error) bool {
	_, ok := errors.AsType[brokenError](err)
	return ok
}

// broken marks the errors of a channel, but not those that say more themselves.
func broken(err error) error {
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, errProtocol) {
		return err
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return brokenError{err}
}

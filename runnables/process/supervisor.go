//go:build unix

package process

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"github.com/ekiben/ekiben/runnables"
)

// How processes are replaced.
const (
	// firstPause and longestPause bound the time between attempts to start one. The
	// first attempt is made at once.
	firstPause   = 100 * time.Millisecond
	longestPause = 5 * time.Second

	// sound is how long a process has lived that was not hopeless, though it may
	// have served nothing.
	sound = 5 * time.Second

	// slow is how often is told that a process is not ready yet.
	slow = 10 * time.Second

	// longestStart is how long a process that replaces another may take.
	longestStart = 10 * time.Minute
)

// supervise starts the first process, within ctx, and tells how that went. Then it
// replaces each that ends until life is done.
//
// The goroutine has a thread of its own for as long as any of its processes live,
// because they are killed when the thread that started them ends (Go issue 27505).
func (i *Instance) supervise(ctx, life context.Context, first chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(i.done)
	c, ready, err := start(ctx, i.command, i.setup, false)
	if err != nil {
		first <- err
		return
	}
	i.ready = ready
	i.set(c, nil)
	first <- nil
	hopeless := 0
	var graves sync.WaitGroup
	defer graves.Wait()
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	for {
		select {
		case <-life.Done():
			i.set(nil, nil)
			c.end()
			return
		case <-tick.C:
			c.tidyIdle()
			continue
		case <-c.ended:
		}
		if c.useful.Load() || time.Since(c.born) > sound {
			hopeless = 0
		} else {
			hopeless++
		}
		i.set(nil, nil)
		i.log.WarnContext(life, "the process of an instance has ended and is replaced", "pid", c.cmd.Process.Pid, "how", c.how.String())
		graves.Go(c.bury)
		if c = i.replace(life, hopeless); c == nil {
			return
		}
	}
}

// set says which process there is, if there is one, and why not.
func (i *Instance) set(c *child, failure error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.child, i.failure = c, failure
	close(i.changed)
	i.changed = make(chan struct{})
}

// replace starts processes until one is ready. It returns nil when life is done.
func (i *Instance) replace(life context.Context, attempt int) *child {
	for ; ; attempt++ {
		if attempt > 0 {
			pause := time.NewTimer(jitter(min(firstPause<<min(attempt-1, 16), longestPause)))
			select {
			case <-pause.C:
			case <-life.Done():
				pause.Stop()
			}
		}
		if life.Err() != nil {
			return nil
		}
		began := time.Now()
		ctx, cancel := context.WithTimeout(life, longestStart)
		c, ready, err := start(ctx, i.command, i.setup, false)
		cancel()
		if err == nil && !sameMethods(ready.Methods, i.ready.Methods) {
			c.stop("it has other methods than the process that it replaces")
			c.buryNow()
			err = errors.New("it has other methods than the process that it replaces")
		}
		if err == nil {
			// Before it is: who calls it may look into the log.
			i.log.InfoContext(life, "the process of an instance was replaced", "pid", c.cmd.Process.Pid, "took", time.Since(began))
			i.set(c, nil)
			return c
		}
		if life.Err() != nil {
			return nil
		}
		i.set(nil, err)
		i.log.ErrorContext(life, "the process of an instance cannot be replaced, it is tried again", "attempt", attempt+1, "err", err)
	}
}

func sameMethods(a, b []runnables.Signature) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// start starts a process and waits until it is ready, or ctx is done.
func start(ctx context.Context, command Command, s runnables.Setup, describe bool) (*child, readyMessage, error) {
	message, err := writeStart(startOf(s, describe))
	if err != nil {
		return nil, readyMessage{}, &StartError{Reason: startExec, Message: err.Error(), err: err}
	}
	c, err := spawn(command, s)
	if err != nil {
		return nil, readyMessage{}, &StartError{Reason: startExec, Message: err.Error(), err: err}
	}
	unhook := context.AfterFunc(ctx, func() { c.kill("it was not ready in time") })
	stop := c.remind()
	ready, err := c.introduce(message)
	stop()
	if !unhook() && err == nil { // it is being killed
		err = broken(context.Cause(ctx))
	}
	if err == nil {
		c.took = time.Since(c.born)
		return c, ready, nil
	}
	return nil, readyMessage{}, c.stillborn(ctx, err)
}

// remind warns of a process that does not come up, again and again until stop: with what
// it wrote last, which may say what it waits for.
func (c *child) remind() (stop func()) {
	up := make(chan struct{})
	var reminding sync.WaitGroup
	reminding.Go(func() {
		tick := time.NewTicker(slow)
		defer tick.Stop()
		for {
			select {
			case <-up:
				return
			case <-tick.C:
				c.log.Warn("the process of an instance is not ready yet",
					"pid", c.cmd.Process.Pid, "after", time.Since(c.born).Round(time.Second), "wrote", c.output.tail())
			}
		}
	})
	return func() {
		close(up)
		reminding.Wait()
	}
}

// introduce tells the process what to make, which is the body of START, and waits
// for what it says.
func (c *child) introduce(message json.RawMessage) (ready readyMessage, err error) {
	if err := c.channel.sendMessage(frameStart, 0, message); err != nil {
		return ready, broken(err)
	}
	h, body, err := c.channel.receive()
	if err != nil {
		return ready, broken(err)
	}
	switch h.kind {
	case frameReady:
		if err := parseMessage(h.kind, body, &ready); err != nil {
			return ready, err
		}
		if ready.Protocol != protocolVersion {
			return ready, fmt.Errorf("%w: it speaks version %d, we %d", errProtocol, ready.Protocol, protocolVersion)
		}
		return ready, nil
	case frameFailed:
		var f failure
		if err := parseMessage(h.kind, body, &f); err != nil {
			return ready, err
		}
		if f.Traceback != "" {
			c.log.Error("instance cannot be made", "reason", f.Reason, "err", f.Message, "traceback", f.Traceback)
		}
		return ready, &StartError{Reason: string(f.Reason), Message: f.Message}
	default:
		return ready, fmt.Errorf("%w: a %s frame in answer to START", errProtocol, h.kind)
	}
}

// stillborn ends a process that did not become an instance, and says why.
func (c *child) stillborn(ctx context.Context, err error) error {
	switch {
	case isBroken(err):
		timer := time.NewTimer(lastMoments)
		defer timer.Stop()
		select {
		case <-c.ended:
		case <-timer.C:
			c.stop("it closed its channel")
		}
	default:
		c.stop("it could not be made an instance")
	}
	select { // another one would get stuck as well
	case <-c.ended:
	case <-ctx.Done():
	}
	c.buryNow()
	failed, ok := errors.AsType[*StartError](err)
	switch {
	case ok:
	case ctx.Err() != nil:
		failed = &StartError{Reason: startTime, Message: context.Cause(ctx).Error(), err: context.Cause(ctx)}
	case isBroken(err):
		failed = &StartError{Reason: startCrash, Message: "it " + c.ending().String(), err: runnables.ErrCrashed}
	default:
		failed = &StartError{Reason: string(reasonProtocol), Message: err.Error(), err: err}
	}
	failed.Output = c.output.tail()
	return failed
}

// jitter is a time of about d.
func jitter(d time.Duration) time.Duration {
	return d*3/4 + rand.N(d/2+1)
}

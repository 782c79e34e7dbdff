//go:build unix

package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

// Instance is a [runnables.Runnable] that is a process, and another process when
// that has died. It serves one call at a time; others wait.
type Instance struct {
	command Command
	setup   runnables.Setup
	ready   readyMessage // of the first process; others must be like it
	log     *slog.Logger

	turn    chan struct{} // holds one: the right to call
	stop    context.CancelFunc
	closing <-chan struct{}
	done    chan struct{} // closed when the supervisor has ended

	mu      sync.Mutex // guards what follows, which the supervisor writes
	child   *child     // nil while there is none
	failure error      // of the last attempt to start one
	changed chan struct{}
}

// Start starts the process of an instance and waits until it is ready, or ctx is
// done. Errors of the process are a [StartError]. The caller closes the instance.
func Start(ctx context.Context, command Command, s runnables.Setup) (*Instance, error) {
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	i := &Instance{
		command: command, setup: s, log: s.Log,
		turn: make(chan struct{}, 1), done: make(chan struct{}), changed: make(chan struct{}),
	}
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	i.stop, i.closing = stop, life.Done()
	first := make(chan error, 1)
	go i.supervise(ctx, life, first)
	if err := <-first; err != nil {
		stop()
		<-i.done
		return nil, err
	}
	return i, nil
}

// Describe asks a process for the resources of a runner's runnable. No instance is
// made.
func Describe(ctx context.Context, command Command, s runnables.Setup) (runnables.Resources, error) {
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	type answer struct {
		ready readyMessage
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		c, ready, err := start(ctx, command, s, true)
		if err == nil {
			c.end()
		}
		answers <- answer{ready, err}
	}()
	a := <-answers
	r := a.ready.Resources
	return runnables.Resources{
		NvidiaGPU: r.NvidiaGPU, NoCPU: r.NoCPU, MultiThreading: r.MultiThreading, Custom: r.Custom,
	}, a.err
}

// Methods are those of the first process. They may be called while it is being
// replaced, and wait then.
func (i *Instance) Methods() []runnables.Method {
	methods := make([]runnables.Method, len(i.ready.Methods))
	for n := range methods {
		sig := &i.ready.Methods[n]
		parts := func(ctx context.Context, parts [][]tensor.Tensor) (runnables.Outputs, error) {
			return i.call(ctx, n, sig, parts)
		}
		methods[n] = runnables.Method{Signature: *sig, RunParts: parts, Run: whole(parts)}
	}
	return methods
}

// whole makes Run of RunParts: outputs are copied.
func whole(run func(context.Context, [][]tensor.Tensor) (runnables.Outputs, error)) func(context.Context, []tensor.Tensor) ([]tensor.Tensor, error) {
	return func(ctx context.Context, inputs []tensor.Tensor) ([]tensor.Tensor, error) {
		parts := make([][]tensor.Tensor, len(inputs))
		for a := range inputs {
			parts[a] = inputs[a : a+1]
		}
		out, err := run(ctx, parts)
		if out.Release == nil {
			return out.Tensors, err
		}
		defer out.Release()
		for o, t := range out.Tensors {
			kept, newErr := tensor.New(t.DType(), t.Shape(), append([]byte(nil), t.Data()...))
			if newErr != nil {
				return nil, fmt.Errorf("%w: %w", runnables.ErrOutput, newErr)
			}
			out.Tensors[o] = kept
		}
		return out.Tensors, err
	}
}

// call executes a method once there is a process and nobody else calls it.
func (i *Instance) call(ctx context.Context, method int, sig *runnables.Signature, parts [][]tensor.Tensor) (runnables.Outputs, error) {
	select {
	case i.turn <- struct{}{}:
		defer func() { <-i.turn }()
	case <-ctx.Done():
		return runnables.Outputs{}, context.Cause(ctx)
	}
	for {
		c, err := i.await(ctx)
		if err != nil {
			return runnables.Outputs{}, err
		}
		out, err := c.call(ctx, method, sig, parts)
		if !errors.Is(err, errGone) {
			return out, err
		}
	}
}

// errClosed is what is left of an instance that was closed.
var errClosed = errors.New("the instance is closed")

// await waits until there is a process.
func (i *Instance) await(ctx context.Context) (*child, error) {
	for {
		if ctx.Err() != nil {
			return nil, i.away(ctx)
		}
		i.mu.Lock()
		c, changed := i.child, i.changed
		i.mu.Unlock()
		if c != nil && c.alive() {
			return c, nil
		}
		select {
		case <-changed:
		case <-i.closing:
			return nil, errClosed
		case <-ctx.Done():
		}
	}
}

// away is why a call could not be executed.
func (i *Instance) away(ctx context.Context) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case i.child != nil:
		return context.Cause(ctx)
	case i.failure != nil:
		return fmt.Errorf("the process of the instance cannot be replaced: %w (%w)", context.Cause(ctx), i.failure)
	default:
		return fmt.Errorf("the process of the instance is being replaced: %w", context.Cause(ctx))
	}
}

// Ready waits until there is a process that can be called.
func (i *Instance) Ready(ctx context.Context) error {
	_, err := i.await(ctx)
	return err
}

// Close ends the process, which is given two seconds to do so by itself. Outputs
// that were not released can still be read.
func (i *Instance) Close() error {
	i.stop()
	<-i.done
	return nil
}

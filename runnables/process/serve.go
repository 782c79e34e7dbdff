//go:build unix

package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/ekiben/ekiben/runnables"
)

// ErrNoChannel is returned by [Serve] in a process that no worker has started.
var ErrNoChannel = errors.New("this process was not started by a worker as an instance: " + channelVariable + " is not set")

// Serve is an instance of one of the kinds, in a process that [Start] started: it
// makes the instance that the worker asks for and executes its calls, until the
// worker closes the channel. A panic of a method is an error of the call. An error
// of Serve is that of the channel; those of the instance are told to the worker.
//
// Neither SIGINT and SIGTERM nor the end of ctx end it: who sends them to a
// terminal's or a service's processes means the worker, which may have calls to
// finish.
func Serve(ctx context.Context, kinds runnables.Kinds) error {
	s, err := openServer()
	if err != nil {
		return err
	}
	defer s.close()
	defer passOver(os.Interrupt, syscall.SIGTERM)()
	ctx = context.WithoutCancel(ctx)
	instance, err := s.introduce(ctx, kinds)
	if instance == nil {
		return ended(err)
	}
	err = ended(s.run(ctx, instance.Methods()))
	return errors.Join(err, instance.Close())
}

// passOver does nothing about signals, whoever else wanted to be told of them. They
// are not ignored, because the programs that this one starts would do so, too.
func passOver(signals ...os.Signal) (stop func()) {
	nowhere := make(chan os.Signal, 1)
	signal.Ignore(signals...)
	signal.Notify(nowhere, signals...)
	return func() { signal.Stop(nowhere) }
}

// ended is nil for a channel that was closed between frames.
func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// server is the end of a channel that is an instance.
type server struct {
	channel *channel
	input   *region
	outputs []*region
	frame   []byte // the memory of the last frame sent
}

// openServer takes what the process was born with.
func openServer() (*server, error) {
	if os.Getenv(channelVariable) == "" {
		return nil, ErrNoChannel
	}
	socket, err := inherited(os.Getenv(channelVariable))
	if err != nil {
		return nil, err
	}
	s := &server{}
	if s.channel, err = openChannel(socket); err != nil {
		return nil, err
	}
	for n, fd := range strings.Split(os.Getenv(regionsVariable), ",") {
		file, err := inherited(fd)
		if err != nil {
			s.close()
			return nil, err
		}
		if n == 0 {
			s.input = &region{file: file}
		} else {
			s.outputs = append(s.outputs, &region{file: file})
		}
	}
	// Those that it starts itself are no instances.
	for _, name := range []string{channelVariable, regionsVariable} {
		if err := os.Unsetenv(name); err != nil {
			return nil, fmt.Errorf("environment: %w", err)
		}
	}
	return s, nil
}

// inherited is a file that the process was born with, and that its own children
// are not.
func inherited(fd string) (*os.File, error) {
	n, err := strconv.ParseUint(fd, 10, 31)
	if err != nil {
		return nil, fmt.Errorf("file descriptor %q: %w", fd, err)
	}
	if _, err := unix.FcntlInt(uintptr(n), unix.F_SETFD, unix.FD_CLOEXEC); err != nil {
		return nil, fmt.Errorf("file descriptor %d: %w", n, err)
	}
	return os.NewFile(uintptr(n), "inherited "+fd), nil
}

func (s *server) close() {
	_ = s.channel.close()
	for _, r := range append([]*region{s.input}, s.outputs...) {
		if r != nil {
			_ = r.close()
		}
	}
}

// introduce makes what the worker asks for and says what it is. It returns no
// instance where there is nothing to serve.
func (s *server) introduce(ctx context.Context, kinds runnables.Kinds) (runnables.Runnable, error) {
	h, body, err := s.channel.receive()
	if err != nil {
		return nil, err
	}
	var m startMessage
	if h.kind != frameStart {
		err = fmt.Errorf("%w: a %s frame before START", errProtocol, h.kind)
	} else if err = parseMessage(h.kind, body, &m); err == nil && m.Protocol != protocolVersion {
		err = fmt.Errorf("%w: the worker speaks version %d, we %d", errProtocol, m.Protocol, protocolVersion)
	}
	if err != nil {
		return nil, errors.Join(err, s.channel.sendMessage(frameFailed, 0, failure{Reason: reasonProtocol, Message: err.Error()}))
	}
	instance, resources, f := makeInstance(ctx, kinds, m)
	if f != nil {
		return nil, s.channel.sendMessage(frameFailed, 0, f)
	}
	ready := readyMessage{
		Protocol: protocolVersion, Language: runtime.Version(), PID: os.Getpid(),
		Resources: resourcesMessage{resources.NvidiaGPU, resources.NoCPU, resources.MultiThreading, resources.Custom},
		Methods:   []runnables.Signature{},
	}
	if instance != nil {
		for _, method := range instance.Methods() {
			ready.Methods = append(ready.Methods, method.Signature)
		}
	}
	return instance, s.channel.sendMessage(frameReady, 0, ready)
}

// makeInstance makes, checks and warms up an instance; none where only a
// description is asked for.
func makeInstance(ctx context.Context, kinds runnables.Kinds, m startMessage) (instance runnables.Runnable, res runnables.Resources, f *failure) {
	defer func() {
		if v := recover(); v != nil {
			f = &failure{Reason: reasonInit, Message: oneLine(fmt.Sprint("panic: ", v)), Traceback: string(debug.Stack())}
		}
	}()
	failed := func(why reason, err error) (runnables.Runnable, runnables.Resources, *failure) {
		return nil, res, &failure{Reason: why, Message: oneLine(err.Error())}
	}
	setup := m.setup()
	kind, ok := kinds.Of(setup.Runner)
	if !ok {
		return failed(reasonImport, fmt.Errorf("this binary has no runnable %q", m.Runnable))
	}
	res = kind.Resources
	if kind.Describe != nil {
		var err error
		if res, err = kind.Describe(ctx, setup.Runner); err != nil {
			return failed(reasonImport, err)
		}
	}
	if m.Describe {
		return nil, res, nil
	}
	instance, err := kind.New(ctx, setup)
	if err != nil {
		return failed(reasonInit, err)
	}
	if err := runnables.Validate(instance); err != nil {
		return failed(reasonSignature, errors.Join(err, instance.Close()))
	}
	if w, ok := instance.(runnables.Warmer); ok {
		if err := w.Warmup(ctx); err != nil {
			return failed(reasonInit, errors.Join(fmt.Errorf("warm up: %w", err), instance.Close()))
		}
	}
	return instance, res, nil
}

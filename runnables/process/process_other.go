//go:build !unix

package process

import (
	"context"
	"errors"
	"io"
	"log/slog"

	"github.com/ekiben/ekiben/runnables"
)

// ErrNoChannel is returned by Serve in a process that no worker has started.
var ErrNoChannel = errors.New("instances that are processes need Unix")

// Instance is none here.
type Instance struct{ runnables.Instance }

// Start fails: instances that are processes need Unix.
func Start(context.Context, Command, runnables.Setup) (*Instance, error) {
	return nil, &StartError{Reason: startExec, Message: ErrNoChannel.Error(), err: errors.ErrUnsupported}
}

// Describe fails: instances that are processes need Unix.
func Describe(context.Context, Command, runnables.Setup) (runnables.Resources, error) {
	return runnables.Resources{}, &StartError{Reason: startExec, Message: ErrNoChannel.Error(), err: errors.ErrUnsupported}
}

// KeepWarden does nothing: there is nobody to watch over.
func KeepWarden(Command, *slog.Logger) {}

// Ward does nothing: there is nobody to watch over.
func Ward(io.Reader) {}

// Serve fails: instances that are processes need Unix.
func Serve(context.Context, runnables.Kinds) error { return ErrNoChannel }

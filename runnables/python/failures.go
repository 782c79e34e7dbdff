package python

import (
	"context"
	"log/slog"

	"github.com/ekiben/ekiben/runnables"
)

// failures is the log of a class that is described. What it prints is not in it:
// it prints that again when an instance is made.
func (k *kind) failures(r runnables.Runner) *slog.Logger {
	log := k.options.Log
	if log == nil {
		log = slog.Default()
	}
	return slog.New(errorsOnly{log.Handler()}).With("runner", r.Name)
}

// errorsOnly passes errors on.
type errorsOnly struct{ next slog.Handler }

func (h errorsOnly) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelError && h.next.Enabled(ctx, level)
}

func (h errorsOnly) Handle(ctx context.Context, record slog.Record) error {
	return h.next.Handle(ctx, record)
}

func (h errorsOnly) WithAttrs(attrs []slog.Attr) slog.Handler {
	return errorsOnly{h.next.WithAttrs(attrs)}
}

func (h errorsOnly) WithGroup(name string) slog.Handler {
	return errorsOnly{h.next.WithGroup(name)}
}

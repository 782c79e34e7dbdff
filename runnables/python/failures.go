package python

import (
	"context"
	"log/slog"

	"github.com/ekiben/ekiben/runnables"
)

// failures is the log of a class that is described. What it prints is not in it, unless
// it takes long: it prints that again when an instance is made.
func (k *kind) failures(r runnables.Runner) *slog.Logger {
	log := k.options.Log
	if log == nil {
		log = slog.Default()
	}
	return slog.New(problemsOnly{log.Handler()}).With("runner", r.Name)
}

// problemsOnly passes warnings and errors on.
type problemsOnly struct{ next slog.Handler }

func (h problemsOnly) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && h.next.Enabled(ctx, level)
}

func (h problemsOnly) Handle(ctx context.Context, record slog.Record) error {
	return h.next.Handle(ctx, record)
}

func (h problemsOnly) WithAttrs(attrs []slog.Attr) slog.Handler {
	return problemsOnly{h.next.WithAttrs(attrs)}
}

func (h problemsOnly) WithGroup(name string) slog.Handler {
	return problemsOnly{h.next.WithGroup(name)}
}

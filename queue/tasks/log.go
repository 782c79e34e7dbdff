package tasks

import (
	"context"
	"fmt"
	"log/slog"
)

// asynqLog passes on what asynq says. What is usual for it is of interest to who
// debugs; it never ends the process.
type asynqLog struct{ log *slog.Logger }

func (l asynqLog) write(level slog.Level, args []any) {
	l.log.Log(context.Background(), level, "asynq", "says", fmt.Sprint(args...))
}

// Debug writes a debug line.
func (l asynqLog) Debug(args ...any) { l.write(slog.LevelDebug, args) }

// Info writes a debug line too.
func (l asynqLog) Info(args ...any) { l.write(slog.LevelDebug, args) }

// Warn writes a warning.
func (l asynqLog) Warn(args ...any) { l.write(slog.LevelWarn, args) }

// Error writes an error.
func (l asynqLog) Error(args ...any) { l.write(slog.LevelError, args) }

// Fatal writes an error.
func (l asynqLog) Fatal(args ...any) { l.write(slog.LevelError, args) }

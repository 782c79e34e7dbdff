package tasks

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/time/rate"
)

// asynqLog passes on what asynq says. What is usual for it is of interest to who
// debugs, and so is what it says again and again while Redis is away. It never ends
// the process.
type asynqLog struct {
	log   *slog.Logger
	often *rate.Limiter
}

// loudEvery and loudFirst bound the warnings and errors of asynq.
const loudEvery, loudFirst = 10 * time.Second, 3

func newAsynqLog(log *slog.Logger) asynqLog {
	return asynqLog{log, rate.NewLimiter(rate.Every(loudEvery), loudFirst)}
}

func (l asynqLog) write(level slog.Level, args []any) {
	if level > slog.LevelDebug && !l.often.Allow() {
		level = slog.LevelDebug
	}
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

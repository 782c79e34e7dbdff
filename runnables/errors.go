package runnables

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ErrInput is wrapped by errors that the client is to blame for: what it sent
// does not fit the method. The sentence says what was wrong and what is right,
// and is meant for the client.
var ErrInput = errors.New("invalid input")

// ErrOutput is wrapped when a method's outputs break its own signature. The
// runnable is to blame, every call of the batch fails.
var ErrOutput = errors.New("invalid output")

// ErrOutputLength is wrapped, beside [ErrOutput], when a method answers more or
// fewer rows than it was given. No result can be told to belong to a row then,
// so none is used.
var ErrOutputLength = errors.New("wrong number of rows")

// ErrCrashed is wrapped by the error of an execution during which the process of
// the instance died and was replaced. It fails no call of the batch: each is
// executed again, by itself, and only one that crashes its instance alone again
// and again is given up; [CrashError] says how that was. It is told of a whole execution; in [RowErrors] it is an
// error like any other.
var ErrCrashed = errors.New("the instance crashed")

// CrashError is an [ErrCrashed] of which more is known.
type CrashError struct {
	// How it happened, such as "its process exited with status 3".
	How string

	// Wrote is what the instance wrote of its end. Anything may be in it, so it is
	// for operators and not for clients.
	Wrote string

	// PID is the number that the process had, for operators.
	PID int
}

// Error tells all of it.
func (e *CrashError) Error() string {
	text := ErrCrashed.Error() + ": " + e.How
	if e.Wrote != "" {
		text += fmt.Sprintf(" and wrote %q", e.Wrote)
	}
	return text
}

// Unwrap returns [ErrCrashed].
func (e *CrashError) Unwrap() error { return ErrCrashed }

// ErrHung is wrapped by the error of an execution that did not end in time and was
// stopped, with the process that ran it; [HungError] says why it was. Of calls that
// ran together only those fail whose own time is over, the others are executed again,
// each by itself.
var ErrHung = errors.New("the execution did not end in time and was stopped, with the process that ran it")

// HungError is an [ErrHung] of which more is known.
type HungError struct {
	// Cause is what was over: the time of the execution's context, or [ErrOverlong].
	Cause error

	// PID is the number that the process had, for operators.
	PID int
}

// Error tells the cause.
func (e *HungError) Error() string { return ErrHung.Error() + ": " + e.Cause.Error() }

// Unwrap returns [ErrHung] and the cause.
func (e *HungError) Unwrap() []error { return []error{ErrHung, e.Cause} }

// ErrOverlong is wrapped by the error of an execution that took longer than
// [Runner.MaxExecution]. The same call may take as long again.
var ErrOverlong = errors.New("the execution took longer than max_execution_ms")

// Limited is ctx for one execution of the runner, which ends with [ErrOverlong] as
// its cause when that takes too long.
func (r Runner) Limited(ctx context.Context) (context.Context, context.CancelFunc) {
	if r.MaxExecution <= 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, r.MaxExecution, fmt.Errorf("%w, %s", ErrOverlong, r.MaxExecution))
}

// ErrUnwanted is wrapped by the cause of an execution's context that was canceled
// because nobody wants its result any more, but the instance goes on to serve
// others: it is not worth more than the rest of the execution is.
var ErrUnwanted = errors.New("nobody wants the result any more")

// InputErrorf makes an error for the client: what it sent is not acceptable,
// which was only found out while running. It wraps [ErrInput], and whatever the
// format wraps.
func InputErrorf(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrInput, fmt.Errorf(format, args...))
}

// Retryable marks err as one that may not happen again when the same call is
// made once more, such as an accelerator out of memory.
func Retryable(err error) error {
	if err == nil {
		return nil
	}
	return retryableError{err}
}

// IsRetryable reports whether err, or one that it wraps, says so with a method
// Retryable() bool; errors of [Retryable] do.
func IsRetryable(err error) bool {
	var r interface{ Retryable() bool }
	return errors.As(err, &r) && r.Retryable()
}

type retryableError struct{ error }

func (retryableError) Retryable() bool { return true }
func (e retryableError) Unwrap() error { return e.error }

// RowErrors fails single rows of a batch: the error of each by its index along
// the batch dimension, counted from 0. The other rows succeed, so the method
// still returns outputs with all rows; those of the failed ones are not used.
//
// Look for RowErrors with errors.As before anything else: errors.Is finds what
// any one row wraps.
type RowErrors map[int]error //nolint:errname // reads as what it is: the errors of rows

// Error tells how many rows failed and why the first did.
func (e RowErrors) Error() string {
	rows := e.rows()
	if len(rows) == 0 {
		return "no row failed"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "row %d: %v", rows[0], e[rows[0]])
	if len(rows) > 1 {
		fmt.Fprintf(&b, " (and %d more rows failed)", len(rows)-1)
	}
	return b.String()
}

// Unwrap returns the errors in the order of the rows.
func (e RowErrors) Unwrap() []error {
	errs := make([]error, 0, len(e))
	for _, row := range e.rows() {
		errs = append(errs, e[row])
	}
	return errs
}

// In returns the error of the first failed row in [from, to), or nil: the
// outcome of a call that these rows belong to.
func (e RowErrors) In(from, to int) error {
	for _, row := range e.rows() {
		if from <= row && row < to {
			return e[row]
		}
	}
	return nil
}

// rows are the failed rows in order. A nil error is no failure.
func (e RowErrors) rows() []int {
	rows := slices.Sorted(maps.Keys(e))
	return slices.DeleteFunc(rows, func(row int) bool { return e[row] == nil })
}

// orNil is e, or nil when no row failed.
func (e RowErrors) orNil() error {
	if len(e.rows()) == 0 {
		return nil
	}
	return e
}

// take adds the rows that err fails to e, and returns err if it is another kind
// of error.
func (e RowErrors) take(err error) error {
	rows, ok := errors.AsType[RowErrors](err)
	if !ok {
		return err
	}
	for row, rowErr := range rows {
		if rowErr != nil {
			e[row] = rowErr
		}
	}
	return nil
}

package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/ekiben/ekiben/runnables"
)

// StartError is why a process could not be made an instance.
type StartError struct {
	// Reason is "import", "signature" or "init", which the process says itself, or
	// "crash" where it ended before it said anything, "time" where it took too long,
	// "protocol" where what it said makes no sense, and "exec" where it could not be
	// started at all.
	Reason string

	// Message is one line.
	Message string

	// Output are the last lines that the process wrote.
	Output []string

	err error
}

// Reasons of a [StartError] that are not the process's own.
const (
	startCrash = "crash"
	startTime  = "time"
	startExec  = "exec"
)

// Error tells the reason, and what the process wrote last.
func (e *StartError) Error() string {
	what := map[string]string{
		string(reasonImport):    "cannot be imported",
		string(reasonSignature): "cannot be served as it is declared",
		string(reasonInit):      "its constructor failed",
		startCrash:              "its process ended before it was ready",
		startTime:               "its process was not ready in time",
		startExec:               "its process cannot be started",
	}[e.Reason]
	if what == "" {
		what = "its process does not speak the protocol"
	}
	s := what + ": " + e.Message
	if len(e.Output) > 0 {
		s += "; it wrote last:\n\t" + strings.Join(e.Output, "\n\t")
	}
	return s
}

// Unwrap returns what was the cause on this side, if there was one.
func (e *StartError) Unwrap() error { return e.err }

// err is what the failure of a call or of a row is on the worker's side.
func (f failure) err() error {
	switch f.Reason {
	case reasonInput:
		return runnables.InputErrorf("%s", f.Message)
	case reasonOutput:
		return fmt.Errorf("%w: %s", runnables.ErrOutput, f.Message)
	case reasonMemory:
		return runnables.Retryable(fmt.Errorf("out of memory: %s", f.Message))
	case reasonRetryable:
		return runnables.Retryable(errors.New(f.Message))
	default:
		return errors.New(f.Message)
	}
}

// failureOf is how an error travels, the opposite of [failure.err].
func failureOf(err error) failure {
	f := failure{Reason: reasonRunner, Message: oneLine(err.Error())}
	switch {
	case errors.Is(err, runnables.ErrInput):
		f.Reason = reasonInput
		f.Message = strings.TrimPrefix(f.Message, runnables.ErrInput.Error()+": ")
	case errors.Is(err, runnables.ErrOutput):
		f.Reason = reasonOutput
		f.Message = strings.TrimPrefix(f.Message, runnables.ErrOutput.Error()+": ")
	case runnables.IsRetryable(err):
		f.Reason = reasonRetryable
	}
	return f
}

// longestMessage is the longest message that travels, in bytes.
const longestMessage = 4 << 10

// oneLine makes one line of a message.
func oneLine(s string) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), " ")
	if len(s) > longestMessage {
		s = s[:longestMessage] + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// tailOf is how the errors of rows travel.
func tailOf(rows runnables.RowErrors) []byte {
	failures := rowFailures{}
	for row, err := range rows {
		if err != nil {
			failures[row] = failureOf(err)
		}
	}
	if len(failures) == 0 {
		return nil
	}
	tail, err := json.Marshal(failures)
	if err != nil {
		panic(err) // these can be written
	}
	return tail
}

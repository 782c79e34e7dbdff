package worker

import (
	"errors"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/runnables"
)

// maxMessage is the longest message that a client is sent, in bytes.
const maxMessage = 1024

// callError is what the caller learns of an error of a runnable. Every error of
// an execution becomes one here and nowhere else.
func callError(err error) *queue.CallError {
	if rows, ok := errors.AsType[runnables.RowErrors](err); ok {
		if first := rows.In(0, math.MaxInt); first != nil {
			err = first
		}
	}
	code := queue.CodeRunnerFailed
	if errors.Is(err, runnables.ErrInput) {
		code = queue.CodeInvalidInput
	}
	return &queue.CallError{Code: code, Message: message(err), Retryable: runnables.IsRetryable(err)}
}

// tooSlow is what the caller is told whose call began in time.
const tooSlow = "the deadline passed while the call was executed"

// expired is the error of a call for which it is too late. It does not get better:
// a job that has retries left has no time left.
func expired(why string) *queue.CallError {
	return &queue.CallError{Code: queue.CodeDeadline, Message: why}
}

// unwanted is the error of a call that was canceled.
func unwanted() *queue.CallError {
	return &queue.CallError{Code: queue.CodeCanceled, Message: "the call was canceled before it was executed"}
}

// mismatch is the error of a call that was made for another signature.
func mismatch(err error) *queue.CallError {
	return &queue.CallError{Code: queue.CodeMismatch, Message: "the call does not fit the runner as this worker serves it: " + message(err)}
}

// message is the error's, made fit for sending.
func message(err error) string {
	s := strings.ToValidUTF8(err.Error(), "\uFFFD")
	if len(s) <= maxMessage {
		return s
	}
	end := maxMessage
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

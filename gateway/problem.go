package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/queue/tasks/schedule"
	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

// Code says in one word for programs what went wrong. The list is closed:
// clients may switch over it.
type Code string

// The codes, with the status that each has.
const (
	CodeInvalidInput         Code = "invalid_input"          // 400: the request or an argument is wrong
	CodeUnauthorized         Code = "unauthorized"           // 401: the route needs the admin token
	CodeForbidden            Code = "forbidden"              // 403: a page of another site sent the request, or nobody may here
	CodeNotFound             Code = "not_found"              // 404: no such route, runner, method or job
	CodeMethodNotAllowed     Code = "method_not_allowed"     // 405: the route has other HTTP methods
	CodeNotAcceptable        Code = "not_acceptable"         // 406: no form of the result fits Accept
	CodeConflict             Code = "conflict"               // 409: the job's state does not allow it
	CodeCanceled             Code = "canceled"               // 409: the job was canceled and has no result
	CodeTooLarge             Code = "too_large"              // 413: beyond a limit that will not change
	CodeUnsupportedMediaType Code = "unsupported_media_type" // 415: the body's type or encoding is not taken
	CodeMismatch             Code = "mismatch"               // 422: the method's signature has changed
	CodeKeyReused            Code = "key_reused"             // 422: the client's id or key was used for another call
	CodeRateLimited          Code = "rate_limited"           // 429: the caller sends too many requests a second
	CodeCallerLimit          Code = "caller_limit"           // 429: the caller has its share of the queue
	CodeQueueFull            Code = "queue_full"             // 429: the runner's queue, or the room for its results, is full
	CodeInternal             Code = "internal"               // 500: our fault; the log knows more
	CodeRunnerFailed         Code = "runner_failed"          // 500: the runnable failed
	CodeWorkerLost           Code = "worker_lost"            // 500: too many workers were lost running the call
	CodeCallLost             Code = "call_lost"              // 500: the queue lost the call; it may be sent again
	CodeNoWorker             Code = "no_worker"              // 503: nobody serves the runner at present
	CodeUnavailable          Code = "unavailable"            // 503: Redis is away, or the store of batches
	CodeOverloaded           Code = "overloaded"             // 503: too much is in flight, or the wait would be too long
	CodeDraining             Code = "draining"               // 503: the gateway or the runner's queue is being drained
	CodeDeadlineExceeded     Code = "deadline_exceeded"      // 504: the call's time was over
)

// statusClientGone is counted, never sent: nobody is there to read it.
const statusClientGone = 499

// codes are all codes.
func codes() []Code {
	return []Code{
		CodeInvalidInput, CodeUnauthorized, CodeForbidden, CodeNotFound, CodeMethodNotAllowed, CodeNotAcceptable, CodeConflict,
		CodeCanceled, CodeTooLarge, CodeUnsupportedMediaType, CodeMismatch, CodeKeyReused, CodeRateLimited, CodeCallerLimit,
		CodeQueueFull, CodeInternal, CodeRunnerFailed, CodeWorkerLost, CodeCallLost, CodeNoWorker, CodeUnavailable,
		CodeOverloaded, CodeDraining, CodeDeadlineExceeded,
	}
}

// Status is the HTTP status of the code; 500 for one that is not on the list.
func (c Code) Status() int {
	switch c {
	case CodeInvalidInput:
		return http.StatusBadRequest
	case CodeUnauthorized:
		return http.StatusUnauthorized
	case CodeForbidden:
		return http.StatusForbidden
	case CodeNotFound:
		return http.StatusNotFound
	case CodeMethodNotAllowed:
		return http.StatusMethodNotAllowed
	case CodeNotAcceptable:
		return http.StatusNotAcceptable
	case CodeConflict, CodeCanceled:
		return http.StatusConflict
	case CodeTooLarge:
		return http.StatusRequestEntityTooLarge
	case CodeUnsupportedMediaType:
		return http.StatusUnsupportedMediaType
	case CodeMismatch, CodeKeyReused:
		return http.StatusUnprocessableEntity
	case CodeRateLimited, CodeCallerLimit, CodeQueueFull:
		return http.StatusTooManyRequests
	case CodeNoWorker, CodeUnavailable, CodeOverloaded, CodeDraining:
		return http.StatusServiceUnavailable
	case CodeDeadlineExceeded:
		return http.StatusGatewayTimeout
	case CodeInternal, CodeRunnerFailed, CodeWorkerLost, CodeCallLost:
	}
	return http.StatusInternalServerError
}

// passes reports whether the same request may well succeed later without
// anybody doing anything about it.
func (c Code) passes() bool {
	switch c {
	case CodeRateLimited, CodeCallerLimit, CodeQueueFull, CodeNoWorker, CodeUnavailable, CodeOverloaded, CodeDraining:
		return true
	default:
		return false
	}
}

// Problem is an error as the client sees it (RFC 9457). Functions of services
// may return one, wrapped or not, to say what their client is told.
type Problem struct { //nolint:errname // the word of RFC 9457
	Code Code
	// Detail is for people: what was wrong and what is right.
	Detail string
	// Retryable: the same request may succeed later.
	Retryable bool

	// Methods, Accepts and Offers help a client that asked for what is not
	// there: the methods of the runner, the types that a body may have, the
	// types that a result may have.
	Methods, Accepts, Offers []string

	// ErrorID finds the error in the log.
	ErrorID string

	// after is when to come back, before it is jittered; 0 if that follows from
	// the code and the runner alone.
	after time.Duration
}

// Error is the code and the detail.
func (p *Problem) Error() string { return string(p.Code) + ": " + p.Detail }

// MarshalJSON writes the members of RFC 9457 and Ekiben's: code, retryable, and
// methods, accepts, offers, error_id where there are any.
func (p *Problem) MarshalJSON() ([]byte, error) {
	status := p.Code.Status()
	return marshal(struct {
		Type      string   `json:"type"`
		Title     string   `json:"title"`
		Status    int      `json:"status"`
		Code      Code     `json:"code"`
		Detail    string   `json:"detail,omitempty"`
		Retryable bool     `json:"retryable"`
		Methods   []string `json:"methods,omitempty"`
		Accepts   []string `json:"accepts,omitempty"`
		Offers    []string `json:"offers,omitempty"`
		ErrorID   string   `json:"error_id,omitempty"`
	}{"about:blank", http.StatusText(status), status, p.Code, p.Detail, p.Retryable, p.Methods, p.Accepts, p.Offers, p.ErrorID})
}

// problemOf says what the client is told about an error. It is the only place
// where errors become codes, and codes have one status each. A nil problem
// means that the client is gone and is told nothing.
func problemOf(ctx context.Context, err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	if failed, ok := errors.AsType[*queue.CallError](err); ok {
		return &Problem{Code: codeOf(failed.Code), Detail: failed.Message, Retryable: failed.Retryable}
	}
	if late, ok := errors.AsType[*queue.TooLateError](err); ok {
		return tooLate(late)
	}
	for _, known := range queueProblems() {
		if errors.Is(err, known.err) {
			return say(known.code, known.detail)
		}
	}
	switch {
	case errors.Is(err, queue.ErrFileTooLarge):
		return say(CodeTooLarge, err.Error())
	case errors.Is(err, runnables.ErrInput), errors.Is(err, tensor.ErrInvalid):
		return say(CodeInvalidInput, err.Error())
	case ctx.Err() != nil:
		return ended(ctx)
	case errors.Is(err, queue.ErrRefused):
		return say(CodeUnavailable, "the queue can be reached, but refuses to store anything at present")
	case errors.Is(err, queue.ErrUnavailable):
		return say(CodeUnavailable, "the queue cannot be reached at present")
	case errors.Is(err, queue.ErrStorage):
		return say(CodeUnavailable, "the store of files and batches fails at present")
	case errors.Is(err, context.DeadlineExceeded):
		return say(CodeDeadlineExceeded, "the request had no answer when its time was over")
	}
	if he, ok := errors.AsType[*echo.HTTPError](err); ok {
		return routingProblem(he)
	}
	return &Problem{Code: CodeInternal, Detail: "internal error"}
}

// say is a problem with this code, retryable where it passes by itself.
func say(code Code, detail string) *Problem {
	return &Problem{Code: code, Detail: detail, Retryable: code.passes()}
}

// queueProblem is what clients are told about an error of the queue.
type queueProblem struct {
	err    error
	code   Code
	detail string
}

// queueProblems are those that are told whatever became of the request.
func queueProblems() []queueProblem {
	return []queueProblem{
		{queue.ErrFull, CodeQueueFull, "the runner's queue is full"},
		{queue.ErrResultsFull, CodeQueueFull, "the results of the runner's jobs take all the room they have; calls that are waited for are still taken"},
		{queue.ErrCallerFull, CodeCallerLimit, "you have your share of the runner's queue, which others need too"},
		{queue.ErrClosed, CodeDraining, "the runner's queue is being drained"},
		{queue.ErrKeyReused, CodeKeyReused, "this id or Idempotency-Key was used for another call: send the same call, or choose another"},
		{queue.ErrNotRetryable, CodeConflict, "it cannot be run again: it has not ended, has succeeded, or its input is not kept"},
		{queue.ErrNoWorker, CodeNoWorker, "no worker serves the runner at present"},
		{queue.ErrDeadline, CodeDeadlineExceeded, "the call had no answer when its time was over"},
		{queue.ErrUnknownJob, CodeNotFound, "there is no such job, or none any more"},
		{queue.ErrUnknownDeadLetter, CodeNotFound, "there is no such dead letter, or none any more"},
		{queue.ErrUnknownBatch, CodeNotFound, "there is no such batch, or none any more"},
		{queue.ErrUnknownFile, CodeNotFound, "there is no such file, or none any more"},
		{queue.ErrFileInUse, CodeConflict, "the file belongs to a batch: one that has not ended needs it, and outcomes are dropped with theirs"},
		{queue.ErrEmptyFile, CodeInvalidInput, "the file has no lines"},
		{queue.ErrUnknownRunner, CodeNotFound, "there is no such runner"},
		{queue.ErrUnknownSchedule, CodeNotFound, "there is no such schedule"},
		{queue.ErrScheduleChanged, CodeConflict, "the schedule is being changed by others: try again"},
		{queue.ErrTooManySchedules, CodeConflict, "there are as many schedules as there may be: remove one first"},
		{schedule.ErrInFile, CodeConflict, "the schedule is defined in ekiben.yaml, and changed there; it may be paused and resumed"},
	}
}

// tooLate refuses a call that would wait for longer than it can. It fits once
// the rows before it are so much fewer.
func tooLate(late *queue.TooLateError) *Problem {
	p := say(CodeOverloaded, fmt.Sprintf("the call would wait for about %s, and has to begin within %s",
		late.Wait.Round(time.Millisecond), late.Left.Round(time.Millisecond)))
	p.after = max(late.Wait-late.Left, time.Millisecond)
	return p
}

// ended is the problem of a request whose context is done.
func ended(ctx context.Context) *Problem {
	switch {
	case errors.Is(context.Cause(ctx), errDraining):
		return &Problem{Code: CodeDraining, Detail: "the gateway is stopping", Retryable: true}
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return &Problem{Code: CodeDeadlineExceeded, Detail: "the request had no answer when its time was over"}
	}
	return nil
}

// routingProblem is that of an error of the HTTP library, which come from its
// router only.
func routingProblem(err *echo.HTTPError) *Problem {
	switch err.Code {
	case http.StatusNotFound:
		return &Problem{Code: CodeNotFound, Detail: "there is no such route"}
	case http.StatusMethodNotAllowed:
		return &Problem{Code: CodeMethodNotAllowed, Detail: "the route has other methods, see Allow"}
	}
	return &Problem{Code: CodeInternal, Detail: "internal error"}
}

// codeOf is the code of a call that failed. Codes of workers that are newer
// than this gateway are failures of the runner.
func codeOf(code string) Code {
	switch code {
	case queue.CodeInvalidInput:
		return CodeInvalidInput
	case queue.CodeWorkerLost:
		return CodeWorkerLost
	case queue.CodeDeadline:
		return CodeDeadlineExceeded
	case queue.CodeMismatch:
		return CodeMismatch
	case queue.CodeLost:
		return CodeCallLost
	}
	return CodeRunnerFailed
}

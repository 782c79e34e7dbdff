package queue

import (
	"fmt"
	"time"

	"github.com/ekiben/ekiben/tensor"
)

// Lane is the priority class of a call. The zero Lane is normal.
type Lane uint8

// The lanes.
const (
	Normal Lane = iota
	High
	Low
)

// number is the lane as scripts know it.
func (l Lane) number() int {
	switch l {
	case High:
		return laneHigh
	case Low:
		return laneLow
	default:
		return laneNormal
	}
}

func laneOf(number int) Lane {
	switch number {
	case laneHigh:
		return High
	case laneLow:
		return Low
	default:
		return Normal
	}
}

// Call is one run of one method, as a gateway enqueues it.
type Call struct {
	// ID is made by [NewID].
	ID     string
	Runner string
	Method string
	Lane   Lane

	// Rows is the size along the batch dimension, 1 for methods that are not
	// batchable.
	Rows int

	// Group is equal for calls that can run together; "" is run alone.
	Group string

	// Inputs are the arguments, in the order of the method's signature.
	Inputs []tensor.Named

	// Timeout is the time from acceptance to the deadline.
	Timeout time.Duration

	// StartWithin is the time from acceptance within which execution must begin,
	// 0 if any time before the deadline is good.
	StartWithin time.Duration

	// Delay is how long after its acceptance a job is queued; its other times
	// count from then. Jobs only.
	Delay time.Duration

	// Retry says how often a job is queued again when it fails of something that
	// may get better. Jobs only.
	Retry Retry

	// Webhook is who is told that a job has ended. Jobs only.
	Webhook Webhook

	// Caller is whose call it is. Callers share a queue fairly; "" is nobody,
	// and not counted.
	Caller string

	// Trace is the W3C traceparent of the client's request, or "".
	Trace string

	// Attempt counts from 0.
	Attempt int

	// Admission is checked when the call is accepted.
	Admission Admission

	// Answered is called once when Redis has said whether it takes the call, or
	// could not be asked; nil: nobody. It must not block.
	Answered func()

	// job: a record stands beside the entry. apart: its inputs are a body. replyTo:
	// the gateway that waits.
	job, apart bool
	replyTo    string
}

// begin is the time from acceptance within which execution must begin.
func (c *Call) begin() time.Duration {
	if c.StartWithin > 0 {
		return min(c.StartWithin, c.Timeout)
	}
	return c.Timeout
}

// Retry is how often a failed job is queued again, and how soon: after Backoff at
// first, twice as long each time, MaxBackoff at most, give or take a fifth. Only
// what may get better is tried again: errors that are retryable, and lost workers.
type Retry struct {
	Most                int
	Backoff, MaxBackoff time.Duration
}

// Webhook is who is told that a job has ended.
type Webhook struct {
	// URL is POSTed to; "" is nobody.
	URL string
	// Events are the terminal states that it is told of; none are all.
	Events []State
}

// Try is an attempt of a job that failed and was followed by another.
type Try struct {
	At  time.Time
	Err *CallError
}

// Admission are the bounds that the accept script holds a call against.
type Admission struct {
	// MaxCalls and MaxBytes bound what may be queued and running.
	MaxCalls int
	MaxBytes int64

	// NeedWorker refuses the call with [ErrNoWorker] while no worker lives.
	NeedWorker bool

	// CallerShare is what part of MaxCalls and of MaxBytes one caller may hold
	// while it is the only one; where n callers have calls here, each may hold an
	// nth of that. It holds once half the queue is taken; what is beyond it is
	// refused with [ErrCallerFull]. 0 is no bound.
	CallerShare float64

	// RowTime is how long the runner needs for a row, all instances together. A
	// call that has so many rows before it that it would begin too late is refused
	// with [ErrTooLate]. 0 is not known, and nothing is refused.
	RowTime time.Duration
}

// TooLateError is an [ErrTooLate] with what was expected.
type TooLateError struct {
	// Wait is how long the call would have waited, Left how long it could have.
	Wait, Left time.Duration
}

// Error says both.
func (e *TooLateError) Error() string {
	return fmt.Sprintf("%v: about %s, and it has %s", ErrTooLate, e.Wait.Round(time.Millisecond), e.Left)
}

// Unwrap is [ErrTooLate].
func (e *TooLateError) Unwrap() error { return ErrTooLate }

// Timing says where the time of a call went. All of it is measured on Redis's
// clock or within one process.
type Timing struct {
	// Queue is from acceptance until a worker cut the call's batch.
	Queue time.Duration
	// Batch is from there until execution began.
	Batch time.Duration
	// Execute is how long the call's batch ran.
	Execute time.Duration
	// Rows is the size of that batch.
	Rows int
}

// Reply is the outcome of a call: outputs or an error.
type Reply struct {
	ID string

	// Outputs are the method's values, in the order of its signature.
	Outputs []tensor.Named

	// Err is not nil if the call failed.
	Err *CallError

	Timing Timing
}

// CallError is why a call failed.
type CallError struct {
	// Code is one of the Code constants, for programs.
	Code string `json:"code"`
	// Message is for people.
	Message string `json:"message"`
	// Retryable: the same call may succeed later.
	Retryable bool `json:"retryable"`
}

// Codes of a CallError.
const (
	// CodeInvalidInput: the runnable refused the input.
	CodeInvalidInput = "invalid_input"
	// CodeRunnerFailed: the runnable failed, or answered what it must not.
	CodeRunnerFailed = "runner_failed"
	// CodeWorkerLost: too many workers were lost while they ran the call.
	CodeWorkerLost = "worker_lost"
	// CodeDeadline: the deadline passed before execution began.
	CodeDeadline = "deadline_exceeded"
	// CodeCanceled: nobody wanted the call any more when its turn came.
	CodeCanceled = "canceled"
	// CodeLost: Redis lost the call while its record was kept.
	CodeLost = "call_lost"
	// CodeMismatch: the runner's signature is not the one that the call was
	// checked against.
	CodeMismatch = "mismatch"
)

// Error is the message.
func (e *CallError) Error() string { return e.Message }

// State is where a job is.
type State string

// The states of a job. The last four are terminal.
const (
	Queued    State = "queued"
	Running   State = "running"
	Succeeded State = "succeeded"
	Failed    State = "failed"
	Canceled  State = "canceled"
	Expired   State = "expired"
)

// Terminal reports whether a job in this state has ended.
func (s State) Terminal() bool {
	switch s {
	case Succeeded, Failed, Canceled, Expired:
		return true
	case Queued, Running:
	}
	return false
}

// Job is the record of a call that the client comes back for. Times are those
// of Redis's clock; those that have not come are zero.
type Job struct {
	ID     string
	Runner string
	Method string
	State  State
	// Lane is the one that was asked for.
	Lane Lane
	Rows int
	// Attempt is how many times it was queued again.
	Attempt int
	// RetriesLeft is how many times it will be, if it fails.
	RetriesLeft int
	// RunAt is when a job that is delayed, or failed and is tried again, is
	// queued; zero if it is not waiting for that. Its state is queued meanwhile.
	RunAt time.Time
	// Ahead is about how many calls are to run before it while it is queued, -1
	// if that is not known.
	Ahead    int
	Created  time.Time
	Started  time.Time
	Finished time.Time
	// StartBy is when execution must have begun, Deadline when it must have
	// ended.
	StartBy  time.Time
	Deadline time.Time
	// Expires is when the record of an ended job is dropped.
	Expires time.Time
	// Err is why a failed job failed.
	Err *CallError
}

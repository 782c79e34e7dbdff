// Package history is what a run of the chaos suite leaves behind, and what can
// be said of it: [Check] is a pure function of a history and the final state.
//
// The invariants are those of the reference by number:
//
//	I1   every acknowledged call ends exactly once; an ambiguous accept at most once
//	I2   results are those that a known function gives
//	I3   nothing has ended that was never tried
//	I4   one terminal transition a job: what was seen first is there at the end
//	I5   what is seen of a job never goes backwards
//	I6   no execution begins after the deadline
//	I7   what was canceled has no result
//	I8   poison is given up, the innocent are not
//	I9   at rest nothing is counted, pending, or kept without an end
//	I10  memory is bounded
//	I11  who asked for it is told of the end, at least once, truly, and under one id
//	I12  goroutines and descriptors come back to where they were
//
// Beyond the reference there are
//
//	I13  no execution of a delayed call begins before its time
//	I14  what fails for a while succeeds, and is not executed
//	     more often than it is tried and its workers are lost
//	I15  a batch ends, each of its lines has one outcome, in order, the counts add
//	     up, and no line is executed again after it has ended
package history

import "time"

// Kind says what happened.
type Kind string

// What happens to a call, in about this order, and to the system.
const (
	// Submitted: a client is about to send it. Has Plan.
	Submitted Kind = "submitted"
	// Accepted: a job was acknowledged. Has ID and Deadline, and RunAt if it is delayed.
	Accepted Kind = "accepted"
	// Refused: it certainly does not exist. Has Status and Code.
	Refused Kind = "refused"
	// Unknown: nobody told whether it exists. Has Status and Code, if there were any.
	Unknown Kind = "unknown"
	// Replied: an awaited call was answered. Has Status, Code, Body.
	Replied Kind = "replied"
	// Seen: a job was read. Has State, Again, and Finished once it is terminal.
	Seen Kind = "seen"
	// Result: the result of a job was read. Has Status, Code, Body.
	Result Kind = "result"
	// Canceled: a client was told that the job is.
	Canceled Kind = "canceled"
	// Began and Ended: a worker executes it. Have PID.
	Began Kind = "began"
	Ended Kind = "ended"
	// Told: the receiver of its webhook got a message. Has ID, State and Finished of
	// the job in it, Message, and Status if it is to be answered: the sender may not
	// live to know. Invalid if it may be anybody's.
	Told Kind = "told"
	// LineEnded: a line was read in a file of a batch that has ended. Has Batch, Line
	// and File, and Status, Code and Body of what became of the call that its
	// custom_id is of; Call is negative and Body the line where there is none.
	LineEnded Kind = "line ended"
	// BatchEnded: a batch was seen to have ended. Has Batch, State and Counts.
	BatchEnded Kind = "batch ended"
	// Fault: something was done to the system. Has Fault.
	Fault Kind = "fault"
	// DataLost: Redis lost what it had, which excuses what was submitted before.
	DataLost Kind = "data lost"
)

// The states of jobs. Missing is that of a job that a gateway does not know.
const (
	Queued    = "queued"
	Running   = "running"
	Succeeded = "succeeded"
	Failed    = "failed"
	Withdrawn = "canceled"
	Expired   = "expired"
	Missing   = "missing"
)

// Codes of problems that mean something to the checker.
const (
	CodeRunnerFailed = "runner_failed"
	CodeWorkerLost   = "worker_lost"
	CodeDeadline     = "deadline_exceeded"
	CodeCanceled     = "canceled"
	CodeInvalidInput = "invalid_input"
)

// Completed is the state of a batch that has ended.
const Completed = "completed"

// FaultRedis is the fault that takes Redis away: what is done meanwhile may not be
// noted.
const FaultRedis = "kill -9 redis"

// Event is one thing that happened. At is the wall clock of the one machine that
// everything runs on.
type Event struct {
	At       time.Time `json:"at"`
	Kind     Kind      `json:"kind"`
	Call     int       `json:"call"`
	Plan     *Plan     `json:"plan,omitempty"`
	ID       string    `json:"id,omitempty"`
	Deadline time.Time `json:"deadline,omitzero"`
	RunAt    time.Time `json:"run_at,omitzero"`
	State    string    `json:"state,omitempty"`
	Finished time.Time `json:"finished,omitzero"`
	Status   int       `json:"status,omitempty"`
	Code     string    `json:"code,omitempty"`
	Body     string    `json:"body,omitempty"`
	PID      int       `json:"pid,omitempty"`
	Fault    string    `json:"fault,omitempty"`
	Again    int       `json:"again,omitempty"`   // how often a job was queued again
	Message  string    `json:"message,omitempty"` // the webhook-id
	Invalid  string    `json:"invalid,omitempty"` // what is wrong with the signature or the body
	Batch    int       `json:"batch,omitempty"`   // from 1
	Line     int       `json:"line,omitempty"`    // of the batch, from 1
	File     string    `json:"file,omitempty"`    // Results or Errors
	Counts   *Counts   `json:"counts,omitempty"`
}

// Plan is what a call is meant to be.
type Plan struct {
	// Job: the client comes back for it. Otherwise it waits.
	Job bool `json:"job"`

	// Row is what is sent, Want what it is to be answered with; "" if it must fail.
	Row  string `json:"row"`
	Want string `json:"want,omitempty"`

	// Poison kills whoever executes it.
	Poison bool `json:"poison,omitempty"`

	// Long executions take longer than a lease.
	Long bool `json:"long,omitempty"`

	// Timeout is what the client asks for; 0 is what gateways give, which is
	// longer than any fault.
	Timeout time.Duration `json:"timeout,omitempty"`

	// Cancel: the client changes its mind after so long. 0: it does not.
	Cancel time.Duration `json:"cancel,omitempty"`

	// Delay is how much later it is to be queued.
	Delay time.Duration `json:"delay,omitempty"`

	// Retries is how often it may be tried again, Fails how many of its executions
	// fail before one does not.
	Retries int `json:"retries,omitempty"`
	Fails   int `json:"fails,omitempty"`

	// Webhook: the client wants to be told of the end.
	Webhook bool `json:"webhook,omitempty"`

	// Batch and Line are where it is if it comes as a line of a batch, both from 1.
	// A line without a Row is none that can be run.
	Batch int `json:"batch,omitempty"`
	Line  int `json:"line,omitempty"`
}

// ordinary calls are expected to succeed, in the time that the system takes.
func (p Plan) ordinary() bool {
	return p.Want != "" && !p.Poison && !p.Long && p.Timeout == 0 && p.Cancel == 0 && p.Delay == 0 && p.Retries == 0 && p.Batch == 0
}

// Outcome is what a job is at the end.
type Outcome struct {
	State    string
	Finished time.Time
	Status   int
	Code     string
	Body     string

	// Again is how often it was queued again because it had failed.
	Again int
}

// Final is the state at the end, when everything has come to rest.
type Final struct {
	// Jobs are all that were acknowledged, by the number of the call.
	Jobs map[int]Outcome

	// Accepted is how many calls the queue says it accepted; negative if it is
	// not known.
	Accepted int

	// What is left in the queue: calls, waiting ones, bytes, pending entries, records
	// of jobs that will never go away, and inputs that nobody has.
	Depth, Waiting, Bytes, Pending, Timeless, Unowned int

	// Memory is the most that Redis used, in bytes, MemoryBound what it may; 0 for
	// no bound.
	Memory, MemoryBound int64

	// Leaks say which process has kept what.
	Leaks []string
}

package history

import (
	"net/http"
	"time"
)

// call is what a history says of one call.
type call struct {
	number    int
	plan      Plan
	submitted time.Time
	accepted  time.Time // of a job
	id        string
	deadline  time.Time // of a job, when it is known
	runAt     time.Time // of a delayed job, when it is known

	refused, unknown, canceled bool

	reply    *Event
	seen     []Event
	results  []Event
	told     []Event
	outcomes []Event // of a line of a batch
	began    []Event
	ends     []Event // of executions
	excused  bool    // Redis lost its data while it was there
	outcome  Outcome
	hasFinal bool
}

// fold sorts a history by call, in the order of their submission.
func fold(events []Event, final Final) []*call {
	byNumber := map[int]*call{}
	var calls []*call
	for _, e := range events {
		switch e.Kind {
		case Fault, BatchEnded:
			continue
		case DataLost:
			for _, c := range calls {
				c.excused = true
			}
			continue
		default:
		}
		if e.Call < 0 {
			continue
		}
		c := byNumber[e.Call]
		if c == nil {
			c = &call{number: e.Call}
			byNumber[e.Call] = c
			calls = append(calls, c)
		}
		c.add(e)
	}
	for _, c := range calls {
		c.outcome, c.hasFinal = final.Jobs[c.number]
	}
	return calls
}

func (c *call) add(e Event) {
	switch e.Kind {
	case Submitted:
		c.plan, c.submitted = *e.Plan, e.At
	case Accepted:
		c.accepted, c.id, c.deadline, c.runAt = e.At, e.ID, e.Deadline, e.RunAt
	case Refused:
		c.refused = true
	case Unknown:
		c.unknown = true
	case Canceled:
		c.canceled = true
	case Replied:
		c.reply = &e
	case Seen:
		c.seen = append(c.seen, e)
	case Result:
		c.results = append(c.results, e)
	case Told:
		c.told = append(c.told, e)
	case Began:
		c.began = append(c.began, e)
	case Ended:
		c.ends = append(c.ends, e)
	case LineEnded:
		c.come(e)
	case Fault, DataLost, BatchEnded:
	}
}

// come adds what a file of a batch says of its line: the first is its answer.
func (c *call) come(outcome Event) {
	c.outcomes = append(c.outcomes, outcome)
	switch {
	case len(c.outcomes) > 1:
	case outcome.Code == CodeInvalidInput:
		c.refused = true
	default:
		c.reply = &outcome
	}
}

// isJob reports whether the call is a job that was acknowledged.
func (c *call) isJob() bool { return c.id != "" }

// exists reports whether the call certainly was accepted.
func (c *call) exists() bool {
	if c.reply == nil {
		return c.isJob()
	}
	return c.reply.Status == http.StatusOK || c.reply.Code == CodeRunnerFailed || c.reply.Code == CodeWorkerLost
}

// code is the problem that the call ended with, "" for none.
func (c *call) code() string {
	switch {
	case c.reply != nil:
		return c.reply.Code
	case c.hasFinal:
		return c.outcome.Code
	}
	return ""
}

// succeeded reports whether the call ended with a result.
func (c *call) succeeded() bool {
	if c.reply != nil {
		return c.reply.Status == http.StatusOK
	}
	return c.hasFinal && c.outcome.State == Succeeded
}

// late reports whether the call ran out of time, although it was given more than
// any fault takes. Poison may: nobody waits for it.
func (c *call) late() bool {
	expired := c.code() == CodeDeadline || (c.reply == nil && c.hasFinal && c.outcome.State == Expired)
	return expired && c.plan.Timeout == 0 && !c.plan.Poison && !c.excused
}

// end is when the call was over, zero if it was not.
func (c *call) end() time.Time {
	switch {
	case c.reply != nil:
		return c.reply.At
	case c.hasFinal && terminal(c.outcome.State):
		return c.outcome.Finished
	}
	return time.Time{}
}

// start is when the client had sent the call, or knew of the job.
func (c *call) start() time.Time {
	if c.isJob() {
		return c.accepted
	}
	return c.submitted
}

func terminal(state string) bool {
	return state == Succeeded || state == Failed || state == Withdrawn || state == Expired
}

package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// Submission is a job as a program of the same process asks for it: a schedule's
// tick, say, or a line of a bulk.
type Submission struct {
	Runner, Method string

	// ContentType and Body are what a client would POST to the method. The body is
	// not kept.
	ContentType string
	Body        []byte

	// ID is the job's, of the runner: see [queue.NewID]. "" makes a new one. A job
	// that is there is not made again.
	ID string

	// Caller is whose job it is; "" is nobody's.
	Caller string

	// Timeout is the time from acceptance to the deadline, 0 what is configured.
	Timeout time.Duration

	Lane queue.Lane

	// Retry is how often it is tried again; the zero Retry is what the runner says.
	Retry queue.Retry
}

// SubmitBody makes a job of a body, which is decoded and checked as that of
// POST /v1/runners/{runner}/{method} is. It returns once the job is accepted; one
// that has this id already is returned as it is. Errors are those of
// [Calls.Submit], and a *[Problem] for a body or a time that is not taken; see
// [Calls.Problem] for what a client would be told.
func (c *Calls) SubmitBody(ctx context.Context, s Submission) (queue.Job, error) {
	if s.Timeout < 0 || s.Timeout > c.maxTimeout {
		return queue.Job{}, &Problem{Code: CodeInvalidInput, Detail: fmt.Sprintf("the timeout is %s, want at most %s", s.Timeout, c.maxTimeout)}
	}
	if int64(len(s.Body)) > c.maxBody {
		return queue.Job{}, tooLarge(c.maxBody)
	}
	m, err := c.method(ctx, s.Runner, s.Method)
	if err != nil {
		return queue.Job{}, err
	}
	inputs, err := decodeInputs(m, s.ContentType, bodyOf(s.Body))
	if err != nil {
		return queue.Job{}, err
	}
	call, err := c.call(ctx, m, inputs, origin{caller: s.Caller})
	if err != nil {
		return queue.Job{}, err
	}
	if s.ID != "" {
		call.ID = s.ID
	}
	if s.Timeout > 0 {
		call.Timeout = s.Timeout
	}
	call.Lane, call.Retry = s.Lane, s.Retry
	if s.Retry == (queue.Retry{}) {
		call.Retry = retryOf(m.runner.spec.Retry.Policy())
	}
	return c.producer.Submit(ctx, call)
}

// bodyOf is a copy of bytes as a request would have carried them.
func bodyOf(raw []byte) body {
	return body{append(make([]byte, headroom, headroom+len(raw)), raw...)}
}

// ResultJSON is what GET /v1/jobs/{id}/result answers who accepts JSON only: 200
// with the result, 202 with the job while it has not ended, or a problem with its
// status. err is why nothing can be said: the queue cannot be reached, or ctx has
// ended.
func (c *Calls) ResultJSON(ctx context.Context, id string) (status int, body []byte, err error) {
	status, body, err = c.resultJSON(ctx, id)
	if err == nil {
		return status, body, nil
	}
	p := c.Problem(ctx, err)
	if ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) || p.Code == CodeUnavailable || p.Code == CodeInternal {
		return 0, nil, err
	}
	body, err = p.MarshalJSON()
	return p.Code.Status(), body, err
}

func (c *Calls) resultJSON(ctx context.Context, id string) (status int, body []byte, err error) {
	job, err := c.jobs.Job(ctx, id)
	if err != nil {
		return 0, nil, err
	}
	if !job.State.Terminal() {
		body, err = marshal(c.roster.viewOf(job, ""))
		return http.StatusAccepted, body, err
	}
	reply, err := resultOf(ctx, c.jobs, job)
	if err != nil {
		return 0, nil, err
	}
	if isService(job.Runner) {
		body, err = jsonOfService(reply)
		return http.StatusOK, body, err
	}
	m, err := c.roster.method(ctx, job.Runner, job.Method)
	if err != nil {
		m = &method{}
	}
	res, err := encodeOutputs(m, reply.Outputs, formJSON)
	return http.StatusOK, res.bytes, err
}

// JobJSON is what GET /v1/jobs/{id} answers, with attempts and the webhook. Errors
// are those of the queue.
func (c *Calls) JobJSON(ctx context.Context, id string) ([]byte, error) {
	job, err := c.jobs.Job(ctx, id)
	if err != nil {
		return nil, err
	}
	story, err := c.story(ctx, job, "")
	if err != nil {
		return nil, err
	}
	return marshal(story)
}

// Problem is what a client would be told of an error of these functions. It is
// nil if ctx has ended because nobody wants to know any more.
func (c *Calls) Problem(ctx context.Context, err error) *Problem { return problemOf(ctx, err) }

// resultOf is the outcome of a job that has ended. What it failed of is an error,
// and so is that it was canceled or has expired.
func resultOf(ctx context.Context, from jobs, job queue.Job) (queue.Reply, error) {
	switch job.State {
	case queue.Canceled:
		return queue.Reply{}, &Problem{Code: CodeCanceled, Detail: "the job was canceled"}
	case queue.Expired:
		return queue.Reply{}, &Problem{Code: CodeDeadlineExceeded, Detail: "the job's time was over before it was done"}
	default:
	}
	reply, err := from.Result(ctx, job.ID)
	if err == nil && reply.Err != nil {
		err = reply.Err
	}
	return reply, err
}

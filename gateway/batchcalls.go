package gateway

import (
	"context"
	"errors"
	"net/http"

	"github.com/ekiben/ekiben/queue"
)

// OutcomeJSON is what a client who accepts JSON would be answered about a job that
// has ended: its result, or a problem with its status. err is why nothing can be
// said at present.
func (c *Calls) OutcomeJSON(ctx context.Context, o queue.JobOutcome) (status int, body []byte, err error) {
	body, err = c.outcomeJSON(ctx, o)
	if err == nil {
		return http.StatusOK, body, nil
	}
	p := c.Problem(ctx, err)
	if ctx.Err() != nil || p.Code == CodeUnavailable || errors.Is(err, context.DeadlineExceeded) {
		return 0, nil, err
	}
	body, err = p.MarshalJSON()
	return p.Code.Status(), body, err
}

func (c *Calls) outcomeJSON(ctx context.Context, o queue.JobOutcome) ([]byte, error) {
	switch {
	case o.State == queue.Canceled:
		return nil, &Problem{Code: CodeCanceled, Detail: "the job was canceled"}
	case o.State == queue.Expired:
		return nil, &Problem{Code: CodeDeadlineExceeded, Detail: "the job's time was over before it was done"}
	case o.Reply.Err != nil:
		return nil, o.Reply.Err
	}
	m, err := c.roster.methodOf(ctx, o.Runner, o.Method)
	if err != nil {
		return nil, err
	}
	res, err := encodeOutputs(m, o.Reply.Outputs, formJSON)
	return res.bytes, err
}

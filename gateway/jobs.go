package gateway

import (
	"net/http"
	"net/url"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// pendingRetryAfter is when to ask again for a job that is not done.
const pendingRetryAfter = time.Second

// jobView is a job as clients see it. Times that have not come are left out.
type jobView struct {
	ID         string      `json:"id"`
	Runner     string      `json:"runner"`
	Method     string      `json:"method"`
	State      queue.State `json:"state"`
	Rows       int         `json:"rows,omitempty"`
	CreatedAt  *time.Time  `json:"created_at,omitempty"`
	StartedAt  *time.Time  `json:"started_at,omitempty"`
	FinishedAt *time.Time  `json:"finished_at,omitempty"`
	DeadlineAt *time.Time  `json:"deadline_at,omitempty"`
	ExpiresAt  *time.Time  `json:"expires_at,omitempty"`
	Error      *jobError   `json:"error,omitempty"`
	URLs       jobURLs     `json:"urls"`
}

// jobError is why a job failed; its code is one of those of problems.
type jobError struct {
	Code      Code   `json:"code"`
	Message   string `json:"message"`
	Retryable bool   `json:"retryable"`
}

// jobURLs are where a job is to be found.
type jobURLs struct {
	Self   string `json:"self"`
	Result string `json:"result"`
	Cancel string `json:"cancel"`
}

func viewOf(j queue.Job) jobView {
	self := "/v1/jobs/" + url.PathEscape(j.ID)
	v := jobView{
		ID: j.ID, Runner: j.Runner, Method: j.Method, State: j.State, Rows: j.Rows,
		CreatedAt: timeOf(j.Created), StartedAt: timeOf(j.Started), FinishedAt: timeOf(j.Finished),
		DeadlineAt: timeOf(j.Deadline), ExpiresAt: timeOf(j.Expires),
		URLs: jobURLs{Self: self, Result: self + "/result", Cancel: self},
	}
	if j.Err != nil {
		v.Error = &jobError{codeOf(j.Err.Code), j.Err.Message, j.Err.Retryable}
	}
	return v
}

// timeOf is a time to the millisecond in UTC, or nil for none.
func timeOf(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Millisecond)
	return &t
}

// submit makes a job of a call and answers 202 with it; or, if the client
// prefers to wait and it ends in time, with its result.
func (g *Gateway) submit(r *request, m *method, call queue.Call, prefer preferences, f form) error {
	ctx := r.Request().Context()
	job, err := g.deps.Producer.Submit(ctx, call)
	if err != nil {
		return err
	}
	h := r.Response().Header()
	h.Set("Location", viewOf(job).URLs.Self)
	h.Set("Preference-Applied", prefer.applied())
	if prefer.wait > 0 {
		// The job is accepted: whatever happens while waiting, it is answered.
		if waited, err := g.deps.Producer.Wait(ctx, job.ID, prefer.wait); err == nil {
			job = waited
		}
	}
	if job.State.Terminal() {
		return g.outcome(r, m, job, f)
	}
	return g.pending(r, job)
}

// pending answers 202 with a job that is not done.
func (g *Gateway) pending(r *request, job queue.Job) error {
	h := r.Response().Header()
	h.Set("Retry-After", seconds(pendingRetryAfter))
	h["Cache-Control"] = g.headers.noStore
	return r.JSON(http.StatusAccepted, viewOf(job))
}

// outcome answers with what became of a job that has ended.
func (g *Gateway) outcome(r *request, m *method, job queue.Job, f form) error {
	switch job.State {
	case queue.Canceled:
		return &Problem{Code: CodeCanceled, Detail: "the job was canceled"}
	case queue.Expired:
		return &Problem{Code: CodeDeadlineExceeded, Detail: "the job's time was over before it was done"}
	default:
	}
	reply, err := g.deps.Jobs.Result(r.Request().Context(), job.ID)
	if err != nil {
		return err
	}
	if reply.Err != nil {
		return reply.Err
	}
	return g.reply(r, m, reply, f)
}

// getJob answers GET /v1/jobs/{id}.
func (g *Gateway) getJob(r *request) error {
	job, err := g.findJob(r)
	if err != nil {
		return err
	}
	r.Response().Header()["Cache-Control"] = g.headers.noStore
	return r.JSON(http.StatusOK, viewOf(job))
}

// findJob reads the job that the path names, and waits for it if the client
// prefers that.
func (g *Gateway) findJob(r *request) (queue.Job, error) {
	ctx, id := r.Request().Context(), r.param("id")
	if name, err := queue.RunnerOf(id); err == nil {
		r.runner = g.roster.runners()[name]
	}
	prefer := preferencesOf(r.Request().Header)
	if !prefer.waits {
		return g.deps.Jobs.Job(ctx, id)
	}
	r.Response().Header().Set("Preference-Applied", preferences{wait: prefer.wait, waits: true}.applied())
	return g.deps.Producer.Wait(ctx, id, prefer.wait)
}

// getResult answers GET /v1/jobs/{id}/result.
func (g *Gateway) getResult(r *request) error {
	job, err := g.findJob(r)
	if err != nil {
		return err
	}
	if !job.State.Terminal() {
		return g.pending(r, job)
	}
	m := g.methodOf(r, job)
	f := formJSON
	if job.State == queue.Succeeded {
		if f, err = negotiate(m, acceptsOf(r.Request().Header), job.Rows); err != nil {
			return err
		}
	}
	return g.outcome(r, m, job, f)
}

// methodOf is the method that a job ran; one that nothing is known of if it is
// not there any more.
func (g *Gateway) methodOf(r *request, job queue.Job) *method {
	m, err := g.roster.method(r.Request().Context(), job.Runner, job.Method)
	if err != nil {
		return &method{}
	}
	return m
}

// cancelJob answers DELETE /v1/jobs/{id}.
func (g *Gateway) cancelJob(r *request) error {
	id := r.param("id")
	if name, err := queue.RunnerOf(id); err == nil {
		r.runner = g.roster.runners()[name]
	}
	job, err := g.deps.Jobs.Cancel(r.Request().Context(), id)
	if err != nil {
		return err
	}
	if job.State != queue.Canceled {
		return &Problem{Code: CodeConflict, Detail: "the job has ended already: it is " + string(job.State)}
	}
	r.Response().Header()["Cache-Control"] = g.headers.noStore
	return r.JSON(http.StatusOK, viewOf(job))
}

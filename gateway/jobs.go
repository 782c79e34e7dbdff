package gateway

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// submit makes a job of a call and answers 202 with it; or, if the client
// prefers to wait and it ends in time, with its result.
func (g *Gateway) submit(r *request, w wanted) error {
	job, err := g.deps.Producer.Submit(r.Request().Context(), w.call)
	if err != nil {
		return err
	}
	g.accepted(r, job, w.prefer)
	job = g.await(r, job, w.prefer.wait)
	if job.State.Terminal() {
		return g.outcome(r, w.method, job, w.form)
	}
	return g.pending(r, job, "")
}

// accepted sets the headers that answers about a new job have.
func (g *Gateway) accepted(r *request, job queue.Job, prefer preferences) {
	h := r.Response().Header()
	h.Set("Location", urlOf(job))
	if prefer.job() {
		h.Set("Preference-Applied", prefer.applied())
	}
}

// await waits for a job to end. It is accepted: whatever happens while waiting,
// it is answered.
func (g *Gateway) await(r *request, job queue.Job, wait time.Duration) queue.Job {
	if wait <= 0 || job.State.Terminal() {
		return job
	}
	if waited, err := g.deps.Producer.Wait(r.Request().Context(), job.ID, wait); err == nil {
		return waited
	}
	return job
}

// pending answers 202 with a job that is not done.
func (g *Gateway) pending(r *request, job queue.Job, chosen string) error {
	h := r.Response().Header()
	h.Set("Retry-After", seconds(g.pendingRetryAfter(job)))
	h["Cache-Control"] = g.headers.noStore
	return r.JSON(http.StatusAccepted, g.roster.viewOf(job, chosen))
}

// outcome answers with what became of a job that has ended.
func (g *Gateway) outcome(r *request, m *method, job queue.Job, f form) error {
	reply, err := resultOf(r.Request().Context(), g.deps.Jobs, job)
	if err != nil {
		return err
	}
	if isService(job.Runner) {
		return g.replyOfService(r, reply)
	}
	return g.reply(r, m, reply, f)
}

// getJob answers GET /v1/jobs/{id}.
func (g *Gateway) getJob(r *request) error {
	job, chosen, err := g.findJob(r)
	if err != nil {
		return err
	}
	h := r.Response().Header()
	h["Cache-Control"] = g.headers.noStore
	if !job.State.Terminal() {
		h.Set("Retry-After", seconds(g.pendingRetryAfter(job)))
	}
	story, err := g.calls.story(r.Request().Context(), job, chosen)
	if err != nil {
		return err
	}
	return r.JSON(http.StatusOK, story)
}

// findJob reads the job that the path names, and waits for it if the client
// prefers that. chosen is the id of the client, if it asked by that.
func (g *Gateway) findJob(r *request) (job queue.Job, chosen string, err error) {
	ctx := r.Request().Context()
	id, chosen, err := g.resolve(ctx, r)
	if err != nil {
		return queue.Job{}, "", err
	}
	prefer := preferencesOf(r.Request().Header)
	if !prefer.waits {
		job, err = g.deps.Jobs.Job(ctx, id)
		return job, chosen, err
	}
	r.Response().Header().Set("Preference-Applied", preferences{wait: prefer.wait, waits: true}.applied())
	job, err = g.deps.Producer.Wait(ctx, id, prefer.wait)
	return job, chosen, err
}

// getResult answers GET /v1/jobs/{id}/result.
func (g *Gateway) getResult(r *request) error {
	job, chosen, err := g.findJob(r)
	if err != nil {
		return err
	}
	if !job.State.Terminal() {
		return g.pending(r, job, chosen)
	}
	m, f := unknownMethod(), formJSON
	if job.State == queue.Succeeded && !isService(job.Runner) {
		if m, err = g.roster.methodOf(r.Request().Context(), job.Runner, job.Method); err != nil {
			return err
		}
		if f, err = negotiate(m, acceptsOf(r.Request().Header), job.Rows); err != nil {
			return err
		}
	}
	return g.outcome(r, m, job, f)
}

// cancelJob answers DELETE /v1/jobs/{id}.
func (g *Gateway) cancelJob(r *request) error {
	ctx := r.Request().Context()
	id, chosen, err := g.resolve(ctx, r)
	if err != nil {
		return err
	}
	job, err := g.deps.Jobs.Cancel(ctx, id)
	if err != nil {
		return err
	}
	if job.State != queue.Canceled {
		return &Problem{Code: CodeConflict, Detail: "the job has ended already: it is " + string(job.State)}
	}
	r.Response().Header()["Cache-Control"] = g.headers.noStore
	return r.JSON(http.StatusOK, g.roster.viewOf(job, chosen))
}

// retryJob answers POST /v1/jobs/{id}/retry: a job that did not succeed is run
// again under its id.
func (g *Gateway) retryJob(r *request) error {
	ctx := r.Request().Context()
	id, chosen, err := g.resolve(ctx, r)
	if err != nil {
		return err
	}
	runner, err := queue.RunnerOf(id)
	if err != nil {
		return errors.Join(queue.ErrUnknownJob, err)
	}
	found, err := g.roster.runner(ctx, runner)
	if err != nil {
		return err
	}
	job, err := g.deps.Keeper.Retry(ctx, id, g.calls.admission(found))
	if errors.Is(err, queue.ErrNotRetryable) {
		return g.notRetryable(ctx, id, err)
	}
	if err != nil {
		return err
	}
	r.Response().Header().Set("Location", urlOf(job))
	return g.pending(r, job, chosen)
}

// notRetryable says why a job was not run again, as far as its record tells.
func (g *Gateway) notRetryable(ctx context.Context, id string, err error) error {
	job, unknown := g.deps.Jobs.Job(ctx, id)
	if unknown != nil {
		return err
	}
	why := "its input is not kept, or cannot be read any more"
	if !job.State.Terminal() || job.State == queue.Succeeded {
		why = "it is " + string(job.State)
	}
	return &Problem{Code: CodeConflict, Detail: "the job cannot be run again: " + why}
}

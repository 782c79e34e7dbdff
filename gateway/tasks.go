package gateway

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/ekiben/ekiben/gateway/dashboard"
	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/queue/tasks"
)

// taskBoard is *[tasks.Reader].
type taskBoard interface {
	Counts(ctx context.Context) (tasks.Counts, error)
	List(ctx context.Context, state tasks.State, cursor string, limit int) (page []tasks.Task, next string, err error)
}

// taskView is a task as operators see it. Times that there are none of are left
// out.
type taskView struct {
	ID        string      `json:"id"`
	Kind      string      `json:"kind"`
	State     tasks.State `json:"state"`
	JobID     string      `json:"job_id,omitempty"`
	NextRunAt *time.Time  `json:"next_run_at,omitempty"`
	FailedAt  *time.Time  `json:"failed_at,omitempty"`
	LastError string      `json:"last_error,omitempty"`
}

// taskCounts are how many there are.
type taskCounts struct {
	Active    int `json:"active"`
	Waiting   int `json:"waiting"`
	Scheduled int `json:"scheduled"`
	Retrying  int `json:"retrying"`
	Failed    int `json:"failed"`
}

func countsOf(c tasks.Counts) taskCounts {
	return taskCounts{c[tasks.Active], c[tasks.Waiting], c[tasks.Scheduled], c[tasks.Retrying], c[tasks.Failed]}
}

// taskRoutes makes the routes of tasks and webhooks.
func (g *Gateway) taskRoutes() {
	g.get("/v1/tasks", g.handle(routeTasks, g.getTasks))
	g.router.POST("/v1/jobs/:id/webhook/redeliver", g.handle(routeRedeliver, g.redeliver))
}

// getTasks answers GET /v1/tasks.
func (g *Gateway) getTasks(r *request) error {
	if g.deps.Tasks == nil {
		return &Problem{Code: CodeNotFound, Detail: "this gateway does not know of tasks"}
	}
	values, err := queryOf(r.Request().URL.RawQuery, "state", "limit", "cursor")
	if err != nil {
		return err
	}
	state := tasks.State(values["state"])
	if state != "" && !slices.Contains(tasks.States(), state) {
		return invalidParameter("state is %s, want active, retrying, waiting, scheduled or failed", quote(values["state"]))
	}
	limit, err := limitParameter(values)
	if err != nil {
		return err
	}
	ctx := r.Request().Context()
	counts, err := g.deps.Tasks.Counts(ctx)
	if err != nil {
		return err
	}
	page, next, err := g.deps.Tasks.List(ctx, state, values["cursor"], limit)
	if errors.Is(err, tasks.ErrCursor) {
		return invalidParameter("cursor is not one that a list gave as next")
	}
	if err != nil {
		return err
	}
	views := make([]taskView, len(page))
	for i, t := range page {
		views[i] = taskView{t.ID, t.Kind, t.State, t.Job, timeOf(t.Next), timeOf(t.FailedAt), t.LastError}
	}
	r.Response().Header()["Cache-Control"] = g.headers.noStore
	return r.JSON(http.StatusOK, struct {
		Counts taskCounts `json:"counts"`
		Tasks  []taskView `json:"tasks"`
		Next   string     `json:"next,omitempty"`
	}{countsOf(counts), views, next})
}

// redeliver answers POST /v1/jobs/{id}/webhook/redeliver: who is to be told of the
// job's end is told again.
func (g *Gateway) redeliver(r *request) error {
	ctx := r.Request().Context()
	id, chosen, err := g.resolve(ctx, r)
	if err != nil {
		return err
	}
	if g.deps.Later == nil {
		return &Problem{Code: CodeNotFound, Detail: "this gateway does not know of webhooks"}
	}
	err = g.deps.Later.Redeliver(ctx, id)
	if errors.Is(err, queue.ErrNotDone) {
		return &Problem{Code: CodeConflict, Detail: "there is nothing to deliver: the job has not ended, has no webhook, or its webhook is pending"}
	}
	if err != nil {
		return err
	}
	job, err := g.deps.Jobs.Job(ctx, id)
	if err != nil {
		return err
	}
	story, err := g.calls.story(ctx, job, chosen)
	if err != nil {
		return err
	}
	r.Response().Header()["Cache-Control"] = g.headers.noStore
	return r.JSON(http.StatusAccepted, story)
}

// taskFacts are what the dashboard shows of tasks; nil if that is not known.
func (g *Gateway) taskFacts(ctx context.Context) *dashboard.Tasks {
	if g.deps.Tasks == nil {
		return nil
	}
	c, err := g.deps.Tasks.Counts(ctx)
	if err != nil {
		return nil // the page says that the queue cannot be reached
	}
	n := countsOf(c)
	return &dashboard.Tasks{
		Active: n.Active, Waiting: n.Waiting, Scheduled: n.Scheduled, Retrying: n.Retrying, Failed: n.Failed, Some: g.someTasks(ctx, c),
	}
}

// tasksShown is how many tasks of a state the dashboard shows.
const tasksShown = 5

// someTasks are those that an operator wants to see first.
func (g *Gateway) someTasks(ctx context.Context, c tasks.Counts) (some []dashboard.Task) {
	for _, state := range []tasks.State{tasks.Failed, tasks.Retrying, tasks.Waiting, tasks.Scheduled} {
		if c[state] == 0 {
			continue
		}
		page, _, err := g.deps.Tasks.List(ctx, state, "", tasksShown)
		if err != nil {
			return some // the page says that the queue cannot be reached
		}
		for _, t := range page {
			some = append(some, dashboard.Task{
				ID: t.ID, Job: t.Job, State: string(t.State), Bad: t.State == tasks.Failed, Next: t.Next, LastError: t.LastError,
			})
		}
	}
	return some
}

// taskPaths are the routes of tasks and webhooks in the OpenAPI document.
func taskPaths() object {
	text, integer, moment := typed("string"), typed("integer"), object{"type": "string", "format": "date-time"}
	state := object{"type": "string", "enum": tasks.States()}
	task := object{
		"type": "object",
		"properties": object{
			"id": text, "kind": text, "state": state, "job_id": text, "next_run_at": moment, "failed_at": moment, "last_error": text,
		},
		"required": []string{"id", "kind", "state"},
	}
	counts := object{"type": "object", "properties": object{
		"active": integer, "waiting": integer, "scheduled": integer, "retrying": integer, "failed": integer,
	}}
	return object{
		"/v1/tasks": object{"get": operation("listTasks", "List background work: webhooks, and jobs whose time is far ahead.", []any{
			object{"name": "state", "in": "query", "schema": state, "description": "Only tasks in this state."},
			reference("parameters", "Limit"), reference("parameters", "Cursor"),
		}, answer("How many there are in each state, and a page of them, all in one state.", object{
			"type":       "object",
			"properties": object{"counts": counts, "tasks": object{"type": "array", "items": task}, "next": text},
			"required":   []string{"counts", "tasks"},
		}))},
		"/v1/jobs/{id}/webhook/redeliver": object{"post": operation("redeliverWebhook", "Tell the webhook of a job that has ended again, unless it is pending.",
			[]any{pathParameter("id")}, object{"202": accepted("The job; its webhook is pending.")})},
	}
}

package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/ekiben/ekiben/gateway/dashboard"
	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/queue/tasks/schedule"
)

// scheduleView is a schedule as operators see it. Its input is left out of lists.
type scheduleView struct {
	schedule.Definition

	Paused bool                 `json:"paused"`
	Source queue.ScheduleSource `json:"source"`
	// NextRuns are in its time zone; there are none while it is paused.
	NextRuns []time.Time `json:"next_runs"`
	// LastTick is the last that became a job, LastJobID.
	LastTick    *time.Time `json:"last_tick,omitempty"`
	LastJobID   string     `json:"last_job_id,omitempty"`
	MissedTicks int        `json:"missed_ticks"`
	// RefusedTick is the latest, if its job was not taken; Refusal is why.
	RefusedTick *time.Time `json:"refused_tick,omitempty"`
	Refusal     string     `json:"refusal,omitempty"`
}

// shownRuns is how many next runs are shown.
const shownRuns = 5

func viewOfSchedule(s queue.Schedule, now time.Time) scheduleView {
	v := scheduleView{
		Definition: schedule.DefinitionOf(s), Paused: s.Paused, Source: s.Source, NextRuns: []time.Time{},
		LastTick: timeOf(s.Last), LastJobID: s.LastJob, MissedTicks: s.MissedTicks,
		RefusedTick: timeOf(s.RefusedAt), Refusal: s.Refusal,
	}
	if spec, err := schedule.Parse(s.Cron, s.TimeZone); err == nil && !s.Paused {
		v.NextRuns = spec.Upcoming(now, shownRuns)
	}
	return v
}

// scheduleRoutes makes the routes of schedules.
func (g *Gateway) scheduleRoutes() {
	e := g.router
	g.get("/v1/schedules", g.handle(routeSchedules, g.getSchedules))
	g.get("/v1/schedules/:name", g.handle(routeSchedules, g.getSchedule))
	e.PUT("/v1/schedules/:name", g.handleBody(routeSchedules, g.admin(g.putSchedule)))
	e.DELETE("/v1/schedules/:name", g.handle(routeSchedules, g.admin(g.dropSchedule)))
	e.POST("/v1/schedules/:name/pause", g.handle(routeSchedules, g.admin(g.setPaused(schedule.Book.Pause))))
	e.POST("/v1/schedules/:name/resume", g.handle(routeSchedules, g.admin(g.setPaused(schedule.Book.Resume))))
}

// book changes schedules.
func (g *Gateway) book() (schedule.Book, error) {
	if g.deps.Schedules == nil {
		return schedule.Book{}, &Problem{Code: CodeNotFound, Detail: "this gateway does not know of schedules"}
	}
	return schedule.Book{Store: g.deps.Schedules}, nil
}

// getSchedules answers GET /v1/schedules.
func (g *Gateway) getSchedules(r *request) error {
	book, err := g.book()
	if err != nil {
		return err
	}
	ctx := r.Request().Context()
	all, err := book.Store.Schedules(ctx)
	if err != nil {
		return err
	}
	now, err := book.Store.Now(ctx)
	if err != nil {
		return err
	}
	views := make([]scheduleView, len(all))
	for i, s := range all {
		views[i] = viewOfSchedule(s, now)
	}
	r.Response().Header()["Cache-Control"] = g.headers.noStore
	return r.JSON(http.StatusOK, map[string]any{"schedules": views})
}

// getSchedule answers GET /v1/schedules/{name}.
func (g *Gateway) getSchedule(r *request) error {
	book, err := g.book()
	if err != nil {
		return err
	}
	s, err := book.Store.Schedule(r.Request().Context(), r.param("name"))
	if err != nil {
		return err
	}
	return g.answerSchedule(r, http.StatusOK, s)
}

// putSchedule answers PUT /v1/schedules/{name}: 201 with a new schedule, 200 with
// one that was there.
func (g *Gateway) putSchedule(r *request) error {
	book, err := g.book()
	if err != nil {
		return err
	}
	b, err := g.body(r)
	if err != nil {
		return err
	}
	s, err := scheduleIn(r, b.bytes())
	if err != nil {
		return err
	}
	ctx := r.Request().Context()
	s, made, err := book.Set(ctx, s)
	if err != nil {
		return err
	}
	g.log.InfoContext(ctx, "a schedule was set", "schedule", s.Name, "new", made)
	if made {
		return g.answerSchedule(r, http.StatusCreated, s)
	}
	return g.answerSchedule(r, http.StatusOK, s)
}

// scheduleIn reads and checks the schedule that a request defines.
func scheduleIn(r *request, raw []byte) (queue.Schedule, error) {
	if f, media := formOf(r.Request().Header.Get("Content-Type")); f != formJSON {
		return queue.Schedule{}, unsupported(media, []string{mediaJSON})
	}
	var d schedule.Definition
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		return queue.Schedule{}, &Problem{Code: CodeInvalidInput, Detail: fmt.Sprintf("the body is not a schedule: %v", err)}
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return queue.Schedule{}, &Problem{Code: CodeInvalidInput, Detail: "there is something behind the schedule"}
	}
	name := r.param("name")
	if d.Name != "" && d.Name != name {
		return queue.Schedule{}, &Problem{Code: CodeInvalidInput, Detail: fmt.Sprintf("the name is %s in the body and %s in the path", quote(d.Name), quote(name))}
	}
	d.Name = name
	s, err := d.Schedule()
	if err != nil {
		return queue.Schedule{}, &Problem{Code: CodeInvalidInput, Detail: err.Error()}
	}
	return s, nil
}

// dropSchedule answers DELETE /v1/schedules/{name}.
func (g *Gateway) dropSchedule(r *request) error {
	book, err := g.book()
	if err != nil {
		return err
	}
	ctx, name := r.Request().Context(), r.param("name")
	if err := book.Remove(ctx, name); err != nil {
		return err
	}
	g.log.InfoContext(ctx, "a schedule was removed", "schedule", name)
	return r.NoContent(http.StatusNoContent)
}

// setPaused answers POST /v1/schedules/{name}/pause and resume with the schedule as
// it is then.
func (g *Gateway) setPaused(change func(schedule.Book, context.Context, string) (queue.Schedule, error)) handler {
	return func(r *request) error {
		book, err := g.book()
		if err != nil {
			return err
		}
		ctx := r.Request().Context()
		s, err := change(book, ctx, r.param("name"))
		if err != nil {
			return err
		}
		g.log.InfoContext(ctx, "a schedule was paused or resumed", "schedule", s.Name, "paused", s.Paused)
		return g.answerSchedule(r, http.StatusOK, s)
	}
}

// answerSchedule answers with a schedule.
func (g *Gateway) answerSchedule(r *request, status int, s queue.Schedule) error {
	now, err := g.deps.Schedules.Now(r.Request().Context())
	if err != nil {
		return err
	}
	r.Response().Header()["Cache-Control"] = g.headers.noStore
	return r.JSON(status, viewOfSchedule(s, now))
}

// SubmitTick makes the job of a schedule's tick, under an id that is always the
// same for it. The error is a [schedule.ErrRefused] if the schedule is wrong about
// the method: others may pass, also that nobody knows the runner yet.
func (c *Calls) SubmitTick(ctx context.Context, s queue.Schedule, id string) (queue.Job, error) {
	job, err := c.SubmitBody(ctx, Submission{
		Runner: s.Runner, Method: s.Method, ContentType: mediaJSON, Body: s.Input, ID: id, Caller: "schedule:" + s.Name,
		Timeout: s.Timeout, Lane: s.Lane, Retry: s.Retry,
	})
	if err == nil {
		return job, nil
	}
	if p := c.Problem(ctx, err); p != nil && wrongCall(p) {
		return queue.Job{}, fmt.Errorf("%w: %w", schedule.ErrRefused, p)
	}
	return queue.Job{}, err
}

// wrongCall reports whether a problem is that of a call which would be as wrong
// later: of its input, or of a method that its runner does not have.
func wrongCall(p *Problem) bool {
	switch p.Code {
	case CodeInvalidInput, CodeTooLarge, CodeUnsupportedMediaType:
		return true
	case CodeNotFound:
		return p.Methods != nil
	default:
		return false
	}
}

// scheduleFacts are what the dashboard shows of schedules; nil if they are not
// known.
func (g *Gateway) scheduleFacts(ctx context.Context) []dashboard.Schedule {
	if g.deps.Schedules == nil {
		return nil
	}
	all, err := g.deps.Schedules.Schedules(ctx)
	if err != nil {
		return nil // the page says that the queue cannot be reached
	}
	now, err := g.deps.Schedules.Now(ctx)
	if err != nil {
		return nil
	}
	facts := make([]dashboard.Schedule, len(all))
	for i, s := range all {
		d := schedule.DefinitionOf(s)
		facts[i] = dashboard.Schedule{
			Name: s.Name, Runner: s.Runner, Method: s.Method, Cron: s.Cron, TimeZone: d.TimeZone, Last: s.Last, LastJob: s.LastJob,
			Missed: s.MissedTicks, Refusal: s.Refusal, Paused: s.Paused,
		}
		if spec, err := schedule.Parse(s.Cron, s.TimeZone); err == nil {
			facts[i].Next = spec.Next(now)
		}
	}
	return facts
}

package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/runnables"
)

// How many items a list has, and how long the cursor of one may be.
const (
	usualPage = 100
	maxPage   = 1000
	maxCursor = 512
)

// getJobs answers GET /v1/jobs.
func (g *Gateway) getJobs(r *request) error {
	query, err := jobQueryOf(r.Request().URL.RawQuery)
	if err != nil {
		return err
	}
	page, err := g.deps.Keeper.Jobs(r.Request().Context(), query)
	if err != nil {
		return cursorProblem(err)
	}
	views := make([]jobView, len(page.Jobs))
	for i, job := range page.Jobs {
		views[i] = g.roster.viewOf(job, "")
	}
	r.Response().Header()["Cache-Control"] = g.headers.noStore
	return r.JSON(http.StatusOK, struct {
		Jobs []jobView `json:"jobs"`
		Next string    `json:"next,omitempty"`
	}{views, page.Next})
}

// cursorProblem tells a client that its cursor was not understood. Other errors
// are returned as they are.
func cursorProblem(err error) error {
	if errors.Is(err, queue.ErrMalformed) {
		return invalidParameter("cursor is not one that a list gave as next")
	}
	return err
}

// states are those that jobs can be listed by.
func states() []queue.State {
	return []queue.State{queue.Queued, queue.Running, queue.Succeeded, queue.Failed, queue.Canceled, queue.Expired}
}

// jobQueryOf reads which jobs a client wants to see.
func jobQueryOf(raw string) (queue.JobQuery, error) {
	values, err := queryOf(raw, "runner", "state", "from", "until", "limit", "cursor")
	if err != nil {
		return queue.JobQuery{}, err
	}
	q := queue.JobQuery{Runner: values["runner"], State: queue.State(values["state"]), Cursor: values["cursor"]}
	if q.Runner != "" && runnables.ValidName(q.Runner) != nil {
		return queue.JobQuery{}, invalidParameter("runner is %s, which is not a runner's name", quote(q.Runner))
	}
	if q.State != "" && !slices.Contains(states(), q.State) {
		return queue.JobQuery{}, invalidParameter("state is %s, want queued, running, succeeded, failed, canceled or expired", quote(values["state"]))
	}
	if q.From, err = momentParameter(values, "from"); err != nil {
		return queue.JobQuery{}, err
	}
	if q.Until, err = momentParameter(values, "until"); err != nil {
		return queue.JobQuery{}, err
	}
	if !q.From.IsZero() && !q.Until.IsZero() && !q.From.Before(q.Until) {
		return queue.JobQuery{}, invalidParameter("from is not before until")
	}
	q.Limit, err = limitParameter(values)
	return q, err
}

// queryOf reads the parameters of a query: each at most once, none empty, and
// none but those with these names.
func queryOf(raw string, names ...string) (map[string]string, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, invalidParameter("the query cannot be read: %v", err)
	}
	query := make(map[string]string, len(values))
	for name, all := range values {
		switch {
		case !slices.Contains(names, name):
			return nil, invalidParameter("there is no parameter %s, there are %s", quote(name), list(names))
		case len(all) > 1:
			return nil, invalidParameter("%s is there %d times, want once", name, len(all))
		case all[0] == "":
			return nil, invalidParameter("%s is empty: give it a value or leave it out", name)
		}
		query[name] = all[0]
	}
	if len(query["cursor"]) > maxCursor {
		return nil, invalidParameter("cursor is not one that a list gave as next")
	}
	return query, nil
}

// momentParameter reads a time; the zero time if it is not there.
func momentParameter(values map[string]string, name string) (time.Time, error) {
	if values[name] == "" {
		return time.Time{}, nil
	}
	moment, err := time.Parse(time.RFC3339, values[name])
	if err != nil || moment.Year() < 1970 {
		return time.Time{}, invalidParameter("%s is %s, want a time as in RFC 3339 such as 2026-09-30T12:00:00Z", name, quote(values[name]))
	}
	return moment, nil
}

// limitParameter reads how many items a client wants at once.
func limitParameter(values map[string]string) (int, error) {
	if values["limit"] == "" {
		return usualPage, nil
	}
	limit, err := strconv.Atoi(values["limit"])
	if err != nil || limit < 1 || limit > maxPage {
		return 0, invalidParameter("limit is %s, want a number from 1 to %d", quote(values["limit"]), maxPage)
	}
	return limit, nil
}

func invalidParameter(format string, args ...any) *Problem {
	return &Problem{Code: CodeInvalidInput, Detail: fmt.Sprintf(format, args...)}
}

package gateway

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

const (
	// maxShown is the most that is shown of the inputs of a dead letter, in bytes
	// of the JSON that they are.
	maxShown = 64 << 10

	// deadPage is how many dead letters are read at once, and the most that a list
	// has: each comes with its inputs.
	deadPage = 100

	// maxRedrive is the most that one request redrives.
	maxRedrive = 1000
)

// deadView is a dead letter as operators see it.
type deadView struct {
	ID         string     `json:"id"`
	Runner     string     `json:"runner"`
	Reason     string     `json:"reason"`
	DiedAt     *time.Time `json:"died_at,omitempty"`
	AcceptedAt *time.Time `json:"accepted_at,omitempty"`
	CallID     string     `json:"call_id,omitempty"`
	Method     string     `json:"method,omitempty"`
	Priority   string     `json:"priority,omitempty"`
	Attempt    int        `json:"attempt"`
	Rows       int        `json:"rows"`
	Bytes      int64      `json:"bytes"`
	// Job is whether the call is, or was, a job: its id is call_id.
	Job bool `json:"job"`
	// Redrivable is false for one that cannot be read; Error says why.
	Redrivable bool   `json:"redrivable"`
	Error      string `json:"error,omitempty"`

	// Inputs are only in the answer about one dead letter.
	Inputs []inputView `json:"inputs,omitempty"`
}

// inputView is one argument of a dead letter. Value is left out of those that
// are too large to be shown.
type inputView struct {
	Name     string          `json:"name"`
	Datatype string          `json:"datatype"`
	Shape    []int           `json:"shape"`
	Bytes    int             `json:"bytes"`
	Value    json.RawMessage `json:"value,omitempty"`
}

func viewOfDead(l *queue.DeadLetter) deadView {
	v := deadView{
		ID: l.ID, Runner: l.Runner, Reason: l.Reason, DiedAt: timeOf(l.Died), AcceptedAt: timeOf(l.Accepted),
		Rows: l.Rows, Bytes: l.Bytes, Job: l.Job, Redrivable: l.Err == nil, CallID: l.Call.ID,
	}
	if l.Err != nil {
		v.Error = "it cannot be read: " + l.Err.Error()
		return v
	}
	v.Method, v.Priority, v.Attempt = l.Call.Method, laneName(l.Call.Lane), l.Call.Attempt
	return v
}

// inputsOf shows the arguments of a dead letter, with as many values, from the
// first, as fit. specs are the method's, if it is still there.
func inputsOf(specs []runnables.ValueSpec, inputs []tensor.Named) []inputView {
	room := maxShown
	views := make([]inputView, len(inputs))
	for i, in := range inputs {
		data := in.Tensor.Data()
		views[i] = inputView{Name: in.Name, Datatype: in.Tensor.DType().String(), Shape: in.Tensor.Shape(), Bytes: len(data)}
		// JSON has at least two characters for a number, of eight bytes or less.
		if len(data) > 4*room {
			continue
		}
		raw, err := appendOutput(nil, specs, in)
		if err != nil || len(raw) > room {
			continue // what JSON cannot hold is described all the same
		}
		room -= len(raw)
		views[i].Value = raw
	}
	return views
}

// getDead answers GET /v1/queues/{runner}/dead.
func (g *Gateway) getDead(r *request) error {
	query, err := queryOf(r.Request().URL.RawQuery, "limit", "cursor")
	if err != nil {
		return err
	}
	limit, err := limitParameter(query)
	if err != nil {
		return err
	}
	found, err := g.queueNamed(r)
	if err != nil {
		return err
	}
	letters, next, err := g.deps.DeadLetters.DeadLetters(r.Request().Context(), found.spec.Runner, query["cursor"], min(limit, deadPage))
	if err != nil {
		return cursorProblem(err)
	}
	views := make([]deadView, len(letters))
	for i := range letters {
		views[i] = viewOfDead(&letters[i])
	}
	return g.answerEscaped(r, struct {
		DeadLetters []deadView `json:"dead_letters"`
		Next        string     `json:"next,omitempty"`
	}{views, next})
}

// getDeadLetter answers GET /v1/queues/{runner}/dead/{id}.
func (g *Gateway) getDeadLetter(r *request) error {
	found, id, err := g.letterNamed(r)
	if err != nil {
		return err
	}
	letter, err := g.deps.DeadLetters.DeadLetter(r.Request().Context(), found.spec.Runner, id)
	if err != nil {
		return err
	}
	v := viewOfDead(&letter)
	if letter.Err == nil {
		var specs []runnables.ValueSpec
		if m := found.methods[letter.Call.Method]; m != nil {
			specs = m.Inputs
		}
		v.Inputs = inputsOf(specs, letter.Call.Inputs)
	}
	return g.answerEscaped(r, v)
}

// answerEscaped answers with JSON whose texts have no <, > and & as they are.
// Operators look at what strangers sent, with whatever shows it.
func (g *Gateway) answerEscaped(r *request, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	r.Response().Header()["Cache-Control"] = g.headers.noStore
	return r.JSONBlob(http.StatusOK, append(raw, '\n'))
}

// letterNamed is what the path names. An empty id is nobody's: for the queue it
// would mean all.
func (g *Gateway) letterNamed(r *request) (found *runner, id string, err error) {
	if id = r.param("id"); id == "" {
		return nil, "", queue.ErrUnknownDeadLetter
	}
	found, err = g.queueNamed(r)
	return found, id, err
}

// redrive answers POST /v1/queues/{runner}/dead/{id}/redrive with the job that
// the call is then.
func (g *Gateway) redrive(r *request) error {
	found, id, err := g.letterNamed(r)
	if err != nil {
		return err
	}
	job, err := g.deps.DeadLetters.Redrive(r.Request().Context(), found.spec.Runner, id, g.calls.admission(found))
	if err != nil {
		return err
	}
	r.Response().Header().Set("Location", urlOf(job))
	return g.pending(r, job, "")
}

// redriveAll answers POST /v1/queues/{runner}/dead/redrive. It redrives the
// letters that are there now, up to [maxRedrive], and stops where the queue
// takes no more.
func (g *Gateway) redriveAll(r *request) error {
	found, err := g.queueNamed(r)
	if err != nil {
		return err
	}
	before, err := g.statsOf(r, found)
	if err != nil {
		return err
	}
	redriven, stopped := g.redriveSome(r, found, min(before.DeadLetters, maxRedrive))
	if stopped != nil && redriven == 0 {
		return stopped
	}
	after, err := g.statsOf(r, found)
	if err != nil {
		return err
	}
	answer := redrivenView{Redriven: redriven, Left: after.DeadLetters}
	if stopped != nil {
		answer.Stopped = problemOf(r.Request().Context(), stopped)
	}
	r.Response().Header()["Cache-Control"] = g.headers.noStore
	return r.JSON(http.StatusOK, answer)
}

// redrivenView is what became of a request to redrive all.
type redrivenView struct {
	Redriven int `json:"redriven"`
	Left     int `json:"left"`
	// Stopped is why no more were redriven, if the queue refused.
	Stopped *Problem `json:"stopped,omitempty"`
}

// redriveSome redrives so many of the oldest letters. Those that cannot be read
// stay, and those that somebody else took are passed over. Letters that are
// added meanwhile, because a call died again, come behind them.
func (g *Gateway) redriveSome(r *request, found *runner, most int) (redriven int, err error) {
	ctx, name := r.Request().Context(), found.spec.Runner
	cursor := ""
	for most > 0 {
		letters, next, err := g.deps.DeadLetters.DeadLetters(ctx, name, cursor, min(most, deadPage))
		if err != nil {
			return redriven, err
		}
		for _, letter := range letters {
			_, err := g.deps.DeadLetters.Redrive(ctx, name, letter.ID, g.calls.admission(found))
			switch {
			case err == nil:
				redriven++
			case !errors.Is(err, queue.ErrNotRetryable) && !errors.Is(err, queue.ErrUnknownDeadLetter):
				return redriven, err
			}
		}
		if next == "" || len(letters) == 0 {
			break
		}
		most -= len(letters)
		cursor = next
	}
	return redriven, nil
}

// dropDead answers DELETE /v1/queues/{runner}/dead/{id}.
func (g *Gateway) dropDead(r *request) error {
	found, id, err := g.letterNamed(r)
	if err != nil {
		return err
	}
	return g.drop(r, found, id)
}

// dropAllDead answers DELETE /v1/queues/{runner}/dead.
func (g *Gateway) dropAllDead(r *request) error {
	found, err := g.queueNamed(r)
	if err != nil {
		return err
	}
	return g.drop(r, found, "")
}

// drop drops a dead letter, or all for the id "".
func (g *Gateway) drop(r *request, found *runner, id string) error {
	if err := g.deps.DeadLetters.DropDead(r.Request().Context(), found.spec.Runner, id); err != nil {
		return err
	}
	return r.NoContent(http.StatusNoContent)
}

package gateway

import (
	"math"
	"net/url"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// Bounds of Retry-After for a job that is not done.
const (
	minPendingRetryAfter = time.Second
	maxPendingRetryAfter = time.Minute
)

// jobView is a job as clients see it. Times that have not come are left out.
type jobView struct {
	ID string `json:"id"`
	// ClientID is the id that the client chose and asked with.
	ClientID string      `json:"client_id,omitempty"`
	Runner   string      `json:"runner"`
	Method   string      `json:"method"`
	State    queue.State `json:"state"`
	Priority string      `json:"priority"`
	Rows     int         `json:"rows,omitempty"`
	Attempt  int         `json:"attempt"`
	// RetriesLeft is how often it is tried again if it fails.
	RetriesLeft int `json:"retries_left,omitempty"`
	// RunAt is when one that is delayed, or is to be tried again, is queued.
	RunAt      *time.Time `json:"run_at,omitempty"`
	CreatedAt  *time.Time `json:"created_at,omitempty"`
	StartByAt  *time.Time `json:"start_by_at,omitempty"`
	StartedAt  *time.Time `json:"started_at,omitempty"`
	FinishedAt *time.Time `json:"finished_at,omitempty"`
	DeadlineAt *time.Time `json:"deadline_at,omitempty"`
	ExpiresAt  *time.Time `json:"expires_at,omitempty"`

	// Position is about the job's place in the queue, from 1, and
	// ExpectedStart how many seconds until its turn comes; while it is queued,
	// as far as they are known.
	Position      *int     `json:"position,omitempty"`
	ExpectedStart *float64 `json:"expected_start_seconds,omitempty"`

	Error *jobError `json:"error,omitempty"`
	URLs  jobURLs   `json:"urls"`
}

// jobError is why a job failed; its code is one of those of problems.
type jobError struct {
	Code      Code   `json:"code"`
	Message   string `json:"message"`
	Retryable bool   `json:"retryable"`
}

// jobURLs are where a job is to be found by everybody. They have the queue's id,
// whatever the job was asked for by.
type jobURLs struct {
	Self   string `json:"self"`
	Result string `json:"result"`
	Cancel string `json:"cancel"`
	Retry  string `json:"retry"`
}

// urlOf is where a job is.
func urlOf(j queue.Job) string { return "/v1/jobs/" + url.PathEscape(j.ID) }

// viewOf shows a job. chosen is the id of the client that asks, or "".
func (r *roster) viewOf(j queue.Job, chosen string) jobView {
	self := urlOf(j)
	v := jobView{
		ID: j.ID, ClientID: chosen, Runner: j.Runner, Method: j.Method, State: j.State,
		Priority: laneName(j.Lane), Rows: j.Rows, Attempt: j.Attempt,
		RetriesLeft: j.RetriesLeft, RunAt: timeOf(j.RunAt),
		CreatedAt: timeOf(j.Created), StartByAt: timeOf(j.StartBy), StartedAt: timeOf(j.Started), FinishedAt: timeOf(j.Finished),
		DeadlineAt: timeOf(j.Deadline), ExpiresAt: timeOf(j.Expires), Error: errorOf(j.Err),
		URLs: jobURLs{Self: self, Result: self + "/result", Cancel: self, Retry: self + "/retry"},
	}
	if j.State == queue.Queued && j.Ahead >= 0 {
		place := j.Ahead + 1
		v.Position = &place
	}
	if wait, known := r.expectedStart(j); known {
		seconds := math.Round(wait.Seconds()*1000) / 1000
		v.ExpectedStart = &seconds
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

// now is what time it was on the queue's clock when it was looked at last, about a
// second ago at most; the zero time if it never was.
func (w *watch) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.samples) == 0 {
		return time.Time{}
	}
	return time.UnixMicro(w.samples[len(w.samples)-1].At.Microseconds())
}

// expectedStart is about how long it takes until a job's turn comes.
func (r *roster) expectedStart(j queue.Job) (wait time.Duration, known bool) {
	found := r.runners()[j.Runner]
	if found == nil || j.State != queue.Queued || j.Ahead < 0 {
		return 0, false
	}
	return found.expectedWait(j.Ahead)
}

// pendingRetryAfter is when to ask again for a job that is not done: when its
// turn comes, or a little later if it has.
func (g *Gateway) pendingRetryAfter(j queue.Job) time.Duration {
	wait, _ := g.roster.expectedStart(j)
	if found := g.roster.runners()[j.Runner]; found != nil && !j.RunAt.IsZero() {
		wait = max(j.RunAt.Sub(found.watch.now()), 0)
	}
	wait = (wait + time.Second - 1).Truncate(time.Second)
	return min(max(wait, minPendingRetryAfter), maxPendingRetryAfter)
}

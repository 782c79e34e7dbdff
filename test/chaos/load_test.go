package chaos_test

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/ekiben/ekiben/test/chaos/history"
)

// How long clients wait: for gateways that cannot be reached, for an awaited
// call, and for an answer about a job.
const (
	connectPatience = 20 * time.Second
	callPatience    = 80 * time.Second
	readPatience    = 5 * time.Second
)

// load is the clients of a run. Each call is one goroutine; it turns to the
// other gateway when one refuses connections.
type load struct {
	gateways []string // base URLs
	record   *history.Recorder
	client   *http.Client
	hooks    string // the URL of the receiver of webhooks
	planner  *planner

	calls sync.WaitGroup
}

func newLoad(gateways []string, record *history.Recorder, p *planner) *load {
	return &load{
		gateways: gateways, record: record, planner: p,
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}},
	}
}

// run sends so many calls a second, until ctx is done. It does not wait for them.
func (l *load) run(ctx, calls context.Context, rate float64) {
	tick := time.NewTicker(time.Duration(float64(time.Second) / rate))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			n, plan := l.planner.draw()
			l.record.Add(history.Event{Kind: history.Submitted, Call: n, Plan: &plan})
			l.calls.Go(func() { l.one(calls, n, plan) })
		}
	}
}

// one is the life of a call as its client sees it.
func (l *load) one(ctx context.Context, n int, plan history.Plan) {
	a, err := l.post(ctx, n, plan)
	e := history.Event{Call: n, Status: a.status, Code: a.code, Body: a.body}
	switch {
	case err != nil && neverSent(err):
		e.Kind, e.Body = history.Refused, err.Error()
	case err != nil:
		e.Kind, e.Body = history.Unknown, err.Error()
	case a.status == http.StatusAccepted && plan.Job:
		l.follow(ctx, n, plan, a)
		return
	default:
		e.Kind = kindOf(a, plan.Job)
	}
	l.record.Add(e)
}

// kindOf says what an answer other than 202 means.
func kindOf(a answer, job bool) history.Kind {
	switch a.code {
	case "unavailable", "draining", "internal":
		return history.Unknown
	case "":
		return history.Replied
	case history.CodeDeadline:
		if job {
			return history.Unknown
		}
		return history.Replied
	case history.CodeRunnerFailed, history.CodeWorkerLost, history.CodeCanceled:
		return history.Replied
	}
	return history.Refused
}

// post sends a call, to the next gateway if one cannot be reached.
func (l *load) post(ctx context.Context, n int, plan history.Plan) (answer, error) {
	m := message{method: http.MethodPost, body: plan.Row, timeout: callPatience, header: []string{
		"Content-Type", "application/octet-stream", "Accept", "application/octet-stream, application/problem+json",
	}}
	if plan.Job {
		m.header = append(m.header, "Prefer", "respond-async")
	}
	if plan.Timeout > 0 {
		m.header = append(m.header, "Ekiben-Timeout", plan.Timeout.String())
	}
	m.header = append(m.header, l.later(n, plan)...)
	until := time.Now().Add(connectPatience)
	for i := n; ; i++ {
		m.url = l.gateways[i%len(l.gateways)] + "/v1/runners/probe/run"
		a, err := send(ctx, l.client, m)
		if err == nil || !neverSent(err) || time.Now().After(until) || ctx.Err() != nil {
			return a, err
		}
		pause(ctx, respond)
	}
}

// later are the headers of what takes a job.
func (l *load) later(n int, plan history.Plan) []string {
	var h []string
	if plan.Delay > 0 {
		h = append(h, "Ekiben-Delay", plan.Delay.String())
	}
	if plan.Retries > 0 {
		h = append(h, "Ekiben-Retry", strconv.Itoa(plan.Retries))
	}
	if plan.Webhook {
		h = append(h, "Ekiben-Webhook", l.hooks+"/"+strconv.Itoa(n))
	}
	return h
}

// respond is how long a client waits before it tries again or asks again.
const respond = 25 * time.Millisecond

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// follow asks for a job until it has ended, and for its result twice.
func (l *load) follow(ctx context.Context, n int, plan history.Plan, accepted answer) {
	v, err := readJob(accepted)
	if err != nil {
		l.record.Add(history.Event{Kind: history.Unknown, Call: n, Status: accepted.status, Body: err.Error()})
		return
	}
	l.record.Add(history.Event{Kind: history.Accepted, Call: n, ID: v.ID, Deadline: v.DeadlineAt, RunAt: v.RunAt})
	l.cancel(ctx, n, plan, v.ID)
	state := v.State
	for i, missing := n, 0; !ended(state); i++ {
		e, ok := l.look(ctx, i, v.ID)
		if ok {
			state = e.State
			e.Call = n
			l.record.Add(e)
		}
		if state == history.Missing {
			missing++
		}
		if missing == 3 || ctx.Err() != nil {
			return
		}
		pause(ctx, 2*respond)
	}
	for i := range 2 {
		if e, ok := l.result(ctx, n+i, v.ID); ok {
			e.Call = n
			l.record.Add(e)
		}
	}
}

// cancel takes a job back, if that was the plan.
func (l *load) cancel(ctx context.Context, n int, plan history.Plan, id string) {
	if plan.Cancel == 0 {
		return
	}
	pause(ctx, plan.Cancel)
	a, err := send(ctx, l.client, message{method: http.MethodDelete, url: l.job(n, id), timeout: readPatience})
	if err == nil && a.status == http.StatusOK {
		l.record.Add(history.Event{Kind: history.Canceled, Call: n, ID: id})
	}
}

func (l *load) job(i int, id string) string {
	return l.gateways[i%len(l.gateways)] + "/v1/jobs/" + id
}

// look reads a job. Gateways or a Redis that are away tell nothing.
func (l *load) look(ctx context.Context, i int, id string) (history.Event, bool) {
	m := message{method: http.MethodGet, url: l.job(i, id), timeout: readPatience}
	if i%3 == 0 {
		m.header = []string{"Prefer", "wait=1"}
	}
	a, err := send(ctx, l.client, m)
	if err == nil && a.status == http.StatusNotFound {
		return history.Event{Kind: history.Seen, State: history.Missing}, true
	}
	v, bad := readJob(a)
	if err != nil || a.status != http.StatusOK || bad != nil {
		return history.Event{}, false
	}
	return history.Event{Kind: history.Seen, State: v.State, Finished: v.FinishedAt, Again: v.Attempt}, true
}

// result reads the result of a job that has ended.
func (l *load) result(ctx context.Context, i int, id string) (history.Event, bool) {
	a, err := send(ctx, l.client, message{method: http.MethodGet, url: l.job(i, id) + "/result", timeout: readPatience, header: []string{
		"Accept", "application/octet-stream, application/problem+json",
	}})
	if err != nil || a.code == "unavailable" || a.code == "draining" || a.code == "internal" {
		return history.Event{}, false
	}
	return history.Event{Kind: history.Result, Status: a.status, Code: a.code, Body: a.body}, true
}

func ended(state string) bool {
	switch state {
	case history.Succeeded, history.Failed, history.Withdrawn, history.Expired:
		return true
	}
	return false
}

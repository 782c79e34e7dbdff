package gateway_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ekiben/ekiben/gateway"
	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/queue/tasks"
)

// Redeliver makes a webhook pending.
func (q *fakeQueue) Redeliver(_ context.Context, id string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	job, ok := q.jobs[id]
	hook := q.hooks[id]
	switch {
	case q.down != nil:
		return q.down
	case !ok:
		return queue.ErrUnknownJob
	case !job.State.Terminal() || hook.URL == "" || hook.State == queue.HookPending:
		return queue.ErrNotDone
	}
	hook.State = queue.HookPending
	q.hooks[id] = hook
	return nil
}

// fakeTasks has one page for every cursor.
type fakeTasks struct {
	down  error
	asked []string
}

func (f *fakeTasks) Counts(context.Context) (tasks.Counts, error) {
	return tasks.Counts{tasks.Active: 1, tasks.Waiting: 2, tasks.Scheduled: 3, tasks.Retrying: 4, tasks.Failed: 5}, f.down
}

func (f *fakeTasks) List(_ context.Context, state tasks.State, cursor string, limit int) ([]tasks.Task, string, error) {
	f.asked = append(f.asked, string(state)+"|"+cursor+"|"+strings.Repeat("x", min(limit, 9)))
	if cursor == "bad" {
		return nil, "", tasks.ErrCursor
	}
	return []tasks.Task{
		{ID: "webhook:j:1", Kind: "webhook", Job: "j", State: tasks.Retrying, Next: createdAt, LastError: "status 500", FailedAt: createdAt.Add(-time.Minute)},
		{ID: "sweep:1", Kind: "sweep", State: tasks.Waiting},
	}, "0.2.100", f.down
}

func TestTasksAreListed(t *testing.T) {
	t.Parallel()

	board := &fakeTasks{}
	h := newGateway(t, newFakeQueue(), setup{also: func(d *gateway.Deps) { d.Tasks = board }}).Handler()
	w := send(t, h, http.MethodGet, "/v1/tasks?state=retrying&cursor=0.1.3&limit=3", "")
	wantBody(t, w, http.StatusOK, `{"counts":{"active":1,"waiting":2,"scheduled":3,"retrying":4,"failed":5},"tasks":[`+
		`{"id":"webhook:j:1","kind":"webhook","state":"retrying","job_id":"j","next_run_at":"2026-09-30T12:00:00.123Z",`+
		`"failed_at":"2026-09-30T11:59:00.123Z","last_error":"status 500"},{"id":"sweep:1","kind":"sweep","state":"waiting"}],"next":"0.2.100"}`+"\n")
	if len(board.asked) != 1 || board.asked[0] != "retrying|0.1.3|xxx" {
		t.Errorf("asked for %q", board.asked)
	}
	for _, bad := range []string{"state=nice", "limit=0", "limit=1001", "cursor=bad", "color=red", "state=active&state=failed"} {
		wantProblem(t, send(t, h, http.MethodGet, "/v1/tasks?"+bad, ""), http.StatusBadRequest, "invalid_input")
	}
	if page := send(t, h, http.MethodGet, "/dashboard", "").Body.String(); !strings.Contains(page, "<h2>Tasks</h2>") || !strings.Contains(page, "<dt>retrying</dt><dd>4</dd>") {
		t.Errorf("the dashboard does not show tasks: %s", page)
	}
	for _, want := range []string{">webhook:j:1</a>", "<td>2026-09-30 12:00:00</td>", "<td>status 500</td>"} {
		if page := send(t, h, http.MethodGet, "/dashboard", "").Body.String(); !strings.Contains(page, want) {
			t.Errorf("the dashboard does not show %s", want)
		}
	}
	board.down = queue.ErrUnavailable
	wantProblem(t, send(t, h, http.MethodGet, "/v1/tasks", ""), http.StatusServiceUnavailable, "unavailable")
	if w := send(t, h, http.MethodGet, "/dashboard", ""); w.Code != http.StatusOK || strings.Contains(w.Body.String(), "<h2>Tasks</h2>") {
		t.Errorf("the dashboard without tasks: %d", w.Code)
	}
}

func TestGatewaysWithoutTasksSaySo(t *testing.T) {
	t.Parallel()

	h := newGateway(t, newFakeQueue(), setup{}).Handler()
	wantProblem(t, send(t, h, http.MethodGet, "/v1/tasks", ""), http.StatusNotFound, "not_found", "tasks")
}

func TestWebhooksAreRedelivered(t *testing.T) {
	t.Parallel()

	q := newFakeQueue()
	ended, running, bare := queue.NewID("echo"), queue.NewID("echo"), queue.NewID("echo")
	q.jobs[ended] = queue.Job{ID: ended, Runner: "echo", Method: "run", State: queue.Failed, Created: createdAt}
	q.jobs[running] = queue.Job{ID: running, Runner: "echo", Method: "run", State: queue.Running, Created: createdAt}
	q.jobs[bare] = queue.Job{ID: bare, Runner: "echo", Method: "run", State: queue.Succeeded, Created: createdAt}
	q.hooks = map[string]queue.Hook{
		ended:   {Webhook: queue.Webhook{URL: "https://example.com/"}, State: queue.HookFailed, Deliveries: 15},
		running: {Webhook: queue.Webhook{URL: "https://example.com/"}},
	}
	h := newGateway(t, q, setup{}).Handler()
	redeliver := func(id string) string { return "/v1/jobs/" + id + "/webhook/redeliver" }
	w := send(t, h, http.MethodPost, redeliver(ended), "")
	if w.Code != http.StatusAccepted || !strings.Contains(w.Body.String(), `"webhook":{"url":"https://example.com/","state":"pending","deliveries":15}`) {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	wantProblem(t, send(t, h, http.MethodPost, redeliver(ended), ""), http.StatusConflict, "conflict", "pending")
	wantProblem(t, send(t, h, http.MethodPost, redeliver(running), ""), http.StatusConflict, "conflict", "not ended")
	wantProblem(t, send(t, h, http.MethodPost, redeliver(bare), ""), http.StatusConflict, "conflict", "no webhook")
	wantProblem(t, send(t, h, http.MethodPost, redeliver(queue.NewID("echo")), ""), http.StatusNotFound, "not_found")
	q.down = queue.ErrUnavailable
	wantProblem(t, send(t, h, http.MethodPost, redeliver(ended), ""), http.StatusServiceUnavailable, "unavailable")
}

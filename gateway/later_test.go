package gateway_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben/ekiben/gateway"
	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/runnables"
)

// told allows webhooks to one host.
func told(d *gateway.Deps) {
	d.Webhooks = func(url string) error {
		if !strings.HasPrefix(url, "https://example.com/") {
			return errors.New("want https and example.com")
		}
		return nil
	}
}

// laterGateway is a gateway that takes webhooks. It is ten o'clock.
func laterGateway(t *testing.T, q *fakeQueue) http.Handler {
	t.Helper()
	q.now = time.Date(2026, 10, 1, 10, 0, 0, 0, time.UTC)
	return newGateway(t, q, setup{also: told}).Handler()
}

func TestACallThatAsksForWhatOnlyJobsHaveIsAJob(t *testing.T) {
	t.Parallel()
	usual := queue.Retry{Backoff: time.Second, MaxBackoff: 10 * time.Minute}
	five, none, twenty := usual, queue.Retry{}, usual
	five.Most, twenty.Most = 5, 20
	hook := func(events ...queue.State) queue.Webhook {
		return queue.Webhook{URL: "https://example.com/h", Events: events}
	}
	for _, tt := range []struct {
		name, header, value string
		delay               time.Duration
		retry               queue.Retry
		webhook             queue.Webhook
	}{
		{"retries", "Ekiben-Retry", "5", 0, five, queue.Webhook{}},
		{"none of them", "Ekiben-Retry", "0", 0, none, queue.Webhook{}},
		{"the most", "Ekiben-Retry", "20", 0, twenty, queue.Webhook{}},
		{"a delay", "Ekiben-Delay", "10m", 10 * time.Minute, none, queue.Webhook{}},
		{"seconds", "Ekiben-Delay", "1.5", 1500 * time.Millisecond, none, queue.Webhook{}},
		{"the longest", "Ekiben-Delay", "720h", 720 * time.Hour, none, queue.Webhook{}},
		{"a time", "Ekiben-At", "2026-10-01T12:30:00Z", 150 * time.Minute, none, queue.Webhook{}},
		{"a time elsewhere", "Ekiben-At", "2026-10-01T12:30:00.5+02:00", 30*time.Minute + 500*time.Millisecond, none, queue.Webhook{}},
		{"a time that is over", "Ekiben-At", "2026-10-01T09:59:59Z", 0, none, queue.Webhook{}},
		{"a webhook", "Ekiben-Webhook", "https://example.com/h", 0, none, hook()},
		{"one event", "Ekiben-Webhook", `https://example.com/h;events="failed"`, 0, none, hook(queue.Failed)},
		{
			"all events", "Ekiben-Webhook", "https://example.com/h\t; events=\"succeeded, failed ,canceled,expired\" ", 0, none,
			hook(queue.Succeeded, queue.Failed, queue.Canceled, queue.Expired),
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			q := newFakeQueue(everything())
			h := laterGateway(t, q)
			for _, req := range []struct{ method, path string }{
				{http.MethodPost, "/v1/runners/all/text"}, {http.MethodPut, "/v1/jobs/mine?runner=all&method=text"},
			} {
				w := send(t, h, req.method, req.path, "a", "Content-Type", "text/plain", tt.header, tt.value)
				if w.Code != http.StatusAccepted || w.Header().Get("Location") == "" {
					t.Fatalf("got %d %s", w.Code, w.Body)
				}
				c := q.last(t)
				if c.Delay != tt.delay || c.Retry != tt.retry || c.Webhook.URL != tt.webhook.URL || !slices.Equal(c.Webhook.Events, tt.webhook.Events) {
					t.Errorf("queued %+v", c)
				}
				if c.Admission.NeedWorker || c.Timeout != time.Minute {
					t.Errorf("queued %+v", c)
				}
			}
		})
	}
}

func TestNonsenseInTheHeadersOfJobsIsRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ header, value, word string }{
		{"Ekiben-Retry", "21", "0 to 20"},
		{"Ekiben-Retry", "-1", "0 to 20"},
		{"Ekiben-Retry", "+1", "0 to 20"},
		{"Ekiben-Retry", "005", "0 to 20"},
		{"Ekiben-Retry", "3 times", "0 to 20"},
		{"Ekiben-Retry", "", "empty"},
		{"Ekiben-Delay", "721h", "at most 720h"},
		{"Ekiben-Delay", "0", "at least 1ms"},
		{"Ekiben-Delay", "-1s", "at least"},
		{"Ekiben-Delay", "tomorrow", "duration"},
		{"Ekiben-At", "tomorrow", "RFC 3339"},
		{"Ekiben-At", "2026-10-01 12:30:00Z", "RFC 3339"},
		{"Ekiben-At", "1969-10-01T12:30:00Z", "RFC 3339"},
		{"Ekiben-At", "2026-11-01T12:30:00Z", "at most 720h"},
		{"Ekiben-Webhook", "http://example.com/h", "want https"},
		{"Ekiben-Webhook", `; events="failed"`, "want a URL"},
		{"Ekiben-Webhook", "https://example.com/a b", "want a URL"},
		{"Ekiben-Webhook", "https://example.com/\u00e9", "want a URL"},
		{"Ekiben-Webhook", "https://example.com/h;", "events"},
		{"Ekiben-Webhook", "https://example.com/h; events", "events"},
		{"Ekiben-Webhook", "https://example.com/h; events=failed", "in quotes"},
		{"Ekiben-Webhook", `https://example.com/h; events="`, "events"},
		{"Ekiben-Webhook", `https://example.com/h; events=""`, "events"},
		{"Ekiben-Webhook", `https://example.com/h; events="failed,"`, "events"},
		{"Ekiben-Webhook", `https://example.com/h; events="failed,failed"`, "events"},
		{"Ekiben-Webhook", `https://example.com/h; events="running"`, "succeeded, failed, canceled and expired"},
		{"Ekiben-Webhook", `https://example.com/h; events="failed"; secret=x`, "events"},
		{"Ekiben-Webhook", `https://example.com/h; EVENTS="failed"`, "events"},
	} {
		t.Run(tt.header+" "+tt.value, func(t *testing.T) {
			t.Parallel()
			q := newFakeQueue(everything())
			w := send(t, laterGateway(t, q), http.MethodPost, "/v1/runners/all/text", "a", "Content-Type", "text/plain", tt.header, tt.value)
			wantProblem(t, w, http.StatusBadRequest, "invalid_input", tt.header, tt.word)
			if q.queued() > 0 {
				t.Error("it was queued")
			}
		})
	}
}

func TestADelayAndATimeAreNotTakenTogetherNorHeadersTwice(t *testing.T) {
	t.Parallel()
	q := newFakeQueue(everything())
	h := laterGateway(t, q)
	post := func(headers ...string) problem {
		w := send(t, h, http.MethodPost, "/v1/runners/all/text", "a", append(headers, "Content-Type", "text/plain")...)
		return wantProblem(t, w, http.StatusBadRequest, "invalid_input")
	}
	if p := post("Ekiben-Delay", "1m", "Ekiben-At", "2026-10-01T12:30:00Z"); !strings.Contains(p.Detail, "want one of them") {
		t.Error(p.Detail)
	}
	if p := post("Ekiben-Webhook", "https://example.com/a", "Ekiben-Webhook", "https://example.com/b"); !strings.Contains(p.Detail, "want once") {
		t.Error(p.Detail)
	}
}

func TestWithoutWebhooksAClientLearnsWhatTurnsThemOn(t *testing.T) {
	t.Parallel()
	h := newGateway(t, newFakeQueue(everything()), setup{}).Handler()
	w := send(t, h, http.MethodPost, "/v1/runners/all/text", "a", "Content-Type", "text/plain", "Ekiben-Webhook", "https://example.com/h")
	wantProblem(t, w, http.StatusBadRequest, "invalid_input", "EKIBEN_WEBHOOK_SECRET")
}

func TestJobsAreTriedAgainAsTheirRunnerSaysUnlessTheySayOtherwise(t *testing.T) {
	t.Parallel()
	s := everything()
	s.Retry = &runnables.RetrySpec{Attempts: 3, BackoffMS: 500, MaxBackoffMS: 4000}
	policy := queue.Retry{Most: 3, Backoff: 500 * time.Millisecond, MaxBackoff: 4 * time.Second}
	seven := policy
	seven.Most = 7
	q := newFakeQueue(s)
	h := laterGateway(t, q)
	for _, tt := range []struct {
		headers []string
		want    queue.Retry
	}{
		{nil, queue.Retry{}}, // awaited
		{[]string{"Prefer", "respond-async"}, policy},
		{[]string{"Idempotency-Key", "k"}, policy},
		{[]string{"Ekiben-Delay", "1m"}, policy},
		{[]string{"Ekiben-Retry", "7"}, seven},
		{[]string{"Ekiben-Retry", "0"}, queue.Retry{}},
	} {
		w := send(t, h, http.MethodPost, "/v1/runners/all/text", "a", append(tt.headers, "Content-Type", "text/plain")...)
		if c := q.last(t); w.Code > 202 || c.Retry != tt.want {
			t.Errorf("%v: %d %s, retry %+v", tt.headers, w.Code, w.Body, c.Retry)
		}
	}
}

func TestANameIsKnownForAsLongAsItsJobCanLast(t *testing.T) {
	t.Parallel()
	q := newFakeQueue(everything())
	send(t, laterGateway(t, q), http.MethodPut, "/v1/jobs/mine?runner=all&method=text", "a", "Content-Type", "text/plain",
		"Ekiben-Delay", "24h", "Ekiben-Retry", "2")
	least := 24*time.Hour + 3*time.Minute + 2*10*time.Minute + time.Hour
	for _, bound := range q.kept.aliases {
		if bound.ttl < least {
			t.Errorf("known for %s, the job may last for %s", bound.ttl, least)
		}
	}
	if len(q.kept.aliases) != 1 {
		t.Errorf("names %v", q.kept.aliases)
	}
}

func TestAJobTellsItsStory(t *testing.T) {
	t.Parallel()
	q := newFakeQueue(everything())
	const id = "all~0~x"
	q.jobs[id] = queue.Job{
		ID: id, Runner: "all", Method: "text", State: queue.Queued, Rows: 1, Attempt: 1, RetriesLeft: 2, Ahead: -1,
		Created: createdAt, RunAt: createdAt.Add(time.Minute),
	}
	q.tries = map[string][]queue.Try{id: {{At: createdAt, Err: &queue.CallError{Code: queue.CodeWorkerLost, Message: "lost", Retryable: true}}}}
	q.hooks = map[string]queue.Hook{id: {
		Webhook: queue.Webhook{URL: "https://example.com/h", Events: []queue.State{queue.Failed}},
		State:   queue.HookPending, Deliveries: 2, Status: 503, Answer: "busy", At: createdAt,
	}}
	h := laterGateway(t, q)
	w := send(t, h, http.MethodGet, "/v1/jobs/"+id, "")
	const at = `"2026-09-30T12:00:00.123Z"`
	wantBody(t, w, http.StatusOK, `{"id":"all~0~x","runner":"all","method":"text","state":"queued","priority":"normal","rows":1,"attempt":1,`+
		`"retries_left":2,"run_at":"2026-09-30T12:01:00.123Z","created_at":`+at+`,`+
		`"urls":{"self":"/v1/jobs/all~0~x","result":"/v1/jobs/all~0~x/result","cancel":"/v1/jobs/all~0~x","retry":"/v1/jobs/all~0~x/retry"},`+
		`"attempts":[{"at":`+at+`,"error":{"code":"worker_lost","message":"lost","retryable":true}}],`+
		`"webhook":{"url":"https://example.com/h","events":["failed"],"state":"pending","deliveries":2,"status":503,"answer":"busy","at":`+at+`}}`+"\n")
	if list := send(t, h, http.MethodGet, "/v1/jobs", ""); strings.Contains(list.Body.String(), "webhook") || strings.Contains(list.Body.String(), "attempts") {
		t.Errorf("a list has %s", list.Body)
	}
}

func FuzzHeadersOfJobs(f *testing.F) {
	f.Add("5", "10m", "2026-10-01T12:30:00Z", `https://example.com/h; events="succeeded,failed"`)
	f.Add("0", "", "", "https://example.com/h")
	f.Fuzz(func(t *testing.T, retry, delay, at, webhook string) {
		h := http.Header{}
		for name, value := range map[string]string{
			"Ekiben-Retry": retry, "Ekiben-Delay": delay, "Ekiben-At": at, "Ekiben-Webhook": webhook,
		} {
			if value != "" {
				h.Set(name, value)
			}
		}
		asked, err := gateway.LaterOf(h)
		if err != nil {
			wantInvalid(t, err)
			return
		}
		if asked.Retries < 0 || asked.Retries > 20 || asked.Delay < 0 || asked.Delay > 720*time.Hour {
			t.Errorf("%+v of %v", asked, h)
		}
		if delay != "" && at != "" {
			t.Errorf("two times were taken: %v", h)
		}
		if strings.ContainsFunc(asked.Webhook.URL, func(c rune) bool { return c <= ' ' || c > '~' || c == ';' }) || (webhook != "") != (asked.Webhook.URL != "") {
			t.Errorf("%+v of %v", asked, h)
		}
		for _, e := range asked.Webhook.Events {
			if !e.Terminal() {
				t.Errorf("event %q", e)
			}
		}
	})
}

func TestWhoAsksForADelayedJobIsToldToComeBackWhenItIsQueued(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue(everything())
		now := time.Date(2026, 10, 1, 10, 0, 0, 0, time.UTC)
		q.stats["all"] = queue.Stats{At: time.Duration(now.UnixNano())}
		for id, in := range map[string]time.Duration{"soon": 200 * time.Millisecond, "a": 17 * time.Second, "late": time.Hour} {
			q.jobs["all~0~"+id] = queue.Job{ID: "all~0~" + id, Runner: "all", Method: "text", State: queue.Queued, Ahead: -1, RunAt: now.Add(in)}
		}
		g := newGateway(t, q, setup{})
		defer running(t, g)()
		synctest.Wait()
		for id, want := range map[string]string{"soon": "1", "a": "17", "late": "60"} {
			w := send(t, g.Handler(), http.MethodGet, "/v1/jobs/all~0~"+id+"/result", "")
			if got := w.Header().Get("Retry-After"); w.Code != http.StatusAccepted || got != want {
				t.Errorf("%s: %d, Retry-After %q, want %s", id, w.Code, got, want)
			}
		}
	})
}

package e2e_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/ekiben/ekiben/internal/processes"
)

// hookSecret signs the webhooks of these tests.
var hookSecret = "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("s", 32)))

// told is what a receiver of webhooks was told, by job.
type told struct {
	url string

	mu  sync.Mutex
	ids map[string]map[string]int // webhook-ids by job, with how often they came
}

// message is what webhooks are told.
type message struct {
	Type string
	Data struct{ ID, State string }
}

// listen starts a receiver that verifies what it is told and then answers.
func listen(t *testing.T, answer func(http.ResponseWriter, message)) *told {
	t.Helper()
	verifier, err := standardwebhooks.NewWebhook(hookSecret)
	if err != nil {
		t.Fatal(err)
	}
	r := &told{ids: map[string]map[string]int{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		var m message
		if err := verifier.Verify(body, req.Header); err != nil || json.Unmarshal(body, &m) != nil {
			t.Errorf("a webhook was told %s: %v", body, err)
		}
		if m.Type != "job."+m.Data.State {
			t.Errorf("a webhook was told %s", body)
		}
		r.mu.Lock()
		if r.ids[m.Data.ID] == nil {
			r.ids[m.Data.ID] = map[string]int{}
		}
		r.ids[m.Data.ID][req.Header.Get("webhook-id")]++
		r.mu.Unlock()
		answer(w, m)
	}))
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

// times is how many messages came about a job, and under how many ids.
func (r *told) times(job string) (messages, ids int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range r.ids[job] {
		messages += n
	}
	return messages, len(r.ids[job])
}

// hooked submits a job whose end is told and returns its id.
func hooked(t *testing.T, base, to string) string {
	t.Helper()
	a := post(t, base+"/v1/runners/slow/run", "x", "Content-Type", "application/octet-stream", "Ekiben-Webhook", to)
	var j struct{ ID string }
	if json.Unmarshal([]byte(a.body), &j) != nil || a.status != http.StatusAccepted {
		t.Fatalf("a job with a webhook got %d %s", a.status, a.body)
	}
	return j.ID
}

// hookView is what a job says of its webhook.
type hookView struct {
	State      string
	Deliveries int
}

// hook is the webhook of a job.
func hook(t *testing.T, base, job string) hookView {
	t.Helper()
	var j struct{ Webhook hookView }
	a := get(t, base+"/v1/jobs/"+job)
	if err := json.Unmarshal([]byte(a.body), &j); err != nil {
		t.Fatalf("%s: %v", a.body, err)
	}
	return j.Webhook
}

func hookEnv(to *told) []string {
	return []string{"EKIBEN_WEBHOOK_SECRET=" + hookSecret, "EKIBEN_WEBHOOK_ALLOW=" + strings.TrimPrefix(to.url, "http://")}
}

// tasks starts a process of tasks.
func (c *cluster) tasks(env ...string) (*processes.Process, string) {
	c.t.Helper()
	addr := processes.FreeAddr(c.t)
	p := launch(c.t, append(append(c.env, "EKIBEN_OPS_ADDR="+addr), env...), processes.Binary(c.t, c.binary), "tasks")
	ready(c.t, addr)
	return p, "http://" + addr
}

func TestWebhooksAreToldAndShown(t *testing.T) {
	t.Parallel()

	var mu sync.Mutex
	refusals := 1
	to := listen(t, func(w http.ResponseWriter, _ message) {
		mu.Lock()
		defer mu.Unlock()
		if refusals > 0 {
			refusals--
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	c := newCluster(t, slow, hookEnv(to)...)
	_, base := c.gateway()
	c.worker()
	_, ops := c.tasks()
	job := hooked(t, base, to.url)
	processes.Eventually(t, "the receiver takes it", func() bool { return hook(t, base, job).State == "delivered" })
	if n, ids := to.times(job); n != 2 || ids != 1 || hook(t, base, job).Deliveries != 2 {
		t.Errorf("%d messages with %d ids, the job says %+v", n, ids, hook(t, base, job))
	}
	if n := metric(t, ops, "ekiben_webhook_deliveries_total", `result="delivered"`); n != 1 {
		t.Errorf("the metric says %v delivered", n)
	}
	if a := post(t, base+"/v1/jobs/"+job+"/webhook/redeliver", ""); a.status != http.StatusAccepted {
		t.Errorf("redeliver answers %d %s", a.status, a.body)
	}
	processes.Eventually(t, "the receiver takes it again", func() bool { n, ids := to.times(job); return n == 3 && ids == 2 })
	if a := get(t, base+"/v1/tasks"); a.status != http.StatusOK || !strings.HasPrefix(a.body, `{"counts":{"active":`) {
		t.Errorf("tasks are %d %s", a.status, a.body)
	}
	out, err := exec.CommandContext(t.Context(), processes.Binary(t, stock), "tasks", "list", "--url", base).CombinedOutput()
	if err != nil || !strings.Contains(string(out), " scheduled, ") || !strings.Contains(string(out), "NEXT RUN") {
		t.Errorf("ekiben tasks list: %s, %v", out, err)
	}
	for _, bad := range []string{"http://example.com/", "https://10.0.0.1/", "nonsense"} {
		if a := post(t, base+"/v1/runners/slow/run", "x", "Content-Type", "application/octet-stream", "Ekiben-Webhook", bad); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", bad, a.status, a.body)
		}
	}
}

// Redis goes away for two seconds while jobs run and end. When it is back each has
// run once, and a process of tasks that starts then tells each once.
func TestRedisAwayAtTheEndRunsNoJobOfAWebhookAgain(t *testing.T) {
	t.Parallel()

	const jobs = 24
	to := listen(t, func(http.ResponseWriter, message) {})
	c := newCluster(t, slow, hookEnv(to)...)
	_, base := c.gateway()
	_, worker := c.worker()
	var ids []string
	for range jobs {
		ids = append(ids, hooked(t, base, to.url))
	}
	processes.Eventually(t, "a batch is running", func() bool {
		s := c.stats("slow")
		return s.Depth > s.Waiting
	})
	c.redis.Kill()
	<-time.After(2 * time.Second) // the outage itself
	c.redis.Restart()
	c.rest("slow")
	c.tasks()
	for _, id := range ids {
		processes.Eventually(t, "the receiver is told", func() bool { n, _ := to.times(id); return n > 0 })
	}
	processes.Eventually(t, "no task is left", func() bool {
		return strings.HasPrefix(get(t, base+"/v1/tasks").body, `{"counts":{"active":0,"waiting":0,"scheduled":0,"retrying":0,"failed":0}`)
	})
	for _, id := range ids {
		if n, _ := to.times(id); n != 1 || state(t, base+"/v1/jobs/"+id) != "succeeded" {
			t.Errorf("%s is %s and was told %d times", id, state(t, base+"/v1/jobs/"+id), n)
		}
	}
	if n := metric(t, worker, "ekiben_batch_rows_sum", ""); n != jobs {
		t.Errorf("%v rows were run, want %d", n, jobs)
	}
}

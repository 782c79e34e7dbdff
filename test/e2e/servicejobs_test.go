package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ekiben/ekiben/internal/processes"
)

var slowService = processes.Builder(root, "./test/e2e/slowservice")

func TestTheSentimentServiceRunsAsAJob(t *testing.T) {
	t.Parallel()

	addr := processes.FreeAddr(t)
	p := launch(t, []string{"EKIBEN_HTTP_ADDR=" + addr}, processes.Binary(t, sentiment), "serve")
	ready(t, addr)
	base := "http://" + addr
	for _, header := range [][]string{{"Prefer", "respond-async"}, {"Ekiben-Delay", "200ms", "Ekiben-Retry", "2"}, {"Ekiben-At", "2026-01-01T00:00:00Z"}} {
		a := post(t, base+"/analysis", "BentoML is great", append(header, "Content-Type", "application/text")...)
		if a.status != http.StatusAccepted {
			t.Fatalf("%v: got %d %s", header, a.status, a.body)
		}
		result := base + a.header.Get("Location") + "/result"
		a = get(t, result, "Prefer", "wait=30")
		if a.status != http.StatusOK || a.body != `{"is_positive":true}` || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("%v: the result is %d %s, %v", header, a.status, a.body, a.header)
		}
	}
	if a := get(t, base+"/v1/queues/service.sentiment_analyzer"); a.status != http.StatusOK {
		t.Errorf("the queue is %d %s", a.status, a.body)
	}
	if n := metric(t, base, "ekiben_calls_finished_total", `outcome="succeeded",runner="service.sentiment_analyzer"`); n != 3 {
		t.Errorf("%v jobs of the service were counted, want 3", n)
	}
	if err := p.Stop(); err != nil {
		t.Errorf("serve ended with %v", err)
	}
}

// stageFiles are the files that a slow function notes to and waits for.
type stageFiles struct{ notes, waitFor string }

func newStage(t *testing.T) stageFiles {
	t.Helper()
	dir := t.TempDir()
	return stageFiles{filepath.Join(dir, "notes"), filepath.Join(dir, "go")}
}

// order is the body that asks for a function.
func (f stageFiles) order(text string) string {
	return fmt.Sprintf(`{"notes":%q,"wait_for":%q,"text":%q}`, f.notes, f.waitFor, text)
}

// count is how often something was noted.
func (f stageFiles) count(word string) int {
	raw, _ := os.ReadFile(f.notes) // not there yet: nothing was
	return strings.Count(string(raw), word)
}

// proceed lets the functions end.
func (f stageFiles) proceed(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(f.waitFor, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAServicesJobSurvivesTheDeathOfItsGateway(t *testing.T) {
	t.Parallel()

	c := newCluster(t, "runners: [{name: echo, runnable: echo}]", "EKIBEN_LEASE=1s")
	c.binary = slowService
	c.worker()
	victim, base := c.gateway()
	files := newStage(t)
	a := post(t, base+"/slow", files.order("hello"), "Content-Type", "application/json", "Prefer", "respond-async")
	if a.status != http.StatusAccepted {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	job := a.header.Get("Location")
	processes.Eventually(t, "the function runs", func() bool { return files.count("began") == 1 })
	victim.Signal(syscall.SIGKILL)
	<-victim.Done()

	_, base = c.gateway()
	processes.Eventually(t, "another gateway runs it", func() bool { return files.count("began") == 2 })
	files.proceed(t)
	if a := get(t, base+job+"/result", "Prefer", "wait=30"); a.status != http.StatusOK || a.body != "hello" {
		t.Fatalf("the result is %d %s", a.status, a.body)
	}
	var j struct {
		State   string
		Attempt int
	}
	if a := get(t, base+job); json.Unmarshal([]byte(a.body), &j) != nil || j.State != "succeeded" {
		t.Errorf("the job is %s", a.body)
	}
	c.rest("service.slow")
	if began, ended := files.count("began"), files.count("ended"); began != 2 || ended != 1 {
		t.Errorf("the function began %d times and ended %d times, want 2 and 1", began, ended)
	}
}

func TestAGatewayThatDrainsEndsTheJobsOfServicesOrGivesThemBack(t *testing.T) {
	t.Parallel()

	c := newCluster(t, "runners: [{name: echo, runnable: echo}]", "EKIBEN_LEASE=5s")
	c.binary = slowService
	c.worker()
	first, base := c.gateway("EKIBEN_DRAIN_TIMEOUT=1s")
	quick, slow := newStage(t), newStage(t)
	jobs := map[string]stageFiles{}
	for _, files := range []stageFiles{quick, slow} {
		a := post(t, base+"/slow", files.order("hello"), "Content-Type", "application/json", "Prefer", "respond-async")
		if a.status != http.StatusAccepted {
			t.Fatalf("got %d %s", a.status, a.body)
		}
		jobs[a.header.Get("Location")] = files
		processes.Eventually(t, "the function runs", func() bool { return files.count("began") == 1 })
	}
	first.Signal(syscall.SIGTERM)
	quick.proceed(t)
	if err := first.Ended(); err != nil {
		t.Errorf("the gateway ended with %v\n%s", err, first.Log())
	}
	_, base = c.gateway()
	processes.Eventually(t, "another gateway runs what was given back", func() bool { return slow.count("began") == 2 })
	slow.proceed(t)
	for job, files := range jobs {
		if a := get(t, base+job+"/result", "Prefer", "wait=30"); a.status != http.StatusOK || a.body != "hello" {
			t.Errorf("the result is %d %s", a.status, a.body)
		}
		if n := files.count("ended"); n != 1 {
			t.Errorf("the function ended %d times", n)
		}
	}
	if n := quick.count("began"); n != 1 {
		t.Errorf("what could end was run %d times", n)
	}
	c.rest("service.slow")
}

func TestACanceledJobOfAServiceIsStopped(t *testing.T) {
	t.Parallel()

	c := newCluster(t, "runners: []")
	c.binary = slowService
	_, base := c.gateway()
	files := newStage(t)
	a := post(t, base+"/slow", files.order(""), "Content-Type", "application/json", "Prefer", "respond-async")
	processes.Eventually(t, "the function runs", func() bool { return files.count("began") == 1 })
	job := base + a.header.Get("Location")
	if a, err := request(t.Context(), http.MethodDelete, job, ""); err != nil || a.status != http.StatusOK {
		t.Fatalf("got %d %s %v", a.status, a.body, err)
	}
	c.rest("service.slow")
	files.proceed(t)
	if state(t, job) != "canceled" || files.count("ended") != 0 {
		t.Errorf("the job is %s, its function ended %d times", state(t, job), files.count("ended"))
	}
}

func TestAJobOfAServiceIsTriedAgainAndTellsOfIt(t *testing.T) {
	t.Parallel()

	c := newCluster(t, "runners: []")
	c.binary = slowService
	_, base := c.gateway()
	files := newStage(t)
	files.proceed(t)
	order := fmt.Sprintf(`{"notes":%q,"wait_for":%q,"fail":1}`, files.notes, files.waitFor)
	a := post(t, base+"/slow", order, "Content-Type", "application/json", "Ekiben-Retry", "2")
	if a.status != http.StatusAccepted {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	job := base + a.header.Get("Location")
	if a := get(t, job+"/result", "Prefer", "wait=30"); a.status != http.StatusOK {
		t.Fatalf("the result is %d %s", a.status, a.body)
	}
	var j struct {
		State       string
		Attempt     int
		RetriesLeft int `json:"retries_left"`
		Attempts    []struct {
			At    string
			Error struct {
				Code, Message string
				Retryable     bool
			}
		}
	}
	a = get(t, job)
	if err := json.Unmarshal([]byte(a.body), &j); err != nil || j.State != "succeeded" || j.Attempt != 1 || j.RetriesLeft != 1 || len(j.Attempts) != 1 {
		t.Fatalf("the job is %s, %v", a.body, err)
	}
	if first := j.Attempts[0]; first.At == "" || !first.Error.Retryable || !strings.Contains(first.Error.Message, "come again") {
		t.Errorf("the first attempt is %+v", first)
	}
	if n := files.count("began"); n != 2 {
		t.Errorf("the function began %d times, want 2", n)
	}
	c.rest("service.slow")
}

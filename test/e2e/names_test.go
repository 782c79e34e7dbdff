package e2e_test

import (
	"context"
	"encoding/json"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/ekiben/ekiben/internal/processes"
	"github.com/ekiben/ekiben/queue"
)

const sleepers = "runners:\n  - {name: sleep, runnable: sleep, init: {fixed: 300ms}, replicas: 1}\n"

func TestACallWithAKeyRunsOnceWhateverGatewaysItIsSentTo(t *testing.T) {
	t.Parallel()
	c := newCluster(t, sleepers)
	c.worker()
	_, one := c.gateway()
	_, two := c.gateway()

	const senders = 20
	answers := make([]answer, senders)
	var all sync.WaitGroup
	for i := range senders {
		all.Go(func() {
			base := []string{one, two}[i%2]
			answers[i], _ = request(context.WithoutCancel(t.Context()), http.MethodPost, base+"/v1/runners/sleep/solo", "a",
				"Content-Type", "text/plain", "Idempotency-Key", "k")
		})
	}
	all.Wait()
	results := 0
	for _, a := range answers {
		switch {
		case a.status == http.StatusOK && a.body == `"YQ=="`:
			results++
		case a.status != http.StatusAccepted:
			t.Errorf("got %d %s", a.status, a.body)
		}
	}
	if results == 0 {
		t.Error("nobody got the result")
	}
	for _, base := range []string{one, two} {
		a := post(t, base+"/v1/runners/sleep/solo", "a", "Content-Type", "text/plain", "Idempotency-Key", "k")
		if a.status != http.StatusOK || a.body != `"YQ=="` {
			t.Errorf("got %d %s", a.status, a.body)
		}
		a = post(t, base+"/v1/runners/sleep/solo", "b", "Content-Type", "text/plain", "Idempotency-Key", "k")
		if a.status != http.StatusUnprocessableEntity {
			t.Errorf("another call under the key gets %d %s", a.status, a.body)
		}
	}
	if s := c.stats("sleep"); s.Accepted != 1 || s.Finished != 1 {
		t.Errorf("%d calls were accepted, %d finished", s.Accepted, s.Finished)
	}
	c.rest("sleep")
}

func TestACallWithAKeyOutlivesTheGatewayThatWaitedForIt(t *testing.T) {
	t.Parallel()
	c := newCluster(t, sleepers)
	c.worker()
	doomed, one := c.gateway()
	_, two := c.gateway()
	post(t, two+"/v1/runners/sleep/solo", "x", "Content-Type", "text/plain") // the runner is known
	began := c.stats("sleep").Accepted
	gate := func(g queue.Gate) {
		if err := c.queue.SetGate(t.Context(), "sleep", g); err != nil {
			t.Fatal(err)
		}
	}
	gate(queue.GatePaused) // so that it waits for sure

	gone := make(chan error, 1)
	go func() {
		_, err := request(context.WithoutCancel(t.Context()), http.MethodPost, one+"/v1/runners/sleep/solo", "a",
			"Content-Type", "text/plain", "Idempotency-Key", "k")
		gone <- err
	}()
	processes.Eventually(t, "the call is accepted", func() bool { return c.stats("sleep").Accepted > began })
	doomed.Signal(syscall.SIGKILL)
	if <-gone == nil {
		t.Error("a gateway that was killed answered")
	}
	gate(queue.GateOpen)
	processes.Eventually(t, "the other gateway has the result", func() bool {
		a := post(t, two+"/v1/runners/sleep/solo", "a", "Content-Type", "text/plain", "Idempotency-Key", "k")
		if a.status != http.StatusOK && a.status != http.StatusAccepted {
			t.Fatalf("got %d %s", a.status, a.body)
		}
		return a.body == `"YQ=="`
	})
	if s := c.stats("sleep"); s.Accepted != began+1 {
		t.Errorf("%d calls were accepted", s.Accepted-began)
	}
	c.rest("sleep")
}

func TestOperatorsControlAQueueFromTheCommandLine(t *testing.T) {
	t.Parallel()
	c := newCluster(t, sleepers)
	c.worker()
	_, base := c.gateway("EKIBEN_ADMIN_TOKEN=sesame")
	run := func(token string, args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), processes.Binary(t, stock), args...)
		cmd.Env = append(cmd.Environ(), "EKIBEN_URL="+base, "EKIBEN_ADMIN_TOKEN="+token)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := run("simsalabim", "queues", "pause", "sleep"); err == nil || !strings.Contains(out, "unauthorized") {
		t.Errorf("with another token it says %s", out)
	}
	if out, err := run("sesame", "queues", "pause", "sleep"); err != nil || !strings.Contains(out, "paused") {
		t.Fatalf("pause says %s: %v", out, err)
	}
	for i := range 3 {
		put := base + "/v1/jobs/order-" + strconv.Itoa(i) + "?runner=sleep&method=solo"
		if a, err := request(t.Context(), http.MethodPut, put, "a", "Content-Type", "text/plain"); err != nil || a.status != http.StatusAccepted {
			t.Fatalf("got %d %s: %v", a.status, a.body, err)
		}
	}
	var j struct{ State, Position any }
	if a := get(t, base+"/v1/jobs/order-2"); json.Unmarshal([]byte(a.body), &j) != nil || j.State != "queued" || j.Position != 3.0 {
		t.Errorf("the last job is %s", a.body)
	}
	if out, err := run("sesame", "queues", "drain", "sleep"); err != nil || !strings.Contains(out, "draining") {
		t.Fatalf("drain says %s: %v", out, err)
	}
	if out, err := run("", "jobs", "result", "order-2", "--wait", "1m"); err != nil || strings.TrimSpace(out) != `"YQ=="` {
		t.Errorf("the result is %s: %v", out, err)
	}
	if a := post(t, base+"/v1/runners/sleep/solo", "a", "Content-Type", "text/plain"); a.status != http.StatusServiceUnavailable || !strings.Contains(a.body, `"draining"`) {
		t.Errorf("a queue that is drained answers %d %s", a.status, a.body)
	}
	if out, err := run("sesame", "queues", "resume", "sleep"); err != nil || !strings.Contains(out, "open") {
		t.Fatalf("resume says %s: %v", out, err)
	}
	if a := post(t, base+"/v1/runners/sleep/solo", "a", "Content-Type", "text/plain"); a.status != http.StatusOK {
		t.Errorf("a queue that was opened again answers %d %s", a.status, a.body)
	}
	if out, err := run("", "jobs", "list", "--runner", "sleep", "--state", "succeeded"); err != nil || strings.Count(out, "succeeded") != 3 {
		t.Errorf("the list is %s: %v", out, err)
	}
	c.rest("sleep")
}

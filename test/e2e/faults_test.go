package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ekiben/ekiben/internal/processes"
)

const slow = `
runners:
  - {name: slow, runnable: sleep, init: {fixed: 300ms, per_row: 1ms}, max_batch_size: 8, replicas: 1}
`

// submit submits a job and returns the address of it.
func submit(t *testing.T, base, path, body string) string {
	t.Helper()
	a := post(t, base+path, body, "Content-Type", "application/octet-stream", "Prefer", "respond-async")
	if a.status != http.StatusAccepted {
		t.Fatalf("a job got %d %s", a.status, a.body)
	}
	return base + a.header.Get("Location")
}

// state is the state of a job.
func state(t *testing.T, job string) string {
	t.Helper()
	var j struct{ State string }
	if a := get(t, job); json.Unmarshal([]byte(a.body), &j) != nil {
		t.Fatalf("%s answers %d %s", job, a.status, a.body)
	}
	return j.State
}

func TestKilledWorkerLeavesNoCallUnanswered(t *testing.T) {
	t.Parallel()

	c := newCluster(t, slow, "EKIBEN_LEASE=1s")
	_, base := c.gateway()
	victim, _ := c.worker()

	const calls = 24
	answers := make(chan answer, calls)
	for i := range calls {
		go func() {
			a, err := request(t.Context(), http.MethodPost, base+"/v1/runners/slow/run", fmt.Sprintf("call %d", i),
				"Content-Type", "application/octet-stream", "Accept", "application/octet-stream")
			if err != nil {
				a.body = err.Error()
			}
			if a.body != fmt.Sprintf("call %d", i) {
				t.Errorf("call %d got %d %q", i, a.status, a.body)
			}
			answers <- a
		}()
	}
	var jobs []string
	for i := range 4 {
		jobs = append(jobs, submit(t, base, "/v1/runners/slow/run", fmt.Sprintf("job %d", i)))
	}
	processes.Eventually(t, "a batch is running", func() bool {
		s := c.stats("slow")
		return s.Depth > s.Waiting
	})
	victim.Signal(syscall.SIGKILL)
	c.worker()

	for range calls {
		if a := <-answers; a.status != http.StatusOK {
			t.Errorf("an awaited call got %d %s", a.status, a.body)
		}
	}
	for i, job := range jobs {
		processes.Eventually(t, "the job has succeeded", func() bool { return state(t, job) == "succeeded" })
		if a := get(t, job+"/result", "Accept", "application/octet-stream"); a.body != fmt.Sprintf("job %d", i) {
			t.Errorf("job %d has result %d %q", i, a.status, a.body)
		}
	}
	c.rest("slow")
}

func TestKilledGatewaysCallsNeverStartAfterTheirDeadline(t *testing.T) {
	t.Parallel()

	c := newCluster(t, slow)
	victim, base := c.gateway("EKIBEN_REQUEST_TIMEOUT=6s")
	worker, metrics := c.worker()
	// The worker lives, as far as Redis knows, and takes nothing.
	worker.Signal(syscall.SIGSTOP)

	ctx, giveUp := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for range 20 {
		clients.Go(func() {
			_, _ = request(ctx, http.MethodPost, base+"/v1/runners/slow/run", "x", "Content-Type", "application/octet-stream")
		})
	}
	processes.Eventually(t, "20 calls are queued", func() bool { return c.stats("slow").Waiting == 20 })
	victim.Signal(syscall.SIGKILL)
	giveUp()
	clients.Wait()
	if waiting := c.stats("slow").Waiting; waiting != 20 {
		t.Errorf("%d calls wait behind a gateway that was killed, want 20", waiting)
	}
	accepted := c.stats("slow").At
	processes.Eventually(t, "their deadlines have passed", func() bool { return c.stats("slow").At > accepted+6*time.Second })
	worker.Signal(syscall.SIGCONT)

	c.rest("slow")
	if n := metric(t, metrics, "ekiben_batches_total", ""); n != 0 {
		t.Errorf("%v batches ran, want none: every deadline had passed", n)
	}
	if s := c.stats("slow"); s.Expired != 20 {
		t.Errorf("%d calls expired, want 20", s.Expired)
	}
}

func TestJobsQueuedWithoutAWorkerAllFinish(t *testing.T) {
	t.Parallel()

	c := newCluster(t, "runners: [{name: echo, runnable: echo}]")
	_, base := c.gateway()
	// A runner is known once a worker has announced it.
	first, _ := c.worker()
	if err := first.Stop(); err != nil {
		t.Fatalf("the worker ended with %v", err)
	}
	if a := post(t, base+"/v1/runners/echo/run", "x", "Content-Type", "application/octet-stream"); a.status != http.StatusServiceUnavailable ||
		!strings.Contains(a.body, "no_worker") || a.header.Get("Retry-After") == "" {
		t.Errorf("an awaited call without a worker got %d %s %v", a.status, a.body, a.header)
	}

	const jobs = 1000
	urls := make([]string, jobs)
	var clients sync.WaitGroup
	for k := range 16 {
		clients.Go(func() {
			for i := k; i < jobs; i += 16 {
				urls[i] = submit(t, base, "/v1/runners/echo/run", fmt.Sprint(i))
			}
		})
	}
	clients.Wait()
	if s := c.stats("echo"); s.Depth != jobs || s.Waiting != jobs {
		t.Fatalf("queued %d jobs, depth is %d and %d wait", jobs, s.Depth, s.Waiting)
	}
	c.worker()
	for i, url := range urls {
		a := get(t, url, "Prefer", "wait=30")
		if !strings.Contains(a.body, `"state":"succeeded"`) {
			t.Fatalf("job %d: %d %s", i, a.status, a.body)
		}
	}
	for i := 0; i < jobs; i += 97 {
		if a := get(t, urls[i]+"/result", "Accept", "application/octet-stream"); a.body != fmt.Sprint(i) {
			t.Errorf("job %d has result %d %q", i, a.status, a.body)
		}
	}
	c.rest("echo")
}

func TestRedisKilledAndRestartedLosesNoJob(t *testing.T) {
	t.Parallel()

	c := newCluster(t, slow, "EKIBEN_LEASE=1s")
	_, base := c.gateway()
	c.worker()
	var jobs []string
	for i := range 20 {
		jobs = append(jobs, submit(t, base, "/v1/runners/slow/run", fmt.Sprint(i)))
	}
	c.redis.Kill()
	if a := post(t, base+"/v1/runners/slow/run", "x", "Content-Type", "application/octet-stream"); a.status != http.StatusServiceUnavailable {
		t.Errorf("a call while Redis is away got %d %s, want 503", a.status, a.body)
	}
	c.redis.Restart()
	for i, job := range jobs {
		processes.Eventually(t, "the job has succeeded", func() bool {
			a, err := request(t.Context(), http.MethodGet, job+"/result", "", "Accept", "application/octet-stream")
			return err == nil && a.status == http.StatusOK && a.body == fmt.Sprint(i)
		})
	}
	c.rest("slow")
}

func TestServeKeepsItsDataInADirectory(t *testing.T) {
	t.Parallel()

	dir, addr := t.TempDir(), processes.FreeAddr(t)
	config := newCluster(t, slow).config // only for its file
	env := []string{"EKIBEN_HTTP_ADDR=" + addr, "EKIBEN_CONFIG=" + config, "EKIBEN_REQUIRE_DURABLE=true", "EKIBEN_LEASE=1s"}
	first := launch(t, env, processes.Binary(t, stock), "serve", "--data", dir)
	ready(t, addr)
	base := "http://" + addr
	var jobs []string
	for i := range 20 {
		jobs = append(jobs, submit(t, base, "/v1/runners/slow/run", fmt.Sprint(i)))
	}
	first.Signal(syscall.SIGKILL)
	<-first.Done()
	launch(t, env, processes.Binary(t, stock), "serve", "--data", dir)
	ready(t, addr)
	for _, job := range jobs {
		processes.Eventually(t, "the job has succeeded", func() bool { return state(t, job) == "succeeded" })
	}
}

func TestEmbeddedRedisIsNotReadyWhereDurabilityIsAskedFor(t *testing.T) {
	t.Parallel()

	addr := processes.FreeAddr(t)
	launch(t, []string{"EKIBEN_HTTP_ADDR=" + addr, "EKIBEN_REQUIRE_DURABLE=true"}, processes.Binary(t, sentiment), "serve")
	processes.Eventually(t, "/readyz says why not", func() bool {
		a, err := request(t.Context(), http.MethodGet, "http://"+addr+"/readyz", "")
		return err == nil && a.status == http.StatusServiceUnavailable && strings.Contains(a.body, "keeps everything in memory")
	})
}

func TestDrainingLosesNothing(t *testing.T) {
	t.Parallel()

	c := newCluster(t, slow)
	gateway, base := c.gateway()
	worker, _ := c.worker()
	var clients sync.WaitGroup
	for i := range 12 {
		clients.Go(func() {
			a, err := request(t.Context(), http.MethodPost, base+"/v1/runners/slow/run", fmt.Sprint(i),
				"Content-Type", "application/octet-stream", "Accept", "application/octet-stream")
			if err != nil || a.status != http.StatusOK || a.body != fmt.Sprint(i) {
				t.Errorf("call %d got %d %q, %v", i, a.status, a.body, err)
			}
		})
	}
	processes.Eventually(t, "all calls are in the queue", func() bool { return c.stats("slow").Accepted == 12 })
	c.worker()
	worker.Signal(syscall.SIGTERM)
	gateway.Signal(syscall.SIGTERM)
	clients.Wait()
	if err := worker.Ended(); err != nil {
		t.Errorf("the worker ended with %v", err)
	}
	if err := gateway.Ended(); err != nil {
		t.Errorf("the gateway ended with %v", err)
	}
	c.rest("slow")
}

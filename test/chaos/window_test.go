package chaos_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/ekiben/ekiben/internal/processes"
	"github.com/ekiben/ekiben/test/chaos/history"
	"github.com/ekiben/ekiben/test/chaos/order"
)

// window is a cluster in which one thing goes wrong at one moment: a row of the
// table of crash windows.
type window struct {
	*cluster

	t    *testing.T
	load *load
	next int
}

// config takes calls as they come, so that each window has one cut.
const config = `
runners:
  - {name: probe, runnable: probe, max_batch_size: 16, batching: none, replicas: 1}
`

// openWindow starts a cluster with proxies.
func openWindow(t *testing.T, gateways, workers int) *window {
	t.Helper()
	need(t)
	file := filepath.Join(t.TempDir(), "ekiben.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	c := start(t, setup{gateways: gateways, workers: workers, proxied: true, redis: fsyncAlways(), env: []string{"EKIBEN_CONFIG=" + file}})
	return &window{cluster: c, t: t, load: newLoad(c.bases(), c.record, nil)}
}

// sent is a call on its way.
type sent struct {
	n    int
	plan history.Plan
	done chan struct{} // closed when the client has what it will get
}

// send sends a call that takes a time, to the first gateway.
func (w *window) send(job bool, takes time.Duration) sent {
	o := order.Order{Call: w.next, Do: order.Answer, Sleep: takes, Value: uint64(w.next)}
	s := sent{n: w.next, done: make(chan struct{}), plan: history.Plan{Job: job, Row: o.String(), Want: o.Answer()}}
	// Numbers are even, so that all go to the first of two gateways.
	w.next += 2
	w.record.Add(history.Event{Kind: history.Submitted, Call: s.n, Plan: &s.plan})
	w.load.calls.Go(func() {
		defer close(s.done)
		w.load.one(w.t.Context(), s.n, s.plan)
	})
	return s
}

// close waits for all clients and checks the history. It returns the events of
// it by call.
func (w *window) close() map[int][]history.Event {
	w.t.Helper()
	w.load.calls.Wait()
	w.load.client.CloseIdleConnections()
	events := w.record.Events()
	final := w.final(w.load, events)
	events = append(events, w.executed()...)
	for _, v := range history.Check(events, final, history.Rules{Slack: slack}).Violations {
		w.t.Error(v)
	}
	of := map[int][]history.Event{}
	for _, e := range events {
		of[e.Call] = append(of[e.Call], e)
	}
	return of
}

// count is how many events are of a kind.
func count(events []history.Event, kind history.Kind) int {
	n := 0
	for _, e := range events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// want checks how often executions of a call began and ended, and whether its
// client had a result.
func (w *window) want(events []history.Event, began, ended int, result bool) {
	w.t.Helper()
	if b, e := count(events, history.Began), count(events, history.Ended); b != began || e != ended {
		w.t.Errorf("executions began %d times and ended %d times, want %d and %d", b, e, began, ended)
	}
	got := false
	for _, e := range events {
		got = got || ((e.Kind == history.Replied || e.Kind == history.Result) && e.Status == http.StatusOK)
	}
	if got != result {
		w.t.Errorf("the client got a result: %t, want %t", got, result)
	}
}

// await waits for something that must come.
func (w *window) await(what string, c <-chan struct{}) {
	w.t.Helper()
	select {
	case <-c:
	case <-time.After(time.Minute):
		w.t.Fatalf("waited a minute for this: %s", what)
	}
}

// begun waits until a call is executed, for the nth time.
func (w *window) begun(s sent, n int) {
	w.t.Helper()
	processes.Eventually(w.t, fmt.Sprintf("execution %d of call %d begins", n, s.n), func() bool {
		var mine []history.Event
		for _, e := range w.executed() {
			if e.Call == s.n {
				mine = append(mine, e)
			}
		}
		return count(mine, history.Began) >= n
	})
}

// kill ends the process that is in a slot.
func kill(s *slot) { s.now().Signal(syscall.SIGKILL) }

// both runs a test with an awaited call and with a job.
func both(t *testing.T, gateways, workers int, test func(w *window, job bool)) {
	t.Helper()
	need(t)
	for _, job := range []bool{false, true} {
		t.Run(map[bool]string{false: "awaited", true: "job"}[job], func(t *testing.T) {
			t.Parallel()
			w := openWindow(t, gateways, workers)
			defer func() {
				if t.Failed() {
					t.Logf("clients saw %+v", w.record.Events())
				}
			}()
			test(w, job)
		})
	}
}

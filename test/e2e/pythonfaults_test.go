package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/ekiben/ekiben/internal/processes"
	"github.com/ekiben/ekiben/internal/pythontest"
)

// faulty is the runners file of a Python runnable that goes wrong on demand.
const faulty = `
runners:
  - {name: faulty, runnable: "python:faulty:Faulty", replicas: %d, %s}
`

// newFaulty starts a gateway and a worker of it, and returns the gateway's
// address.
func newFaulty(t *testing.T, replicas int, options ...string) (c *cluster, worker *processes.Process, base string) {
	t.Helper()
	python := pythontest.Interpreter(t)
	if options == nil {
		options = []string{"max_batch_size: 16", "max_latency_ms: 20"}
	}
	c = newCluster(t, fmt.Sprintf(faulty, replicas, strings.Join(options, ", ")), "EKIBEN_PYTHON="+python)
	module, err := os.ReadFile("testdata/faulty.py")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(c.config), "faulty.py"), module, 0o600); err != nil {
		t.Fatal(err)
	}
	_, base = c.gateway()
	worker, _ = c.worker()
	return c, worker, base
}

// number calls the faulty runnable with one number.
func number(ctx context.Context, base string, n int, header ...string) (answer, error) {
	return request(ctx, http.MethodPost, base+"/v1/runners/faulty/run", fmt.Sprintf(`{"x": [%d]}`, n),
		append([]string{"Content-Type", "application/json"}, header...)...)
}

func TestEveryFaultOfAPythonRunnableIsToldToItsCaller(t *testing.T) {
	t.Parallel()

	c, _, base := newFaulty(t, 1)
	for _, f := range []struct {
		name   string
		number int
		header []string
		status int
		says   string
	}{
		{"killed", 1, nil, http.StatusInternalServerError, `"worker_lost"`},
		{"aborted", 2, nil, http.StatusInternalServerError, `"worker_lost"`},
		{"hangs", 3, []string{"Ekiben-Timeout", "2s"}, http.StatusGatewayTimeout, `the deadline passed while the call was executed`},
		{"prints garbage", 4, nil, http.StatusOK, `[8]`},
		{"takes too much memory", 5, nil, http.StatusInternalServerError, `memory`},
		{"answers too few rows", 6, nil, http.StatusInternalServerError, `rows`},
		{"does not like the input", 7, nil, http.StatusBadRequest, `7 is not a number that anybody likes`},
		{"answers the wrong type", 8, nil, http.StatusInternalServerError, `complex128`},
		{"answers the wrong shape", 9, nil, http.StatusInternalServerError, `shape`},
		{"raises", 10, nil, http.StatusInternalServerError, `ValueError: the model is broken`},
		{"exits", 11, nil, http.StatusInternalServerError, `its process exited with status 3`},
		{"is stopped", 12, []string{"Ekiben-Timeout", "2s"}, http.StatusGatewayTimeout, `"deadline_exceeded"`},
	} {
		a, err := number(t.Context(), base, f.number, f.header...)
		if err != nil || a.status != f.status || !strings.Contains(a.body, f.says) {
			t.Errorf("a runnable that %s: %d %s, %v; want %d and %q", f.name, a.status, a.body, err, f.status, f.says)
		}
		if a, err := number(t.Context(), base, 200); err != nil || a.body != "[400]" {
			t.Errorf("after one that %s a call is answered %d %s, %v", f.name, a.status, a.body, err)
		}
	}
	c.rest("faulty")
}

// The three make one batch: whoever hangs ends at its own deadline, not at that of
// its mates, which have their results from the next child.
func TestACallThatHangsLeavesItsMatesTheirTime(t *testing.T) {
	t.Parallel()

	c, _, base := newFaulty(t, 1, "max_batch_size: 3", "batching: fixed", "max_latency_ms: 3000")
	var calls sync.WaitGroup
	for n, want := range map[int]struct {
		timeout string
		status  int
		says    string
	}{
		3:   {"2s", http.StatusGatewayTimeout, `"deadline_exceeded"`},
		200: {"20s", http.StatusOK, "[400]"},
		201: {"1h", http.StatusOK, "[402]"},
	} {
		calls.Go(func() {
			a, err := number(t.Context(), base, n, "Ekiben-Timeout", want.timeout)
			if err != nil || a.status != want.status || !strings.Contains(a.body, want.says) {
				t.Errorf("call %d is answered %d %s, %v; want %d %s", n, a.status, a.body, err, want.status, want.says)
			}
		})
	}
	calls.Wait()
	c.rest("faulty")
}

func TestACallThatTakesLongerThanItsRunnerAllowsFails(t *testing.T) {
	t.Parallel()

	c, _, base := newFaulty(t, 1, "max_execution_ms: 300")
	a, err := number(t.Context(), base, 3)
	if err != nil || a.status != http.StatusInternalServerError || !strings.Contains(a.body, "longer than max_execution_ms, 300ms") {
		t.Errorf("it is answered %d %s, %v", a.status, a.body, err)
	}
	if a, err := number(t.Context(), base, 200); err != nil || a.body != "[400]" {
		t.Errorf("after that a call is answered %d %s, %v", a.status, a.body, err)
	}
	c.rest("faulty")
}

// A thousand calls, one of which kills whoever runs it: it alone is not answered.
func TestOneCallInAThousandThatCrashesHarmsNoOther(t *testing.T) {
	t.Parallel()

	c, _, base := newFaulty(t, 2)
	var calls sync.WaitGroup
	slots := make(chan struct{}, 64)
	for i := range 1000 {
		slots <- struct{}{}
		calls.Go(func() {
			defer func() { <-slots }()
			n, status, body := 1000+i, http.StatusOK, fmt.Sprintf("[%d]", 2*(1000+i))
			if i == 500 {
				n, status, body = 1, http.StatusInternalServerError, "worker_lost"
			}
			if a, err := number(t.Context(), base, n); err != nil || a.status != status || !strings.Contains(a.body, body) {
				t.Errorf("call %d is answered %d %s, %v; want %d %s", n, a.status, a.body, err, status, body)
			}
		})
	}
	calls.Wait()
	c.rest("faulty")
}

func TestAChildThatIsKilledFromOutsideIsReplaced(t *testing.T) {
	t.Parallel()

	_, _, base := newFaulty(t, 1)
	for range 3 {
		pid := childOf(t, base)
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if next := childOf(t, base); next == pid {
			t.Errorf("process %d still answers", pid)
		}
	}
}

// The interpreter is behind a script, so that it is no child of the worker.
func TestChildrenDoNotOutliveTheirWorker(t *testing.T) {
	t.Parallel()

	script := filepath.Join(t.TempDir(), "python.sh")
	text := fmt.Sprintf("#!/bin/sh\n%s \"$@\"\nexit $?\n", pythontest.Interpreter(t))
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil { //nolint:gosec // it is a program
		t.Fatal(err)
	}
	_, worker, base := newFaulty(t, 1, "python: "+script)
	pid := childOf(t, base)
	hung := make(chan struct{})
	go func() { // it does not look at its channel then
		defer close(hung)
		_, _ = number(t.Context(), base, 3, "Ekiben-Timeout", "3s")
	}()
	processes.Eventually(t, "the call hangs", func() bool { return scheduled(pid) == "S" })
	worker.Signal(syscall.SIGKILL)
	processes.Eventually(t, "the child is gone", func() bool { return syscall.Kill(pid, 0) != nil })
	<-hung
}

// childOf is the process that answers.
func childOf(t *testing.T, base string) int {
	t.Helper()
	a := post(t, base+"/v1/runners/faulty/pid", "{}", "Content-Type", "application/json")
	pid, err := strconv.Atoi(a.body)
	if err != nil {
		t.Fatalf("pid is answered %d %s", a.status, a.body)
	}
	return pid
}

// scheduled is how the kernel has a process: R for running, S for sleeping.
func scheduled(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return rest[:1]
}

func TestARunnableThatCannotBeImportedSaysSoAtStart(t *testing.T) {
	t.Parallel()

	python := pythontest.Interpreter(t)
	dir := t.TempDir()
	for file, runnable := range map[string]string{
		"No module named 'nowhere'":                  "python:nowhere:Class",
		"no class 'Missing'":                         "python:faulty:Missing",
		"No module named 'a_module_that_nobody_has'": "python:faulty:Unimportable",
	} {
		config := filepath.Join(dir, "ekiben.yaml")
		module, err := os.ReadFile("testdata/faulty.py")
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "faulty.py"), module, 0o600)
		}
		if err == nil {
			err = os.WriteFile(config, []byte("runners: [{name: broken, runnable: \""+runnable+"\"}]"), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		p := launch(t, []string{"EKIBEN_CONFIG=" + config, "EKIBEN_PYTHON=" + python, "EKIBEN_HTTP_ADDR=127.0.0.1:0"},
			processes.Binary(t, stock), "serve")
		if err := p.Ended(); err == nil || !strings.Contains(p.Log(), file) {
			t.Errorf("serve with %s ended with %v and said %s, want %q", runnable, err, p.Log(), file)
		}
	}
}

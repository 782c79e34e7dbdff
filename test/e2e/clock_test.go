package e2e_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ekiben/ekiben/internal/processes"
)

// fast is the stock binary with a wall clock that is 5 seconds ahead: it is
// built with a package time whose Now says so. Monotonic time is as it was.
var fast = func() (string, error) {
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", err
	}
	source := filepath.Join(strings.TrimSpace(string(goroot)), "src", "time", "time.go")
	text, err := os.ReadFile(source)
	if err != nil {
		return "", err
	}
	const reads = "sec, nsec, mono := runtimeNow()\n"
	ahead := strings.Replace(string(text), reads, reads+"\tsec += 5\n", 1)
	if ahead == string(text) {
		return "", errors.New("time.Now is not what this test knows")
	}
	dir, err := os.MkdirTemp("", "ekiben-clock")
	if err != nil {
		return "", err
	}
	patched, overlay := filepath.Join(dir, "time.go"), filepath.Join(dir, "overlay.json")
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {source: patched}})
	if err != nil {
		return "", err
	}
	if err := errors.Join(os.WriteFile(patched, []byte(ahead), 0o600), os.WriteFile(overlay, replace, 0o600)); err != nil {
		return "", err
	}
	return processes.Builder(root, "./cmd/ekiben", "-overlay", overlay)()
}

// Hosts disagree about the time by 5 seconds, which is more than a call has.
// Waits and deadlines are those of Redis, so nothing changes.
func TestClocksOfHostsDoNotMatter(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name            string
		gateway, worker func() (string, error)
	}{
		{"the gateway's is ahead", fast, stock},
		{"the worker's is ahead", stock, fast},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			c := newCluster(t, `
runners:
  - {name: slow, runnable: sleep, init: {fixed: 1s, per_row: 0s}, max_batch_size: 1, batching: none, replicas: 1}
`)
			c.binary = tc.gateway
			_, base := c.gateway("EKIBEN_REQUEST_TIMEOUT=4s")
			c.binary = tc.worker
			_, metrics := c.worker()
			if apart := clockOf(t, base).Sub(clockOf(t, metrics)).Abs(); apart < 4*time.Second {
				t.Fatalf("the clocks are %s apart, want 5s: this test would prove nothing", apart)
			}

			// One runs, the next waits for about a second, and the sixth is too late.
			answers := make(chan answer, 6)
			for range cap(answers) {
				go func() {
					a, _ := request(t.Context(), http.MethodPost, base+"/v1/runners/slow/run", "x", "Content-Type", "application/octet-stream")
					answers <- a
				}()
			}
			status := map[int]int{}
			for range cap(answers) {
				a := <-answers
				status[a.status]++
				if a.status != http.StatusOK {
					continue
				}
				if wait := queueTime(t, a); wait < 0 || wait > 4*time.Second {
					t.Errorf("a call waited %s in the queue, want up to its deadline of 4s", wait)
				}
			}
			if ok, late := status[http.StatusOK], status[http.StatusGatewayTimeout]; ok < 2 || late < 1 || ok+late != cap(answers) {
				t.Errorf("answers by status: %v; want some of the 6 in time and at least one 504", status)
			}
			c.rest("slow")
		})
	}
}

// clockOf is the time that a process says it is.
func clockOf(t *testing.T, base string) time.Time {
	t.Helper()
	at, err := http.ParseTime(get(t, base+"/livez").header.Get("Date"))
	if err != nil {
		t.Fatal(err)
	}
	return at
}

var queueTiming = regexp.MustCompile(`queue;dur=([0-9.]+)`)

// queueTime is how long a call waited in the queue, by its own account.
func queueTime(t *testing.T, a answer) time.Duration {
	t.Helper()
	m := queueTiming.FindStringSubmatch(a.header.Get("Server-Timing"))
	if m == nil {
		t.Fatalf("no queue time in %v", a.header)
	}
	ms, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(ms * float64(time.Millisecond))
}

package e2e_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/ekiben/ekiben/internal/onnxtest"
	"github.com/ekiben/ekiben/internal/processes"
)

// isolated has instances of Go kinds that are processes.
const isolated = `
runners:
  - {name: sentiment, runnable: sentiment, isolation: process, replicas: 1}
  - {name: digits, runnable: onnx, init: {path: digits.onnx}, isolation: process, replicas: 1}
`

func TestInstancesInGoCanBeProcessesThatAreReplaced(t *testing.T) {
	t.Parallel()
	onnxtest.Need(t)

	dir := t.TempDir()
	model, err := os.ReadFile(filepath.Join(root, "examples", "digits", "digits.onnx"))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "digits.onnx"), model, 0o600)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "ekiben.yaml"), []byte(isolated), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	addr := processes.FreeAddr(t)
	p := launch(t, []string{"EKIBEN_HTTP_ADDR=" + addr, "EKIBEN_CONFIG=" + filepath.Join(dir, "ekiben.yaml")}, processes.Binary(t, stock), "serve")
	ready(t, addr)
	base := "http://" + addr
	image := digitsText(t, "seven.json")
	for range 2 {
		want(t, base+"/v1/runners/sentiment/is_positive", "text/plain", "BentoML is great", "true")
		if a := post(t, base+"/v1/runners/digits/run", image, "Content-Type", "application/json"); a.status != http.StatusOK || !strings.HasPrefix(a.body, `{"digits":[7]`) {
			t.Errorf("digits are answered %d %s", a.status, a.body)
		}
		var children []int
		processes.Eventually(t, "two instances and their warden", func() bool {
			children = childrenOf(t, p.PID())
			return len(children) == 3
		})
		for _, pid := range children {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Error(err)
			}
		}
	}
}

// childrenOf are the processes that a process has started, by the kernel.
func childrenOf(t *testing.T, parent int) (pids []int) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		fields := strings.Fields(rest)
		if len(fields) < 2 || fields[0] == "Z" || fields[1] != strconv.Itoa(parent) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

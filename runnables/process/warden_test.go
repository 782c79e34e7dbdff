//go:build linux

package process_test

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/ekiben/ekiben/runnables/process"
)

// group starts a process group that lives for long.
func group(t *testing.T) int {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sleep", "1000")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd.Process.Pid
}

func newWarden(t *testing.T) process.Warden {
	t.Helper()
	command := self(t)
	command.Env = map[string]string{role: "warden"}
	return process.NewWarden(command, logTo(t))
}

func TestAWardenKillsWhatHasNotEnded(t *testing.T) {
	t.Parallel()
	w := newWarden(t)
	if w.PID() != 0 {
		t.Error("there is one before there is anything to do")
	}
	first, ended, last := group(t), group(t), group(t)
	for _, g := range []int{first, ended, last} {
		w.Begin(g)
	}
	w.End(ended)
	if err := w.Leave(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of the groups", func() bool { return !exists(first) && !exists(last) })
	eventually(t, "the end of the warden", func() bool { return w.PID() == 0 })
	if !exists(ended) {
		t.Error("a group that it was told had ended was killed")
	}
}

func TestSignalsToAllEndNoWarden(t *testing.T) {
	t.Parallel()
	w := newWarden(t)
	g := group(t)
	w.Begin(g)
	pid := w.PID()
	eventually(t, "that it listens", func() bool { return w.Unread(t) == 0 })
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if err := syscall.Kill(pid, s); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Leave(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of the group", func() bool { return !exists(g) })
}

func TestAWardenThatDiedIsReplacedAndKnowsWhatThereIs(t *testing.T) {
	t.Parallel()
	w := newWarden(t)
	first, second := group(t), group(t)
	w.Begin(first)
	pid := w.PID()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	w.Begin(second) // which it may not hear any more
	eventually(t, "the next one", func() bool { next := w.PID(); return next != 0 && next != pid })
	if err := w.Leave(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of both groups", func() bool { return !exists(first) && !exists(second) })
}

func TestAWardenHasNoSecrets(t *testing.T) {
	t.Setenv("EKIBEN_REDIS_URL", "redis://:secret@host")
	w := newWarden(t)
	w.Begin(group(t))
	eventually(t, "its environment", func() bool { return slices.Contains(environment(t, w.PID()), role+"=warden") })
	for _, v := range environment(t, w.PID()) {
		if strings.Contains(v, "secret") {
			t.Errorf("it has %s", v)
		}
	}
	if err := w.Leave(); err != nil {
		t.Fatal(err)
	}
}

// environment is what a process was born with.
func environment(t *testing.T, pid int) []string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(b), "\x00")
}

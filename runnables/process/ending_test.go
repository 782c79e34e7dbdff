//go:build linux

package process_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben/ekiben/runnables/process"
)

func TestHowAProcessEndedIsSaidInWords(t *testing.T) {
	t.Parallel()
	for script, want := range map[string][2]string{ // otherwise, and where memory ran out
		"exit 3":        {"exited with status 3", "exited with status 3"},
		"kill -SEGV $$": {`was killed by signal "segmentation fault"`, `was killed by signal "segmentation fault"`},
		"kill -KILL $$": {"was killed by SIGKILL, which is what happens when memory runs out", "was killed: out of memory"},
	} {
		cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", script)
		_ = cmd.Run()
		for i, starved := range []bool{false, true} {
			if got := process.HowItEnded(cmd.ProcessState, starved); got != want[i] {
				t.Errorf("%s: it %s, want %s", script, got, want[i])
			}
		}
	}
}

func TestAProcessThatDoesNotComeUpIsWarnedOf(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log journal
		up := process.ComeUp(log.logger(), "loading", "downloading weights")
		time.Sleep(25 * time.Second)
		up()
		time.Sleep(time.Minute)
		for _, after := range []string{"after=10s", "after=20s"} {
			if want := `not ready yet" pid=4711 ` + after + ` wrote="[loading downloading weights]"`; log.count(want) != 1 {
				t.Errorf("the log has no %s: %s", want, log.String())
			}
		}
		if n := log.count("not ready yet"); n != 2 {
			t.Errorf("it was warned of %d times, want twice", n)
		}
	})
}

func TestKillsForWantOfMemoryAreCounted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	events := write("memory.events", "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 1\n")
	control := write("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n")
	for want, files := range map[int][]string{
		2: {events},
		5: {filepath.Join(dir, "none"), control, events},
		0: {write("other", strings.Repeat("x", 10))},
	} {
		if got := process.MemoryKillsIn(files...); got != want {
			t.Errorf("counted %d, want %d", got, want)
		}
	}
}

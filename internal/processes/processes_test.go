package processes_test

import (
	"strings"
	"syscall"
	"testing"

	"github.com/ekiben/ekiben/internal/processes"
)

func shell(script string) processes.Command {
	return processes.Command{Program: "sh", Args: []string{"-c", script}, Env: []string{"WORD=hello"}}
}

func TestOutputAndEndOfAProcessAreKnown(t *testing.T) {
	t.Parallel()

	p := processes.Launch(t, shell(`echo "$WORD"; exit 3`))
	if err := p.Ended(); err == nil || err.Error() != "exit status 3" {
		t.Errorf("ended with %v, want exit status 3", err)
	}
	if p.Log() != "hello\n" {
		t.Errorf("wrote %q", p.Log())
	}
}

func TestSignalsReachChildren(t *testing.T) {
	t.Parallel()

	p := processes.Launch(t, shell(`sleep 600 & echo ready; wait`))
	processes.Eventually(t, "the shell has started its child", func() bool { return p.Log() == "ready\n" })
	if err := syscall.Kill(-p.PID(), 0); err != nil {
		t.Fatal(err)
	}
	p.Signal(syscall.SIGKILL)
	if err := p.Ended(); err == nil {
		t.Error("ended well after SIGKILL")
	}
	processes.Eventually(t, "nobody is left in the group", func() bool { return syscall.Kill(-p.PID(), 0) != nil })
	p.Signal(syscall.SIGKILL) // of no effect
}

func TestOnlyTheEndOfALongLogIsKept(t *testing.T) {
	t.Parallel()

	p := processes.Launch(t, shell(`yes | head -c 2000000; echo end`))
	if err := p.Ended(); err != nil {
		t.Fatal(err)
	}
	if log := p.Log(); len(log) > 1<<20 || !strings.HasSuffix(log, "y\nend\n") {
		t.Errorf("kept %d bytes that end with %q", len(log), log[len(log)-10:])
	}
}

func TestWhatDoesNotBuildSaysWhy(t *testing.T) {
	t.Parallel()

	_, err := processes.Builder(".", "./nowhere")()
	if err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("got %v", err)
	}
}

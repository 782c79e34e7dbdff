//go:build linux

package process_test

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/runnables/process"
	"github.com/ekiben/ekiben/tensor"
)

func TestACallThatKillsItsProcessIsToldHow(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ row, says string }{
		"exit":      {"exit 3", "exited with status 3"},
		"end":       {"exit 0", "exited with status 0"},
		"signal":    {"signal 1", `was killed by signal "hangup"`},
		"killed":    {"signal 9", "was killed by SIGKILL, which is what happens when memory runs out"},
		"no memory": {"leak", `exited with status 2 and wrote "fatal error: `},
		"words":     {"last I am done for", `exited with status 5 and wrote "I am done for"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "signal" && signal.Ignored(syscall.SIGHUP) {
				t.Skip("whoever started this ignores SIGHUP, as nohup does, and so do its children")
			}
			i := start(t, setup(t, "subject"))
			before := must(t, i, "pid")[0]
			_, err := act(t.Context(), i, "say innocent", c.row)
			if !errors.Is(err, runnables.ErrCrashed) || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("error is %v, want %s", err, c.says)
			}
			if after := must(t, i, "pid")[0]; after == before {
				t.Error("the process was not replaced")
			}
		})
	}
}

func TestACallThatHangsIsStoppedAtItsDeadline(t *testing.T) {
	t.Parallel()
	i := start(t, setup(t, "subject"))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := act(ctx, i, "hang")
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, runnables.ErrHung) || errors.Is(err, runnables.ErrCrashed) {
		t.Errorf("error is %v", err)
	}
	if said := must(t, i, "say back"); said[0] != "back" {
		t.Error(said)
	}
}

func TestACallIsStoppedWhenItTakesLongerThanItsRunnerAllows(t *testing.T) {
	t.Parallel()
	s := setup(t, "subject")
	s.Runner.MaxExecution = 50 * time.Millisecond
	i := start(t, s)
	before := process.PID(i)
	_, err := act(t.Context(), i, "hang")
	hung, ok := errors.AsType[*runnables.HungError](err)
	if !ok || hung.PID != before || !errors.Is(err, runnables.ErrOverlong) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v", err)
	}
	if said := must(t, i, "say back"); said[0] != "back" {
		t.Error(said)
	}
}

func TestAProcessThatHasLeftItsGroupIsKilledAsWell(t *testing.T) {
	t.Parallel()
	i := start(t, setup(t, "subject"))
	before := process.PID(i)
	must(t, i, "desert")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := act(ctx, i, "hang"); !errors.Is(err, runnables.ErrHung) {
		t.Errorf("error is %v", err)
	}
	must(t, i, "say back")
	if exists(before) {
		t.Error("it is there")
	}
}

func TestAProcessThatIsStoppedIsReplaced(t *testing.T) {
	t.Parallel()
	i := start(t, setup(t, "subject"))
	pid := process.PID(i)
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	var status syscall.WaitStatus // one of its threads has to be scheduled first
	if _, err := syscall.Wait4(pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
		t.Fatalf("status %v, %v", status, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	// More than the socket takes: the write blocks, too.
	row := "say " + strings.Repeat("x", 60_000)
	texts, err := tensor.OfStrings([]int{8}, []string{row, row, row, row, row, row, row, row})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := method(t, i, "act").Run(ctx, []tensor.Tensor{texts}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v", err)
	}
	must(t, i, "say back")
}

func TestACallThatNobodyWantsMayEnd(t *testing.T) {
	t.Parallel()
	i := start(t, setup(t, "subject"))
	before := must(t, i, "pid")[0]
	unwanted := errors.New("unwanted")
	for row, want := range map[string]error{"nap": nil, "hang": unwanted} {
		ctx, cancel := context.WithCancelCause(t.Context())
		began := make(chan struct{})
		var once sync.Once
		go func() {
			<-began
			cancel(unwanted)
		}()
		once.Do(func() { close(began) })
		_, err := act(ctx, i, "say x", row)
		// A call that has not begun yet does not begin any more.
		if !errors.Is(err, want) && !errors.Is(err, unwanted) {
			t.Errorf("%s: error is %v, want %v", row, err, want)
		}
		cancel(nil)
		if after := must(t, i, "pid")[0]; row == "nap" && after != before {
			t.Errorf("%s: the process was replaced", row)
		} else {
			before = after
		}
	}
}

// A process that takes long to make is not killed for the sake of a call that ends
// before another would be ready.
func TestACallThatNobodyWantsMayTakeAsLongAsAnotherProcess(t *testing.T) {
	t.Parallel()
	s := setup(t, "late") // 3 s
	var log journal
	s.Log = log.logger()
	i := start(t, s)
	before := process.PID(i)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	go func() {
		eventually(t, "the beginning of the call", func() bool { return log.count("I begin") > 0 })
		cancel(fmt.Errorf("%w: canceled", runnables.ErrUnwanted))
	}()
	if _, err := act(ctx, i, "print I begin", "doze"); err != nil { // 1.5 s
		t.Errorf("error is %v", err)
	}
	if must(t, i, "say x"); process.PID(i) != before {
		t.Error("the process was replaced")
	}
}

// Joining large arguments may take until the deadline: the process has heard
// nothing of the call then, and lives.
func TestACallThatIsTooLateBeforeItIsSentHarmsNothing(t *testing.T) {
	t.Parallel()
	i := start(t, setup(t, "subject"))
	before := process.PID(i)
	large := ramp(t, 0, 1, 4<<20)
	in := make([]tensor.Tensor, 16)
	for n := range in {
		in[n] = large
	}
	for range 20 {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Millisecond)
		_, err := method(t, i, "first").RunParts(ctx, [][]tensor.Tensor{in})
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("error is %v", err)
		}
	}
	if must(t, i, "say x"); process.PID(i) != before {
		t.Error("the process was replaced")
	}
}

func TestADeadCallIsNotBegun(t *testing.T) {
	t.Parallel()
	i := start(t, setup(t, "subject"))
	before := process.PID(i)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := act(ctx, i, "exit 1"); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	if must(t, i, "say x"); process.PID(i) != before {
		t.Error("the call was executed")
	}
}

func TestAProcessThatDiesIdleIsReplacedWithoutACall(t *testing.T) {
	t.Parallel()
	i := start(t, setup(t, "subject"))
	for range 3 {
		before := process.PID(i)
		if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, "another process", func() bool { pid := process.PID(i); return pid != 0 && pid != before })
		if err := i.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		// No call was running, so none crashes.
		must(t, i, "say well")
	}
}

func TestWhatIsNoAnswerFailsTheCallAndEndsTheProcess(t *testing.T) {
	t.Parallel()
	for what, says := range rude() {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := setup(t, "subject")
			s.Runner.Env[role] = what
			i := start(t, s)
			before := process.PID(i)
			_, err := method(t, i, "run").Run(t.Context(), []tensor.Tensor{of(t, []float32{1}, 1)})
			if !errors.Is(err, runnables.ErrCrashed) || !strings.Contains(err.Error(), says) {
				t.Errorf("error is %v, want %q", err, says)
			}
			eventually(t, "another process", func() bool { pid := process.PID(i); return pid != 0 && pid != before })
		})
	}
}

func TestAnAnswerThatBreaksOffIsACrash(t *testing.T) {
	t.Parallel()
	for what, says := range map[string]string{"half": "exited with status 4", "closes": "it closed its channel", "noise_early": "unknown kind"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := setup(t, "subject")
			s.Runner.Env[role] = what
			_, err := method(t, start(t, s), "run").Run(t.Context(), []tensor.Tensor{of(t, []float32{1}, 1)})
			if !errors.Is(err, runnables.ErrCrashed) || !strings.Contains(err.Error(), says) {
				t.Errorf("error is %v, want %q", err, says)
			}
		})
	}
}

func TestElementsThatCannotBeAreTheRunnablesFault(t *testing.T) {
	t.Parallel()
	s := setup(t, "subject")
	s.Runner.Env[role] = "items"
	i := start(t, s)
	before := process.PID(i)
	_, err := method(t, i, "run").Run(t.Context(), []tensor.Tensor{of(t, []float32{1}, 1)})
	if !errors.Is(err, runnables.ErrOutput) || !strings.Contains(err.Error(), "claims") {
		t.Errorf("error is %v", err)
	}
	if process.PID(i) != before {
		t.Error("the process was replaced")
	}
}

func TestARegionCannotBeMadeShorter(t *testing.T) {
	t.Parallel()
	s := setup(t, "subject")
	s.Runner.Env[role] = "shrinks"
	out, err := method(t, start(t, s), "run").Run(t.Context(), []tensor.Tensor{of(t, []float32{1}, 1)})
	if err != nil || out[0].Len() != 1<<18 {
		t.Errorf("%v, %v", out, err)
	}
}

func TestAWrongLengthIsLeftToWhoeverChecksOutputs(t *testing.T) {
	t.Parallel()
	i := start(t, setup(t, "subject"))
	said, err := act(t.Context(), i, "say a", "silent", "say c")
	if err != nil || len(said) != 2 {
		t.Errorf("%q, %v", said, err)
	}
}

func TestWhyAProcessCannotBeAnInstance(t *testing.T) {
	t.Parallel()
	for runnable, c := range map[string]struct{ reason, says, output string }{
		"nowhere": {"import", `no runnable "nowhere"`, ""},
		"broken":  {"init", "no such file", ""},
		"panics":  {"init", "panic: at the disco", ""},
		"bad":     {"signature", "no methods", ""},
		"dies":    {"crash", "exited with status 7", "famous last words"},
		"slow":    {"time", "deadline exceeded", ""},
	} {
		t.Run(runnable, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			if runnable == "slow" {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, 200*time.Millisecond)
				defer cancel()
			}
			_, err := process.Start(ctx, self(t), setup(t, runnable))
			failed, ok := errors.AsType[*process.StartError](err)
			if !ok || failed.Reason != c.reason || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("error is %v", err)
			}
			if got := strings.Join(failed.Output, "\n"); !strings.Contains(got, c.output) {
				t.Errorf("output is %q", got)
			}
			if runnable == "slow" && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error is %v", err)
			}
		})
	}
	_, err := process.Start(t.Context(), process.Command{Path: "/no/such/program"}, setup(t, "subject"))
	if failed, ok := errors.AsType[*process.StartError](err); !ok || failed.Reason != "exec" || !errors.Is(err, syscall.ENOENT) {
		t.Errorf("error is %v", err)
	}
	for script, says := range map[string]string{
		"cat":           "exited with status 0", // standard input is empty
		"kill -SEGV $$": `was killed by signal "segmentation fault"`,
		"kill -KILL $$": "which is what happens when memory runs out",
		"echo 12345678901234567890 >&3; sleep 100": "does not speak the protocol",
	} {
		command := process.Command{Path: "/bin/sh", Args: []string{"-c", script}}
		if _, err = process.Start(t.Context(), command, setup(t, "subject")); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: error is %v, want %s", script, err, says)
		}
	}
}

func TestAProcessWithOtherMethodsIsNoReplacement(t *testing.T) {
	t.Parallel()
	s := setup(t, "fickle")
	s.Runner.Init = runnables.Init{"dir": t.TempDir()}
	var log journal
	s.Log = log.logger()
	i := start(t, s)
	if _, err := act(t.Context(), i, "exit 1"); !errors.Is(err, runnables.ErrCrashed) {
		t.Fatal(err)
	}
	eventually(t, "a refusal", func() bool { return log.count("other methods") > 0 })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := i.Ready(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "replaced") {
		t.Errorf("error is %v", err)
	}
}

func TestAReplacementIsTriedAgain(t *testing.T) {
	t.Parallel()
	s := setup(t, "hopeful")
	s.Runner.Init = runnables.Init{"dir": t.TempDir()}
	var log journal
	s.Log = log.logger()
	i := start(t, s)
	if _, err := act(t.Context(), i, "signal 9"); !errors.Is(err, runnables.ErrCrashed) {
		t.Fatal(err)
	}
	if said := must(t, i, "say back"); said[0] != "back" {
		t.Error(said)
	}
	for _, want := range []string{"try 2 is for nothing", "try 3 is for nothing", "was replaced"} {
		if log.count(want) == 0 {
			t.Errorf("the log has no %q:\n%s", want, log.String())
		}
	}
}

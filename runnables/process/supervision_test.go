//go:build linux

package process_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/runnables/process"
	"github.com/ekiben/ekiben/tensor"
)

// exists reports whether there is a process, other than a zombie.
func exists(pid int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(status), ") ")
	return !strings.HasPrefix(state, "Z") && !strings.HasPrefix(state, "X")
}

func TestProcessesDoNotOutliveTheirWorker(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"which started them":             "",
		"which started them by a script": `"$0"; exit $?`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), self(t).Path)
			cmd.Env = append(os.Environ(), role+"=worker", wrapper+"="+script)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(out)
			lines.Scan()
			var pid, child int
			if _, err := fmt.Sscan(lines.Text(), &pid, &child); err != nil || !exists(pid) || !exists(child) {
				t.Fatalf("the instance is %q", lines.Text())
			}
			for lines.Scan() && !strings.Contains(lines.Text(), "I hang") {
			}
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			eventually(t, "the end of the instance", func() bool { return !exists(pid) })
			eventually(t, "the end of its child", func() bool { return !exists(child) })
		})
	}
}

func TestTheWholeGroupOfAProcessEndsWithIt(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(i *process.Instance){
		"when it is closed": func(i *process.Instance) { _ = i.Close() },
		"when it dies":      func(i *process.Instance) { _, _ = act(t.Context(), i, "exit 1") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := start(t, setup(t, "subject"))
			pid, err := strconv.Atoi(must(t, i, "child")[0])
			if err != nil || !exists(pid) {
				t.Fatal(err)
			}
			end(i)
			eventually(t, "the end of the child's child", func() bool { return !exists(pid) })
		})
	}
}

func TestSignalsToAllAreLeftToTheWorker(t *testing.T) {
	t.Parallel()
	i := start(t, setup(t, "subject"))
	before := process.PID(i)
	must(t, i, "say x", "signals")
	must(t, i, "alive")
	if process.PID(i) != before {
		t.Error("the process was replaced")
	}
}

func TestAClosedInstanceIsCalledNoMore(t *testing.T) {
	t.Parallel()
	i := start(t, setup(t, "subject"))
	pid := process.PID(i)
	if err := i.Close(); err != nil {
		t.Fatal(err)
	}
	if exists(pid) {
		t.Error("its process is there")
	}
	if _, err := act(t.Context(), i, "say x"); err == nil {
		t.Error("it was called")
	}
	if err := i.Close(); err != nil {
		t.Error(err)
	}
}

func TestAHangingInstanceCanBeClosed(t *testing.T) {
	t.Parallel()
	i := start(t, setup(t, "subject"))
	failed := make(chan error, 1)
	go func() {
		_, err := act(t.Context(), i, "hang")
		failed <- err
	}()
	pid := process.PID(i)
	if err := i.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; err == nil {
		t.Error("the call succeeded")
	}
	if exists(pid) {
		t.Error("its process is there")
	}
}

// A process that the kernel holds cannot be killed. Neither a call nor Close waits
// for it.
func TestAProcessThatCannotBeKilledIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	i := start(t, setup(t, "subject"))
	pid := process.PID(i)
	let := hold(t, pid)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := act(ctx, i, "hang"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v", err)
	}
	again, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := i.Ready(again); err == nil {
		t.Error("an instance without a process is ready")
	}
	if err := i.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err != nil {
		t.Error("the process was not held")
	}
	let()
	eventually(t, "its end", func() bool { _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); return err != nil })
}

func TestWhatAProcessWritesIsLoggedAndNoFrame(t *testing.T) {
	t.Parallel()
	s := setup(t, "subject")
	var log journal
	s.Log = log.logger()
	i := start(t, s)
	long := strings.Repeat("long ", 5000)
	must(t, i, "print hello, log", "print "+long, "print \xff\xfe")
	must(t, i, "print "+strings.Repeat("many lines\n", 3000))
	eventually(t, "the lines", func() bool { return log.count("many lines") > 500 })
	must(t, i, "say still here")
	text := log.String()
	if !strings.Contains(text, `stream=stdout line="hello, log"`) {
		t.Error("the line is not in the log")
	}
	if n := log.count("many lines"); n > 2000 {
		t.Errorf("%d lines of 3000 are in the log", n)
	}
	if err := i.Close(); err != nil {
		t.Fatal(err)
	}
	left := 0
	for _, m := range regexp.MustCompile(`left out.* lines=(\d+)`).FindAllStringSubmatch(log.String(), -1) {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		left += n
	}
	if n := log.count("stream=std"); left == 0 || n+left < 3000 || n+left > 3010 {
		t.Errorf("%d lines are in the log and %d were left out, of 3003", n, left)
	}
	for line := range strings.Lines(text) {
		if len(line) > 10_000 {
			t.Errorf("a line of %d bytes is in the log", len(line))
		}
	}
}

func TestReplacedProcessesLeaveNothingBehind(t *testing.T) { //nolint:paralleltest // it counts what this process has
	s := setup(t, "subject")
	i := start(t, s)
	large := ramp(t, 1, 1, 30_000)
	round := func() {
		out, err := method(t, i, "echo").RunParts(t.Context(), [][]tensor.Tensor{{large}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := act(t.Context(), i, "exit 1"); !errors.Is(err, runnables.ErrCrashed) {
			t.Fatal(err)
		}
		out.Release()
	}
	count := func() (files, maps, threads int) {
		return len(entries(t, "/proc/self/fd")), mappings(t), runtime.NumGoroutine()
	}
	for range 5 {
		round()
	}
	must(t, i, "say x")
	files, maps, routines := count()
	for range 100 {
		round()
	}
	must(t, i, "say x")
	eventually(t, "that nothing is left", func() bool {
		f, m, r := count()
		return f <= files+2 && m <= maps+2 && r <= routines+4
	})
}

func entries(t *testing.T, dir string) []os.DirEntry {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// mappings counts those of regions.
func mappings(t *testing.T) int {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(maps), "memfd:ekiben")
}

// Calls, deaths, outputs that are released late and the end come in any order.
func TestAnInstanceMayEndAmidCallsAndDeaths(t *testing.T) {
	t.Parallel()
	for round := range 8 {
		i := start(t, setup(t, "subject"))
		var all sync.WaitGroup
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		large := ramp(t, round, 1, 30_000)
		for range 4 {
			all.Go(func() {
				for ctx.Err() == nil {
					out, err := method(t, i, "echo").RunParts(ctx, [][]tensor.Tensor{{large}})
					switch {
					case err == nil && !out.Tensors[0].Equal(large):
						t.Error("outputs are wrong")
					case err != nil && !errors.Is(err, runnables.ErrCrashed):
						return // it is closed
					}
					if out.Release != nil {
						all.Go(out.Release)
					}
				}
			})
		}
		all.Go(func() {
			for range 5 + round {
				if i.Ready(ctx) != nil {
					return
				}
				before := process.PID(i)
				if before != 0 {
					_ = syscall.Kill(before, syscall.SIGKILL)
				}
				eventually(t, "another process", func() bool { return process.PID(i) != before })
			}
			_ = i.Close()
		})
		all.Wait()
		if ctx.Err() != nil {
			t.Error("it did not end in time")
		}
		if err := i.Ready(ctx); err == nil {
			t.Error("a closed instance is ready")
		}
	}
}

func TestServeSaysWhenNoWorkerStartedIt(t *testing.T) {
	t.Setenv("EKIBEN_CHANNEL", "")
	if err := process.Serve(t.Context(), subjects()); !errors.Is(err, process.ErrNoChannel) {
		t.Errorf("error is %v", err)
	}
}

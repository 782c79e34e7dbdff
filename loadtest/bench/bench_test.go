package bench_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/ekiben/ekiben/loadtest/bench"
	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

// fakeModel is a runnable with one method, which answers its input.
type fakeModel struct{ method string }

func (m fakeModel) Methods() []runnables.Method {
	return []runnables.Method{{
		Signature: runnables.Signature{Name: m.method, Inputs: []runnables.ValueSpec{{Name: "input"}}},
		Run:       func(_ context.Context, inputs []tensor.Tensor) ([]tensor.Tensor, error) { return inputs, nil },
	}}
}

func (fakeModel) Close() error { return nil }

func fakeKind(method string) runnables.Kind {
	return runnables.Kind{New: func(context.Context, runnables.Setup) (runnables.Runnable, error) { return fakeModel{method}, nil }}
}

func config(t *testing.T) bench.Config {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return bench.Config{
		Ekiben: self,
		Bare:   []string{self, "fake-bare"},
		Kinds: runnables.Kinds{
			"sentiment": fakeKind("scores"),
			"onnx":      fakeKind("run"),
			"python": {New: func(_ context.Context, s runnables.Setup) (runnables.Runnable, error) {
				if s.Runner.Target() == "noop:Noop" {
					return fakeModel{"run"}, nil
				}
				return fakeModel{"predict"}, nil
			}},
		},
		Python: "true",
		Root:   "../..",
		Scale:  0.01,
		Keep:   t.TempDir(),
		Log:    slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
}

// leftBehind returns the ids of processes that wrote a log and still live.
func leftBehind(t *testing.T, keep string) (started int, alive []int) {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(keep, "*", "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	pid := regexp.MustCompile(`pid=(\d+)`)
	for _, path := range logs {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if m := pid.FindSubmatch(text); m != nil {
			started++
			id, _ := strconv.Atoi(string(m[1]))
			if !errors.Is(syscall.Kill(id, 0), syscall.ESRCH) {
				alive = append(alive, id)
			}
		}
	}
	return started, alive
}

func TestAllBenchmarksRunAndEndWhatTheyStarted(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	figures, err := bench.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	seen, targets := map[int]bool{}, 0
	for _, f := range figures {
		seen[f.Benchmark] = true
		if f.Target != "" {
			targets++
		}
		if strings.Contains(f.What, "mean batch / that of one worker") && (f.Value != "1.00" || !f.Met) {
			t.Errorf("%+v: every fake worker forms batches of 32, want a ratio of 1", f)
		}
		if f.Benchmark < 8 && strings.Contains(f.What, "batches") && !strings.HasPrefix(f.Value, "32.0 rows") {
			t.Errorf("%+v: every fake worker forms batches of 32", f)
		}
	}
	if len(seen) != 10 || targets != 29 {
		t.Errorf("figures of %d benchmarks with %d targets, want 10 with 29: %+v", len(seen), targets, figures)
	}
	started, alive := leftBehind(t, cfg.Keep)
	// 2 systems for echo, 1 for sleep, 1 for sentiment, 4 for bursts, 2 for
	// scaling, 1 for sharing, 1 for bulk, 3 for models, 1 for a large batch: 16 of
	// Redis; 20 gateways; 5 + 1 + 1 + 23 + 5 + 1 + 1 + 3 + 1 workers; 2 of tasks; 1 bare.
	if started != 16+20+41+2+1 {
		t.Errorf("%d processes were started, want 80", started)
	}
	if len(alive) != 0 {
		t.Errorf("processes %v were left behind", alive)
	}
}

func TestASystemThatDoesNotStartIsAnErrorWithItsLog(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Only = []int{5}
	cfg.Ekiben = filepath.Join(t.TempDir(), "broken")
	if err := os.WriteFile(cfg.Ekiben, []byte("#!/bin/sh\necho pid=$$ no such kind: sleep\nexit 3\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := bench.Run(t.Context(), cfg)
	if err == nil || !strings.Contains(err.Error(), "no such kind: sleep") || !strings.Contains(err.Error(), "worker0") {
		t.Errorf("error %v, want the name of the process and its log", err)
	}
	if started, alive := leftBehind(t, cfg.Keep); started < 2 || len(alive) != 0 {
		t.Errorf("%d processes were started, %v left behind", started, alive)
	}
}

func TestAnInterruptedRunEndsItsProcesses(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Scale = 1
	cfg.Only = []int{2}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cfg.Log = slog.New(slog.NewTextHandler(writerFunc(func(line string) {
		if strings.Contains(line, "system is ready") {
			cancel()
		}
	}), nil))
	if _, err := bench.Run(ctx, cfg); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that it was canceled", err)
	}
	if started, alive := leftBehind(t, cfg.Keep); started != 3 || len(alive) != 0 {
		t.Errorf("%d processes were started, %v left behind", started, alive)
	}
}

// writerFunc is a function as the place where a log goes.
type writerFunc func(line string)

func (f writerFunc) Write(line []byte) (int, error) {
	f(string(line))
	return len(line), nil
}

func TestAnUnknownBenchmarkIsRefused(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Only = []int{11}
	if _, err := bench.Run(t.Context(), cfg); err == nil {
		t.Error("benchmark 11 was run")
	}
}

func TestTheCommandWritesTheTable(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	out := filepath.Join(t.TempDir(), "benchmarks.md")
	if err := os.WriteFile(out, []byte("# Benchmarks\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	program := bench.Program{Self: cfg.Bare[0], Kinds: cfg.Kinds, Stdout: &stdout, Stderr: &stderr}
	status := program.Main(t.Context(), []string{"-ekiben", cfg.Ekiben, "-only", "3", "-short", "-out", out, "-keep", cfg.Keep})
	if status != 0 || !strings.Contains(stdout.String(), "| 3 | sentiment.scores in a loop") || !strings.Contains(stdout.String(), "Redis 7") {
		t.Fatalf("status %d\n%s%s", status, stdout.String(), stderr.String())
	}
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(text), "# Benchmarks\n\n<!-- results") || !strings.Contains(string(text), stdout.String()) {
		t.Errorf("file is %s", text)
	}
}

func TestMistakesOnTheCommandLineAreExplained(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"-only", "11"}, "1 to 10"},
		{[]string{"-only", "a"}, "1 to 10"},
		{[]string{"-fast"}, "-fast"},
		{[]string{"4"}, `"4"`},
	} {
		var stdout, stderr bytes.Buffer
		program := bench.Program{Stdout: &stdout, Stderr: &stderr}
		if status := program.Main(t.Context(), tc.args); status != 2 || !strings.Contains(stderr.String(), tc.want) {
			t.Errorf("%v: status %d, %q, want 2 and %q", tc.args, status, stderr.String(), tc.want)
		}
	}
}

//go:build linux

package python_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ekiben/ekiben/internal/pythontest"
	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/runnables/process"
	"github.com/ekiben/ekiben/runnables/python"
	"github.com/ekiben/ekiben/tensor"
)

func setup(class string) runnables.Setup {
	r := runnables.Runner{Name: "subject", Runnable: "python:" + class, Dir: "testdata"}
	return runnables.Setup{Runner: r.WithDefaults(), Log: slog.New(slog.DiscardHandler)}
}

func start(tb testing.TB, s runnables.Setup) runnables.Runnable {
	tb.Helper()
	kind := python.Kind(python.Options{Interpreter: pythontest.Interpreter(tb), Cache: tb.TempDir()})
	i, err := kind.New(tb.Context(), s)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := i.Close(); err != nil {
			tb.Error(err)
		}
	})
	return i
}

func method(tb testing.TB, i runnables.Runnable, name string) runnables.Method {
	tb.Helper()
	for _, m := range i.Methods() {
		if m.Name == name {
			return m
		}
	}
	tb.Fatalf("there is no method %q", name)
	return runnables.Method{}
}

// act has the instance do something.
func act(ctx context.Context, tb testing.TB, i runnables.Runnable, what string) (string, error) {
	tb.Helper()
	in, err := tensor.OfStrings([]int{}, []string{what})
	if err != nil {
		tb.Fatal(err)
	}
	out, err := method(tb, i, "act").Run(ctx, []tensor.Tensor{in})
	if err != nil {
		return "", err
	}
	return string(out[0].Items()[0]), nil
}

func ramp(tb testing.TB, from int, shape ...int) tensor.Tensor {
	tb.Helper()
	n, err := tensor.Elements(shape)
	if err != nil {
		tb.Fatal(err)
	}
	values := make([]float32, n)
	for i := range values {
		values[i] = float32((from + i) % 100_003)
	}
	t, err := tensor.Of(shape, values)
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

func TestAClassInPythonIsServed(t *testing.T) {
	t.Parallel()
	s := setup("subject:Subject")
	s.Runner.Init = runnables.Init{"scale": 2.0}
	i := start(t, s)
	if err := runnables.Validate(i); err != nil {
		t.Fatal(err)
	}
	for _, width := range []int{1, 16_383, 16_384, 500_000, 3} {
		in := []tensor.Tensor{ramp(t, 0, 1, width), ramp(t, 5, 2, width)}
		out, err := method(t, i, "echo").RunParts(t.Context(), [][]tensor.Tensor{in})
		if err != nil {
			t.Fatal(err)
		}
		want, err := tensor.Concat(0, in)
		if err != nil {
			t.Fatal(err)
		}
		if !out.Tensors[0].Equal(want) {
			t.Errorf("rows of %d numbers came back as others", width)
		}
		if out.Release != nil {
			out.Release()
		}
	}
	out, err := method(t, i, "scaled").Run(t.Context(), []tensor.Tensor{ramp(t, 1, 2, 2)})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := out[0].Float32s(); err != nil || got[3] != 8 {
		t.Errorf("scaled to %v, %v", got, err)
	}
}

// The class computes on the memory that the calls were joined in, not on a copy.
func TestPythonReadsJoinedCallsWithoutACopy(t *testing.T) {
	t.Parallel()
	i := start(t, setup("subject:Subject"))
	seen := map[string]bool{}
	for n := range 3 {
		out, err := method(t, i, "where").RunParts(t.Context(), [][]tensor.Tensor{{ramp(t, n, 2, 20_000), ramp(t, 0, 1, 20_000)}})
		if err != nil {
			t.Fatal(err)
		}
		seen[string(out.Tensors[0].Items()[0])] = true
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	for place := range seen {
		inode := strings.Fields(strings.Trim(place, `"`) + " none none")[1]
		if len(seen) != 1 || !strings.Contains(string(maps), " "+inode+" ") || !strings.HasSuffix(strings.Trim(place, `"`), " at 0") {
			t.Errorf("the arguments were in %v, which is not the region of inputs", seen)
		}
	}
}

func TestAClassIsDescribedBeforeItIsPlaced(t *testing.T) {
	t.Parallel()
	kind := python.Kind(python.Options{Interpreter: pythontest.Interpreter(t), Cache: t.TempDir()})
	for range 2 { // the second time it is known
		res, err := kind.Describe(t.Context(), setup("subject:Subject").Runner)
		if err != nil || !res.NvidiaGPU || res.NoCPU || !res.MultiThreading || res.Concurrent {
			t.Errorf("described as %+v, %v", res, err)
		}
	}
	if _, err := kind.Describe(t.Context(), setup("missing:Thing").Runner); err == nil || !strings.Contains(err.Error(), "no_such_module") {
		t.Errorf("error is %v", err)
	}
}

func TestWhyAClassCannotBeServed(t *testing.T) {
	t.Parallel()
	kind := python.Kind(python.Options{Interpreter: pythontest.Interpreter(t), Cache: t.TempDir()})
	for class, c := range map[string]struct{ reason, says string }{
		"missing:Thing":   {"import", "No module named 'no_such_module'"},
		"subject:Nothing": {"import", "Nothing"},
		"nowhere:Nothing": {"import", "No module named 'nowhere'"},
		"subject:Broken":  {"init", "no such file"},
		"subject:Odd":     {"signature", "batchable"},
	} {
		t.Run(class, func(t *testing.T) {
			t.Parallel()
			_, err := kind.New(t.Context(), setup(class))
			failed, ok := errors.AsType[*process.StartError](err)
			if !ok || failed.Reason != c.reason || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error is %v", err)
			}
		})
	}
	if _, err := kind.New(t.Context(), setup("subject")); err == nil || !strings.Contains(err.Error(), "python:my.module:Class") {
		t.Errorf("error is %v", err)
	}
}

// A class is described before any of its instances is made, so that is where most
// mistakes are found.
func TestWhereAClassFailsIsToldAndLogged(t *testing.T) {
	t.Parallel()
	var described, made journal
	log := slog.New(slog.NewTextHandler(&described, nil))
	kind := python.Kind(python.Options{Interpreter: pythontest.Interpreter(t), Cache: t.TempDir(), Log: log})
	s := setup("missing:Thing")
	s.Log = slog.New(slog.NewTextHandler(&made, nil))
	const says = "cannot be imported: No module named 'no_such_module' (missing.py, line 4)"
	if _, err := kind.Describe(t.Context(), s.Runner); err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("error is %v", err)
	}
	if _, err := kind.New(t.Context(), s); err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("error is %v", err)
	}
	if !described.has("runner=subject") || !described.has("traceback=") || !described.has(`missing.py\", line 4`) {
		t.Errorf("the log has %s", described.text.String())
	}
	if !made.has("traceback=") || !made.has(`missing.py\", line 4`) {
		t.Errorf("the log has %s", made.text.String())
	}
	// What is printed is logged once there is an instance.
	if _, err := kind.Describe(t.Context(), setup("subject:Subject").Runner); err != nil || described.has("subject was imported") {
		t.Errorf("%v, the log has %s", err, described.text.String())
	}
}

func TestNumbersOfInitKeepTheirType(t *testing.T) {
	t.Parallel()
	type name string
	s := setup("subject:Subject")
	s.Runner.Init = runnables.Init{"scale": map[string]any{
		"a": 2.0, "b": 2, "c": []any{1.0, int64(1), 1e21, 0.5, nil, true, "1.0"}, "d": []float32{3, 0.1},
		"e": map[name]any{"f": uint64(1 << 63)}, "g": json.Number("7"), "h": []byte("x"), "i": new(4.0), "j": [1]any{[]any(nil)},
	}}
	want := "{'a': 2.0, 'b': 2, 'c': [1.0, 1, 1e+21, 0.5, None, True, '1.0'], 'd': [3.0, 0.1], " +
		"'e': {'f': 9223372036854775808}, 'g': 7, 'h': 'eA==', 'i': 4.0, 'j': [None]}"
	if got, err := act(t.Context(), t, start(t, s), "given"); err != nil || got != want {
		t.Errorf("the constructor is given %s, want %s, %v", got, want, err)
	}
}

func TestErrorsInPythonAreToldApart(t *testing.T) {
	t.Parallel()
	i := start(t, setup("subject:Subject"))
	_, err := act(t.Context(), t, i, "raises on purpose")
	if err == nil || err.Error() != "ValueError: on purpose" {
		t.Errorf("error is %v", err)
	}
	_, err = act(t.Context(), t, i, "refuses this one")
	if !errors.Is(err, runnables.ErrInput) || !strings.Contains(err.Error(), "this one") {
		t.Errorf("error is %v", err)
	}
	_, err = act(t.Context(), t, i, "hoard")
	if !runnables.IsRetryable(err) || !strings.Contains(err.Error(), "out of memory") {
		t.Errorf("error is %v", err)
	}
	for what, says := range map[string]string{
		"exit 3": "exited with status 3", "crash": `signal "segmentation fault"`, "thread": `signal "aborted"`,
	} {
		if _, err = act(t.Context(), t, i, what); !errors.Is(err, runnables.ErrCrashed) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: error is %v", what, err)
		}
	}
	if err := i.(runnables.Supervised).Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err = act(ctx, t, i, "hang"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v", err)
	}
	if said, err := act(t.Context(), t, i, "say back"); err != nil || said != "back" {
		t.Errorf("%q, %v", said, err)
	}
}

// journal is a log that tests read.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

func (j *journal) has(s string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Contains(j.text.String(), s)
}

func TestWhatPythonWritesIsLogged(t *testing.T) {
	t.Parallel()
	s := setup("subject:Subject")
	var log journal
	s.Log = slog.New(slog.NewTextHandler(&log, nil))
	i := start(t, s)
	if _, err := act(t.Context(), t, i, "write hello"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for _, line := range []string{
		`stream=stdout line="subject was imported"`, "stream=stdout line=hello", `stream=stdout line="raw hello"`, `stream=stderr line="err hello"`,
	} {
		for !log.has(line) {
			select {
			case <-tick.C:
			case <-ctx.Done():
				t.Fatalf("the log has no %s", line)
			}
		}
	}
}

func TestPythonIsToldItsPlaceAndNoSecrets(t *testing.T) {
	t.Setenv("EKIBEN_REDIS_URL", "redis://:secret@host")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("PYTHONPATH", "/somewhere")
	s := setup("subject:Subject")
	s.Place = runnables.Place{Devices: []string{"1"}, Threads: 3}
	s.Runner.Env = map[string]string{"OWN": "of the runner"}
	i := start(t, s)
	dir, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for what, want := range map[string]string{
		"env CUDA_VISIBLE_DEVICES": "1", "env OMP_NUM_THREADS": "3", "cwd": dir,
		"imported CUDA_VISIBLE_DEVICES": "1", "imported OMP_NUM_THREADS": "3", "imported EKIBEN_NUM_THREADS": "3",
		"imported OWN": "of the runner", "imported EKIBEN_INSTANCE": "0",
	} {
		if said, err := act(t.Context(), t, i, what); err != nil || said != want {
			t.Errorf("%s is %q, want %q, %v", what, said, want, err)
		}
	}
	if env, err := act(t.Context(), t, i, "environ"); err != nil || strings.Contains(env, "secret") || !strings.Contains(env, ":/somewhere\n") {
		t.Errorf("%s, %v", env, err)
	}
}

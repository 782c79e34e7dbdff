//go:build unix

package process_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/runnables/process"
	"github.com/ekiben/ekiben/tensor"
)

// role tells this binary, started once more, what to be.
const role = "TEST_ROLE"

// wrapper is a script that a worker starts its instance with, whose program is $0.
const wrapper = "TEST_WRAPPER"

func TestMain(m *testing.M) {
	switch name := os.Getenv(role); name {
	case "":
		os.Exit(m.Run())
	case "instance":
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM) // as programs do
		defer stop()
		if err := process.Serve(ctx, subjects()); err != nil {
			fmt.Fprintln(os.Stderr, "serve:", err)
			os.Exit(1)
		}
	case "holder":
		beHolder()
	case "worker":
		beWorker()
	case "secretive":
		beSecretive()
	case "warden":
		process.Ward(os.Stdin)
	default:
		beRude(name)
	}
}

// hold keeps a process from ending, though it be killed, until let go.
func hold(t *testing.T, pid int) (let func()) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), self(t).Path)
	cmd.Env = append(os.Environ(), role+"=holder", fmt.Sprintf("HELD=%d", pid))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	let = sync.OnceFunc(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	t.Cleanup(let)
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "held\n" {
		t.Skipf("processes cannot be held here: %q, %v", line, err)
	}
	return let
}

// self is the command that starts this binary as an instance.
func self(tb testing.TB) process.Command {
	tb.Helper()
	path, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	return process.Command{Path: path}
}

// setup is that of a runner of a subject.
func setup(tb testing.TB, runnable string) runnables.Setup {
	tb.Helper()
	r := runnables.Runner{Name: "subject", Runnable: runnable, Env: map[string]string{role: "instance", "GORACE": "atexit_sleep_ms=0"}}
	return runnables.Setup{Runner: r.WithDefaults(), Log: logTo(tb)}
}

// logTo is a log that shows when the test has failed.
func logTo(tb testing.TB) *slog.Logger {
	tb.Helper()
	if testing.Verbose() {
		return slog.New(slog.NewTextHandler(tb.Output(), nil))
	}
	return slog.New(slog.DiscardHandler)
}

// start starts an instance that ends with the test.
func start(tb testing.TB, s runnables.Setup) *process.Instance {
	tb.Helper()
	i, err := process.Start(tb.Context(), self(tb), s)
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

// method finds a method of an instance.
func method(tb testing.TB, i runnables.Runnable, name string) runnables.Method {
	tb.Helper()
	methods := i.Methods()
	n := slices.IndexFunc(methods, func(m runnables.Method) bool { return m.Name == name })
	if n < 0 {
		tb.Fatalf("there is no method %q", name)
	}
	return methods[n]
}

// act has the instance do things, a row each, and returns what it says of each.
func act(ctx context.Context, i runnables.Runnable, rows ...string) ([]string, error) {
	t, err := tensor.OfStrings([]int{len(rows)}, rows)
	if err != nil {
		return nil, err
	}
	for _, m := range i.Methods() {
		if m.Name != "act" {
			continue
		}
		out, err := m.Run(ctx, []tensor.Tensor{t})
		if len(out) == 0 {
			return nil, err
		}
		var said []string
		for _, item := range out[0].Items() {
			said = append(said, string(item))
		}
		return said, err
	}
	return nil, fmt.Errorf("there is no method act")
}

// must is act where it must succeed.
func must(tb testing.TB, i runnables.Runnable, rows ...string) []string {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), time.Minute)
	defer cancel()
	said, err := act(ctx, i, rows...)
	if err != nil {
		tb.Fatal(err)
	}
	return said
}

// of is a tensor of Go values.
func of[T tensor.Element](tb testing.TB, values []T, shape ...int) tensor.Tensor {
	tb.Helper()
	t, err := tensor.Of(shape, values)
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

// ramp is a tensor of n float32s, no two alike nearby.
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
	return of(tb, values, shape...)
}

// eventually waits for what must come.
func eventually(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			tb.Fatalf("did not come: %s", what)
		}
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

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func (j *journal) count(s string) int { return strings.Count(j.String(), s) }

func (j *journal) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(io.Writer(j), nil))
}

//go:build unix

package process_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

// subjects are the kinds of the processes that tests start.
func subjects() runnables.Kinds {
	return runnables.Kinds{
		"subject": {New: newSubject, Resources: runnables.Resources{MultiThreading: true, Custom: []string{"tpu"}}},
		"broken": {New: func(context.Context, runnables.Setup) (runnables.Runnable, error) {
			return nil, errors.New("no such\nfile")
		}},
		"panics": {New: func(context.Context, runnables.Setup) (runnables.Runnable, error) { panic("at the disco") }},
		"dies": {New: func(context.Context, runnables.Setup) (runnables.Runnable, error) {
			fmt.Println("famous last words")
			os.Exit(7)
			return nil, nil
		}},
		"late": {New: func(ctx context.Context, s runnables.Setup) (runnables.Runnable, error) {
			time.Sleep(3 * time.Second)
			return newSubject(ctx, s)
		}},
		"slow": {New: func(context.Context, runnables.Setup) (runnables.Runnable, error) { select {} }},
		"bad": {New: func(context.Context, runnables.Setup) (runnables.Runnable, error) {
			return &runnables.Instance{}, nil
		}},
		"fickle":  {New: newFickle},
		"hopeful": {New: newHopeful},
	}
}

// newSubject makes an instance that does as it is told.
func newSubject(_ context.Context, s runnables.Setup) (runnables.Runnable, error) {
	float := runnables.ValueSpec{Name: "x", DType: tensor.FP32, Shape: []int{-1, -1}}
	across := runnables.ValueSpec{Name: "x", DType: tensor.FP32, Shape: []int{-1, -1}}
	text := runnables.ValueSpec{Name: "what", DType: tensor.Bytes, Shape: []int{-1}, Content: runnables.Text}
	scalar := runnables.ValueSpec{Name: "x", DType: tensor.FP64, Shape: []int{}}
	sum := runnables.ValueSpec{Name: "sum", DType: tensor.FP32, Shape: []int{-1}}
	place := runnables.ValueSpec{Name: "place", DType: tensor.Bytes, Shape: []int{-1}}
	method := func(name string, dim runnables.BatchDim, in, out []runnables.ValueSpec, run func(context.Context, []tensor.Tensor) ([]tensor.Tensor, error)) runnables.Method {
		return runnables.Method{Run: run, Signature: runnables.Signature{Name: name, Batchable: true, BatchDim: dim, Inputs: in, Outputs: out}}
	}
	one := func(vs ...runnables.ValueSpec) []runnables.ValueSpec { return vs }
	renamed := func(v runnables.ValueSpec, name string) runnables.ValueSpec { v.Name = name; return v }
	optional := func(v runnables.ValueSpec) runnables.ValueSpec { v.Optional = true; return v }
	single := method("scalar", runnables.BatchDim{}, one(scalar), one(scalar), echo)
	single.Batchable = false
	instance, err := runnables.New(
		method("echo", runnables.BatchDim{}, one(float), one(renamed(float, "result")), echo),
		method("across", runnables.BatchDim{In: 1, Out: 1}, one(across), one(renamed(across, "result")), echo),
		method("both", runnables.BatchDim{}, one(float, renamed(text, "t")), one(renamed(float, "a"), renamed(text, "b")), echo),
		method("sum", runnables.BatchDim{}, one(float), one(sum), sums),
		method("first", runnables.BatchDim{}, one(float), one(sum), first),
		method("either", runnables.BatchDim{}, one(optional(renamed(float, "a")), optional(renamed(float, "b"))), one(renamed(float, "result")), either),
		method("where", runnables.BatchDim{}, one(float), one(place), where),
		method("act", runnables.BatchDim{}, one(text), one(renamed(text, "said")), (&actor{setup: s}).run),
		single,
	)
	if err != nil {
		return nil, err
	}
	return instance, nil
}

func echo(_ context.Context, inputs []tensor.Tensor) ([]tensor.Tensor, error) { return inputs, nil }

// sums adds the columns of each row.
func sums(_ context.Context, inputs []tensor.Tensor) ([]tensor.Tensor, error) {
	values, err := tensor.Values[float32](inputs[0])
	if err != nil {
		return nil, err
	}
	rows, width := inputs[0].Shape()[0], inputs[0].Shape()[1]
	out := make([]float32, rows)
	for r := range out {
		for _, v := range values[r*width : (r+1)*width] {
			out[r] += v
		}
	}
	t, err := tensor.Of([]int{rows}, out)
	return []tensor.Tensor{t}, err
}

// either is the argument that is there.
func either(_ context.Context, inputs []tensor.Tensor) ([]tensor.Tensor, error) {
	if a := inputs[0]; a.DType().Valid() {
		return []tensor.Tensor{a}, nil
	}
	return []tensor.Tensor{inputs[1]}, nil
}

// first is the first column.
func first(_ context.Context, inputs []tensor.Tensor) ([]tensor.Tensor, error) {
	rows, data := inputs[0].Shape()[0], inputs[0].Data()
	width := len(data) / rows
	out := make([]byte, 0, 4*rows)
	for r := range rows {
		out = append(out, data[r*width:r*width+4]...)
	}
	t, err := tensor.New(tensor.FP32, []int{rows}, out)
	return []tensor.Tensor{t}, err
}

// where says for each row which file the argument's memory is of.
func where(_ context.Context, inputs []tensor.Tensor) ([]tensor.Tensor, error) {
	file, err := mappingOf(inputs[0].Data())
	if err != nil {
		return nil, err
	}
	rows := make([]string, inputs[0].Shape()[0])
	for i := range rows {
		rows[i] = file
	}
	t, err := tensor.OfStrings([]int{len(rows)}, rows)
	return []tensor.Tensor{t}, err
}

// mappingOf is the inode of the file that memory is mapped from, and the offset of
// b in it; empty for other memory.
func mappingOf(b []byte) (string, error) {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return "", err
	}
	at := uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b))))
	for line := range strings.Lines(string(maps)) {
		fields := strings.Fields(line)
		from, to, _ := strings.Cut(fields[0], "-")
		lo, _ := strconv.ParseUint(from, 16, 64)
		hi, _ := strconv.ParseUint(to, 16, 64)
		offset, _ := strconv.ParseUint(fields[2], 16, 64)
		if lo <= at && at < hi && fields[4] != "0" {
			return fmt.Sprintf("inode %s at %d", fields[4], at-lo+offset), nil
		}
	}
	return "", nil
}

// actor does what each row says.
type actor struct {
	setup runnables.Setup
	kept  [][]byte
}

func (a *actor) run(ctx context.Context, inputs []tensor.Tensor) ([]tensor.Tensor, error) {
	said := make([]string, 0, inputs[0].Len())
	failed := runnables.RowErrors{}
	for row, item := range inputs[0].Items() {
		verb, rest, _ := strings.Cut(string(item), " ")
		text, err := a.act(ctx, verb, rest)
		if rows, ok := errors.AsType[rowError](err); ok {
			failed[row], err = rows.error, nil
		}
		if err != nil {
			return nil, err
		}
		if text != nothing {
			said = append(said, text)
		}
	}
	t, err := tensor.OfStrings([]int{len(said)}, said)
	if err == nil && len(failed) > 0 {
		err = failed
	}
	return []tensor.Tensor{t}, err
}

// rowError fails a row, not the batch.
type rowError struct{ error }

// nothing is what is said by who says nothing.
const nothing = "\x00"

func (a *actor) act(ctx context.Context, verb, rest string) (string, error) {
	switch verb {
	case "say":
		return rest, nil
	case "silent":
		return nothing, nil
	case "pid":
		return strconv.Itoa(os.Getpid()), nil
	case "env":
		return os.Getenv(rest), nil
	case "environ":
		return strings.Join(os.Environ(), "\n"), nil
	case "setup":
		return fmt.Sprint(a.setup.Runner.Target(), a.setup.Runner.Init, a.setup.Instance, a.setup.Place.Devices, a.setup.Place.Threads), nil
	case "limit":
		most, _ := a.setup.Runner.Limits(rest)
		return strconv.Itoa(most), nil
	case "alive":
		return "", context.Cause(ctx)
	case "print":
		fmt.Println(rest)
		return "", nil
	case "child": // that would live for ever, and outlive its parent
		cmd := exec.CommandContext(context.WithoutCancel(ctx), "sleep", "1000")
		err := cmd.Start()
		return strconv.Itoa(cmd.Process.Pid), err
	case "files":
		return "", exec.CommandContext(ctx, "sh", "-c", "! { true <&3 || true <&4; } 2>/dev/null").Run()
	case "fail":
		return "", failure(rest)
	case "failrow":
		return "", rowError{failure(rest)}
	default:
		return "", a.fault(verb, rest)
	}
}

// failure is an error of each sort.
func failure(sort string) error {
	switch sort {
	case "input":
		return runnables.InputErrorf("too long")
	case "retryable":
		return runnables.Retryable(errors.New("busy"))
	case "output":
		return fmt.Errorf("%w: crooked", runnables.ErrOutput)
	default:
		return errors.New(sort)
	}
}

// fault does what a process should not.
func (a *actor) fault(verb, rest string) error {
	switch verb {
	case "last":
		fmt.Fprintln(os.Stderr, rest)
		os.Exit(5)
	case "signals": // to itself, as a terminal or a supervisor would send them
		for range 3 {
			_ = syscall.Kill(os.Getpid(), syscall.SIGINT)
			_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
			time.Sleep(10 * time.Millisecond)
		}
	case "exit":
		status, _ := strconv.Atoi(rest)
		os.Exit(status)
	case "signal":
		n, _ := strconv.Atoi(rest)
		debug.SetTraceback("none")
		_ = syscall.Kill(os.Getpid(), syscall.Signal(n))
		time.Sleep(time.Minute) // until it has come
	case "hang":
		select {}
	case "desert": // to the group of the worker
		group, err := syscall.Getpgid(os.Getppid())
		if err != nil {
			return err
		}
		return syscall.Setpgid(0, group)
	case "doze":
		time.Sleep(1500 * time.Millisecond)
	case "nap":
		time.Sleep(300 * time.Millisecond)
	case "panic":
		panic(rest)
	case "leak": // more than it may have
		limit := syscall.Rlimit{Cur: 1 << 30, Max: 1 << 30}
		if err := syscall.Setrlimit(syscall.RLIMIT_AS, &limit); err != nil {
			return err
		}
		for {
			a.kept = append(a.kept, make([]byte, 64<<20))
		}
	default:
		return fmt.Errorf("what is %q?", verb)
	}
	return nil
}

// newFickle makes an instance with another signature each time, as far as its
// directory tells.
func newFickle(_ context.Context, s runnables.Setup) (runnables.Runnable, error) {
	i, err := newSubject(context.Background(), s)
	if err != nil {
		return nil, err
	}
	mark := fmt.Sprint(s.Runner.Init["dir"], "/again")
	if _, err := os.Stat(mark); err != nil {
		return i, os.WriteFile(mark, nil, 0o600)
	}
	return runnables.New(i.Methods()[1:]...)
}

// newHopeful fails the second and the third time.
func newHopeful(_ context.Context, s runnables.Setup) (runnables.Runnable, error) {
	file, err := os.OpenFile(fmt.Sprint(s.Runner.Init["dir"], "/tries"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	if _, err := file.WriteString("."); err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if n := info.Size(); n == 2 || n == 3 {
		return nil, fmt.Errorf("try %d is for nothing", n)
	}
	return newSubject(context.Background(), s)
}

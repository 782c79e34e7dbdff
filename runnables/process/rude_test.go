//go:build unix

package process_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/runnables/process"
	"github.com/ekiben/ekiben/tensor"
)

// rude are processes that answer a call with what they should not, by name, and
// what is said of them.
func rude() map[string]string {
	return map[string]string{
		"kind":        "unknown kind 77",
		"reserved":    "reserved bits",
		"length":      "the most is",
		"id":          "with id 9",
		"start":       "a START frame with id 0",
		"short":       "a body of 3 bytes",
		"tail":        "a RESULT frame",
		"beyond":      "data up to",
		"far":         "impossible",
		"unaligned":   "no multiple of 64",
		"no_region":   "in a region, but none is named",
		"other_slot":  "region 1, want 0",
		"size":        "have 8 bytes, not 4",
		"dims":        "overflows",
		"type":        "data type 99",
		"rank":        "rank is 9",
		"cut":         "cut off",
		"omitted":     "left out",
		"noise":       "unknown kind",
		"many":        "tensors in a body",
		"huge_region": "map ",
		"protocol":    "the process says: what?",
	}
}

// beRude is a process that says it is ready and then answers every call with
// nonsense.
func beRude(what string) {
	file := os.NewFile(3, "channel")
	conn, err := net.FileConn(file)
	if err != nil {
		panic(err)
	}
	readFrame(conn)
	spec := runnables.ValueSpec{Name: "x", DType: tensor.FP32, Shape: []int{-1}}
	write(conn, message(2, 0, map[string]any{"protocol": 1, "methods": []runnables.Signature{{
		Name: "run", Inputs: []runnables.ValueSpec{spec}, Outputs: []runnables.ValueSpec{spec},
	}}}))
	for {
		if what == "noise_early" {
			write(conn, []byte(strings.Repeat("hello, I am a print\n", 10)))
			what = "silence"
		}
		id := readFrame(conn)
		switch what {
		case "closes":
			_ = syscall.Shutdown(3, syscall.SHUT_RDWR)
			select {}
		case "silence":
			continue
		case "half":
			write(conn, answer(id, nil)[:10])
			os.Exit(4)
		case "items":
			write(conn, process.EncodePayload(5, id, process.Payload{Rows: 1, Slot: process.NoSlot, Values: []process.Value{
				{DType: tensor.Bytes, Shape: []int{1}, Size: 4, Data: []byte{255, 255, 0, 0}},
			}}))
		case "shrinks":
			shrink(conn, id)
		default:
			write(conn, nonsense(what, id))
		}
	}
}

// shrink answers in a region and makes it shorter at once.
func shrink(conn io.Writer, id uint64) {
	if err := syscall.Ftruncate(5, 1<<20); err != nil {
		panic(err)
	}
	err := syscall.Ftruncate(5, 0)
	if !errors.Is(err, syscall.EPERM) {
		fmt.Println("the region was made shorter:", err)
		os.Exit(9)
	}
	write(conn, answer(id, func(p *process.Payload) {
		p.Slot = 0
		p.Values[0] = process.Value{DType: tensor.FP32, Shape: []int{1 << 18}, Region: true, Size: 1 << 20}
	}))
}

// nonsense is an answer that is none.
func nonsense(what string, id uint64) []byte {
	body := func(kind byte, b []byte) []byte {
		frame := binary.LittleEndian.AppendUint32(nil, uint32(len(b)))
		frame = append(frame, kind, 0, 0, 0)
		return append(binary.LittleEndian.AppendUint64(frame, id), b...)
	}
	value := func(change func(*process.Value)) []byte {
		return answer(id, func(p *process.Payload) { p.Slot = 0; change(&p.Values[0]) })
	}
	switch what {
	case "kind":
		return body(77, nil)
	case "reserved":
		b := answer(id, nil)
		b[6] = 1
		return b
	case "length":
		b := answer(id, nil)
		binary.LittleEndian.PutUint32(b, 1<<31)
		return b
	case "id":
		return answer(9, nil)
	case "start":
		b := answer(0, nil)
		b[4] = 1
		return b
	case "short":
		return body(5, []byte{1, 2, 3})
	case "tail":
		return answer(id, func(p *process.Payload) { p.Tail = []byte("{]") })
	case "beyond":
		return value(func(v *process.Value) { v.Region, v.Data, v.Offset = true, nil, 1<<40 })
	case "far":
		return value(func(v *process.Value) { v.Region, v.Data, v.Offset = true, nil, -64 })
	case "unaligned":
		return value(func(v *process.Value) { v.Region, v.Data, v.Offset = true, nil, 4 })
	case "no_region":
		return answer(id, func(p *process.Payload) { p.Values[0].Region, p.Values[0].Data = true, nil })
	case "other_slot":
		return answer(id, func(p *process.Payload) { p.Slot = 1 })
	case "size":
		return value(func(v *process.Value) { v.Shape = []int{2} })
	case "dims":
		return value(func(v *process.Value) { v.Shape = []int{1 << 40, 1 << 40} })
	case "type":
		return value(func(v *process.Value) { v.DType = 99 })
	case "rank":
		return value(func(v *process.Value) { v.Shape = make([]int, 9) })
	case "cut":
		return body(5, value(func(v *process.Value) { v.Shape = make([]int, 8) })[16:16+16+24])
	case "omitted":
		return value(func(v *process.Value) { *v = process.Value{Omitted: true} })
	case "noise":
		return []byte("Downloading: 100%|##########| 10/10 [00:01<00:00]")
	case "many":
		b := answer(id, nil)
		b[18], b[19] = 255, 255
		return b
	case "huge_region":
		if err := syscall.Ftruncate(5, 1<<50); err != nil {
			panic(err)
		}
		return value(func(v *process.Value) { v.Region, v.Data, v.Shape, v.Size = true, nil, []int{1 << 47}, 1<<49 })
	case "protocol":
		return message(6, id, map[string]string{"reason": "protocol", "message": "what?"})
	default:
		panic("what is " + what)
	}
}

// answer is a good answer, changed.
func answer(id uint64, change func(*process.Payload)) []byte {
	p := process.Payload{Rows: 1, Slot: process.NoSlot, Values: []process.Value{
		{DType: tensor.FP32, Shape: []int{1}, Size: 4, Data: []byte{0, 0, 128, 63}},
	}}
	if change != nil {
		change(&p)
	}
	return process.EncodePayload(5, id, p)
}

func message(kind uint8, id uint64, v any) []byte {
	b, err := process.EncodeMessage(kind, id, v)
	if err != nil {
		panic(err)
	}
	return b
}

func write(w io.Writer, b []byte) {
	if _, err := w.Write(b); err != nil {
		panic(err)
	}
}

// readFrame reads a frame and returns its id; at the end it ends the process.
func readFrame(r io.Reader) uint64 {
	b := make([]byte, 16)
	if _, err := io.ReadFull(r, b); err != nil {
		os.Exit(0)
	}
	_, id, length, err := process.ParseHeader(b)
	if err != nil {
		panic(err)
	}
	if _, err := io.CopyN(io.Discard, r, int64(length)); err != nil {
		panic(err)
	}
	return id
}

// beWorker is a worker with an instance that hangs, which it starts as it is told. It
// says who that is and who its child, and lives until it is killed.
func beWorker() {
	ctx := context.Background()
	path, err := os.Executable()
	if err != nil {
		panic(err)
	}
	log := slog.New(slog.NewTextHandler(os.Stdout, nil))
	process.KeepWarden(process.Command{Path: path, Env: map[string]string{role: "warden"}}, log)
	command := process.Command{Path: path}
	if script := os.Getenv(wrapper); script != "" {
		command = process.Command{Path: "/bin/sh", Args: []string{"-c", script, path}}
	}
	r := runnables.Runner{Name: "subject", Runnable: "subject", Env: map[string]string{role: "instance"}}
	i, err := process.Start(ctx, command, runnables.Setup{Runner: r.WithDefaults(), Log: log})
	if err != nil {
		panic(err)
	}
	said, err := act(ctx, i, "pid", "child")
	if err != nil {
		panic(err)
	}
	fmt.Println(said[0], said[1])
	_, err = act(ctx, i, "print I hang", "hang") // deaf for the end of its channel
	panic(err)
}

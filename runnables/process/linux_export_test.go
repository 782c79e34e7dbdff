//go:build linux

package process

import (
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// OutputSlots is how many regions of outputs a process has.
const OutputSlots = outputSlots

// InputInode is the inode of an instance's region of inputs.
func InputInode(i *Instance) string {
	info, err := i.child.input.file.Stat()
	if err != nil {
		panic(err)
	}
	return strconv.FormatUint(info.Sys().(*syscall.Stat_t).Ino, 10)
}

// InputBytes are the first n bytes of that region.
func InputBytes(i *Instance, n int) []byte { return i.child.input.mapped[:n] }

// Tidy gives back what shared memory was not needed since the time before, and
// returns how many bytes the regions have.
func Tidy(t *testing.T, i *Instance) (inputs, outputs int64) {
	t.Helper()
	i.child.calling.Lock()
	defer i.child.calling.Unlock()
	i.child.tidied = time.Time{}
	i.child.tidy()
	count := func(r *region) int64 {
		n, err := memoryOf(r.file)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for _, r := range i.child.slots.regions {
		outputs += count(r)
	}
	return count(i.child.input), outputs
}

// Warden is our end of a warden.
type Warden struct{ w *warden }

// NewWarden makes one that is not that of this process.
func NewWarden(command Command, log *slog.Logger) Warden {
	return Warden{&warden{command: command, log: log, groups: map[int]bool{}}}
}

// Begin and End are of process groups.
func (w Warden) Begin(group int) { w.w.begin(group) }

// End is the opposite of Begin.
func (w Warden) End(group int) { w.w.end(group) }

// PID is the number of its process, 0 while there is none.
func (w Warden) PID() int {
	w.w.mu.Lock()
	defer w.w.mu.Unlock()
	if w.w.cmd == nil {
		return 0
	}
	return w.w.cmd.Process.Pid
}

// ComeUp is a process that was just started and has written these lines; up says that
// it is ready.
func ComeUp(log *slog.Logger, wrote ...string) (up func()) {
	c := &child{output: newOutput(log), log: log, born: time.Now(), cmd: &exec.Cmd{Process: &os.Process{Pid: 4711}}}
	for _, line := range wrote {
		c.output.line("stdout", line)
	}
	return c.remind()
}

// Unread is how much the process has not read of what it was told, in bytes.
func (w Warden) Unread(t *testing.T) int {
	t.Helper()
	raw, err := w.w.pipe.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	if err := raw.Control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), unix.TIOCINQ) }); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Leave does what the end of this process would.
func (w Warden) Leave() error {
	w.w.mu.Lock()
	defer w.w.mu.Unlock()
	clear(w.w.groups)
	return w.w.pipe.Close()
}

// PID is the number of an instance's process.
func PID(i *Instance) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.child == nil {
		return 0
	}
	return i.child.cmd.Process.Pid
}

// MemoryKillsIn is how many processes were killed for want of memory, by the first
// of the files that says.
func MemoryKillsIn(files ...string) int { return killsIn(files...) }

// HowItEnded says how a process ended.
func HowItEnded(state *os.ProcessState, starved bool) string { return howItEnded(state, starved) }

// UseCopiedRegions makes the regions of outputs ones that cannot be sealed.
func UseCopiedRegions(t *testing.T, i *Instance) {
	t.Helper()
	i.child.calling.Lock()
	defer i.child.calling.Unlock()
	i.child.input.copied = true
	for _, r := range i.child.slots.regions {
		r.copied = true
	}
}

// CopiedRegion is a region that is not mapped: how one side writes to it, and the
// other reads.
func CopiedRegion(t *testing.T) (write func(at int, b []byte) error, read func(at, n int) ([]byte, error)) {
	t.Helper()
	ours, err := newCopiedRegion()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Dup(int(ours.file.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	theirs := &region{file: os.NewFile(uintptr(fd), "region"), copied: true}
	t.Cleanup(func() {
		if err := ours.close(); err != nil {
			t.Error(err)
		}
		if err := theirs.close(); err != nil {
			t.Error(err)
		}
	})
	write = func(at int, b []byte) error {
		return ours.write(at, len(b), func(dst []byte) error { copy(dst, b); return nil })
	}
	read = func(at, n int) ([]byte, error) {
		if err := theirs.reach(at + n); err != nil {
			return nil, err
		}
		return theirs.read(at, n)
	}
	return write, read
}

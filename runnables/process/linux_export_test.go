//go:build linux

package process

import (
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"
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

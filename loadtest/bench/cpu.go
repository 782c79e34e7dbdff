package bench

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// clockTick is the unit of processor times in /proc: USER_HZ, which is 100 on
// every architecture that Linux and Go share.
const clockTick = time.Second / 100

// processorTime is how long the process has used processors, in its own code
// and in the kernel's, from /proc.
func (p *process) processorTime() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	// pid (name) state …: the name may have spaces; utime and stime are fields
	// 14 and 15, the 12th and 13th behind the name.
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, fmt.Errorf("stat of %s: %q", p.name, stat)
	}
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("stat of %s: %w", p.name, err)
		}
		ticks += n
	}
	return time.Duration(ticks) * clockTick, nil
}

// ownProcessorTime is that of this process, the load generator.
func ownProcessorTime() (time.Duration, error) {
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		return 0, err
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano()), nil
}

// processorTimes are those of the load generator and of the given processes, in
// their order.
func processorTimes(processes []*process) ([]time.Duration, error) {
	own, err := ownProcessorTime()
	if err != nil {
		return nil, err
	}
	times := []time.Duration{own}
	for _, p := range processes {
		t, err := p.processorTime()
		if err != nil {
			return nil, err
		}
		times = append(times, t)
	}
	return times, nil
}

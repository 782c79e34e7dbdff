//go:build unix

package process

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// howItEnded says how a process ended, as the rest of a sentence about it.
// starved: the kernel has killed for want of memory while it lived.
func howItEnded(state *os.ProcessState, starved bool) string {
	status, ok := state.Sys().(syscall.WaitStatus)
	switch {
	case !ok:
		return state.String()
	case !status.Signaled():
		return fmt.Sprintf("exited with status %d", state.ExitCode())
	case status.Signal() != syscall.SIGKILL:
		return fmt.Sprintf("was killed by signal %q", status.Signal())
	case starved:
		return "was killed: out of memory"
	default:
		return "was killed by SIGKILL, which is what happens when memory runs out"
	}
}

// memoryKills is how many processes of this one's control group the kernel has
// killed for want of memory, 0 where that cannot be known.
func memoryKills() int {
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return 0
	}
	kills := 0
	for line := range strings.Lines(string(groups)) {
		// number:controllers:path; version 2 has the number 0 and no controllers.
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		switch {
		case parts[0] == "0" && parts[1] == "":
			kills += killsIn("/sys/fs/cgroup"+parts[2]+"/memory.events", "/sys/fs/cgroup/memory.events")
		case strings.Contains(","+parts[1]+",", ",memory,"):
			kills += killsIn("/sys/fs/cgroup/memory"+parts[2]+"/memory.oom_control", "/sys/fs/cgroup/memory/memory.oom_control")
		}
	}
	return kills
}

// killsIn reads the line oom_kill of the first of the files that has one. In a
// container the path of the control group may be that of the host, and its files
// lie at the root.
func killsIn(files ...string) int {
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			if count, ok := strings.CutPrefix(line, "oom_kill "); ok {
				n, _ := strconv.Atoi(strings.TrimSpace(count))
				return n
			}
		}
	}
	return 0
}

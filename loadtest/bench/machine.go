package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// machine describes where the benchmarks ran, in one line.
func machine(ctx context.Context) string {
	return fmt.Sprintf("%d cores (%s), %s, Linux %s, %s %s/%s",
		runtime.NumCPU(), processor(), redisVersion(ctx), kernel(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

func processor() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "processor unknown"
}

func kernel() string {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(release))
}

// redisVersion finds "v=7.0.15" in what redis-server says of itself.
func redisVersion(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "redis-server", "--version").Output()
	if err != nil {
		return "Redis unknown"
	}
	for field := range strings.FieldsSeq(string(out)) {
		if version, ok := strings.CutPrefix(field, "v="); ok {
			return "Redis " + version
		}
	}
	return "Redis unknown"
}

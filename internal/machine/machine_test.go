package machine_test

import (
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/ekiben/ekiben/internal/machine"
)

const (
	v2Mount = "29 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
	v1Mount = "30 23 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n" +
		"31 23 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n" +
		"32 23 0:29 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
	v1InDocker = "31 23 0:28 /docker/7a /sys/fs/cgroup/cpu,cpuacct ro master:9 - cgroup cgroup rw,cpu,cpuacct\n"
)

func TestTheSmallestQuotaCounts(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		files map[string]string
		want  float64
		from  string
	}{
		"no control groups": {nil, 8, "scheduled"},
		"version 2 in a container": {map[string]string{
			"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": v2Mount, "sys/fs/cgroup/cpu.max": "250000 100000\n",
		}, 2.5, "version 2"},
		"version 2, on a host, of a group above": {map[string]string{
			"proc/self/cgroup": "0::/a.slice/b.service\n", "proc/self/mountinfo": v2Mount,
			"sys/fs/cgroup/a.slice/b.service/cpu.max": "max 100000\n", "sys/fs/cgroup/a.slice/cpu.max": "50000 100000\n",
		}, 0.5, "version 2"},
		"version 2, the smaller of two": {map[string]string{
			"proc/self/cgroup": "0::/a/b\n", "proc/self/mountinfo": v2Mount,
			"sys/fs/cgroup/a/b/cpu.max": "100000 100000\n", "sys/fs/cgroup/a/cpu.max": "300000 100000\n",
		}, 1, "version 2"},
		"version 2 without a limit": {map[string]string{
			"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": v2Mount, "sys/fs/cgroup/cpu.max": "max 100000\n",
		}, 8, "scheduled"},
		"more than the cores": {map[string]string{
			"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": v2Mount, "sys/fs/cgroup/cpu.max": "1600000 100000\n",
		}, 8, "scheduled"},
		"version 1 on a host": {map[string]string{
			"proc/self/cgroup": "4:memory:/m\n3:cpu,cpuacct:/c\n2:cpuset:/s\n", "proc/self/mountinfo": v1Mount,
			"sys/fs/cgroup/cpu,cpuacct/c/cpu.cfs_quota_us": "300000\n", "sys/fs/cgroup/cpu,cpuacct/c/cpu.cfs_period_us": "200000\n",
			"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
		}, 1.5, "version 1"},
		"version 1 in a container": {map[string]string{
			"proc/self/cgroup": "3:cpu,cpuacct:/docker/7a\n", "proc/self/mountinfo": v1InDocker,
			"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "400000\n", "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
		}, 4, "version 1"},
		"version 1 in another container's tree": {map[string]string{
			"proc/self/cgroup": "3:cpu,cpuacct:/docker/7abc\n", "proc/self/mountinfo": v1InDocker,
			"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "200000\n", "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
		}, 2, "version 1"},
		"both versions": {map[string]string{
			"proc/self/cgroup": "3:cpu,cpuacct:/c\n0::/u\n", "proc/self/mountinfo": v1Mount + "29 23 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
			"sys/fs/cgroup/cpu,cpuacct/c/cpu.cfs_quota_us": "300000", "sys/fs/cgroup/cpu,cpuacct/c/cpu.cfs_period_us": "100000",
		}, 3, "version 1"},
		"garbage": {map[string]string{
			"proc/self/cgroup": "what\n0::/\n", "proc/self/mountinfo": "x y z\n" + v2Mount + " - \n", "sys/fs/cgroup/cpu.max": "0 0 0",
		}, 8, "scheduled"},
		"no mounts": {map[string]string{"proc/self/cgroup": "0::/\n"}, 8, "scheduled"},
		"a mount point with a space": {map[string]string{
			"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": `29 23 0:26 / /my\040groups rw - cgroup2 cgroup2 rw` + "\n", "my groups/cpu.max": "100000 100000",
		}, 1, "version 2"},
	} {
		root := fstest.MapFS{}
		for file, text := range tt.files {
			root[file] = &fstest.MapFile{Data: []byte(text)}
		}
		got := machine.Find(root, 8)
		if got.Count != tt.want || !strings.Contains(got.From, tt.from) {
			t.Errorf("%s: %+v, want %v from %s", name, got, tt.want, tt.from)
		}
	}
}

func TestThisMachineHasCores(t *testing.T) {
	t.Parallel()
	got := machine.Find(os.DirFS("/"), runtime.NumCPU())
	if !(got.Count > 0 && got.Count <= float64(runtime.NumCPU())) || got.From == "" {
		t.Errorf("%+v of %d cores", got, runtime.NumCPU())
	}
}

// Package machine finds out how many CPU cores this process may use: those that
// it may be scheduled on, and no more than its control groups have a quota for,
// of version 1 or 2. A quota can be a fraction of a core.
package machine

import (
	"fmt"
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"
)

// CPUs are the cores that a process may use.
type CPUs struct {
	// Count is how many, which can be a fraction.
	Count float64

	// From says where the number comes from.
	From string
}

// Find finds the cores of this process. affinity is how many it may be scheduled
// on, as runtime.NumCPU says; root is the root of the file system. Where there
// are no control groups, or they cannot be read, affinity is the answer.
func Find(root fs.FS, affinity int) CPUs {
	found := CPUs{Count: float64(affinity), From: "cores that this process may be scheduled on"}
	for _, g := range groups(root) {
		if quota, ok := g.quota(root); ok && quota < found.Count {
			found = CPUs{Count: quota, From: "CPU quota of " + g.version()}
		}
	}
	return found
}

// group is the control group of the process in one hierarchy.
type group struct {
	v2    bool
	mount string // where the hierarchy is mounted
	path  string // of the group below it
}

func (g group) version() string {
	if g.v2 {
		return "control group version 2"
	}
	return "control group version 1"
}

// groups are the control groups of this process that can limit its CPU.
func groups(root fs.FS) []group {
	paths, err := readPaths(root)
	if err != nil {
		return nil
	}
	mounts, err := fs.ReadFile(root, "proc/self/mountinfo")
	if err != nil {
		return nil
	}
	var all []group
	for line := range strings.Lines(string(mounts)) {
		m, ok := parseMount(line)
		if !ok {
			continue
		}
		at, ok := paths[m.v2]
		if !ok {
			continue
		}
		// In a container without a namespace of its own, the mount has the group of
		// the container as its root.
		below, inside := strings.CutPrefix(at, strings.TrimSuffix(m.root, "/"))
		if !inside || (below != "" && !strings.HasPrefix(below, "/")) {
			below = "/"
		}
		all = append(all, group{v2: m.v2, mount: m.point, path: path.Clean("/" + below)})
	}
	return all
}

// readPaths reads the paths of the groups of this process, by whether they are of
// version 2.
func readPaths(root fs.FS) (map[bool]string, error) {
	text, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	paths := map[bool]string{}
	for line := range strings.Lines(string(text)) {
		// hierarchy:controllers:path; version 2 is hierarchy 0 without controllers
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(parts) != 3:
		case parts[0] == "0" && parts[1] == "":
			paths[true] = parts[2]
		case hasWord(parts[1], "cpu"):
			paths[false] = parts[2]
		}
	}
	return paths, nil
}

// mount is a line of mountinfo that is a hierarchy with CPU quotas.
type mount struct {
	v2          bool
	root, point string
}

func parseMount(line string) (mount, bool) {
	front, back, found := strings.Cut(strings.TrimSpace(line), " - ")
	fields, kind := strings.Fields(front), strings.Fields(back)
	if !found || len(fields) < 5 || len(kind) < 1 {
		return mount{}, false
	}
	m := mount{root: unescape(fields[3]), point: strings.TrimPrefix(unescape(fields[4]), "/")}
	switch kind[0] {
	case "cgroup2":
		m.v2 = true
		return m, true
	case "cgroup":
		return m, len(kind) == 3 && hasWord(kind[2], "cpu")
	default:
		return mount{}, false
	}
}

// unescape reads the octal forms of mountinfo, such as \040 for a space.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// quota is the smallest quota of the group and of those above it.
func (g group) quota(root fs.FS) (cores float64, ok bool) {
	cores = math.Inf(1)
	for at := g.path; ; at = path.Dir(at) {
		if q, limited := g.quotaAt(root, path.Join(g.mount, at)); limited {
			cores, ok = min(cores, q), true
		}
		if at == "/" {
			return cores, ok
		}
	}
}

// quotaAt reads the quota in one folder.
func (g group) quotaAt(root fs.FS, dir string) (cores float64, ok bool) {
	if g.v2 {
		// "200000 100000", or "max 100000" without a limit
		text, err := fs.ReadFile(root, path.Join(dir, "cpu.max"))
		if err != nil {
			return 0, false
		}
		var quota, period float64
		if n, err := fmt.Sscan(string(text), &quota, &period); err != nil || n != 2 {
			return 0, false
		}
		return ratio(quota, period)
	}
	return ratio(readNumber(root, path.Join(dir, "cpu.cfs_quota_us")), readNumber(root, path.Join(dir, "cpu.cfs_period_us")))
}

// ratio is how many cores a quota is; -1 is no limit.
func ratio(quota, period float64) (cores float64, ok bool) {
	if !(quota > 0 && period > 0) {
		return 0, false
	}
	return quota / period, true
}

// readNumber is the number in a file, or -1.
func readNumber(root fs.FS, name string) float64 {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return -1
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(string(text)), 64)
	if err != nil {
		return -1
	}
	return n
}

// hasWord reports whether a list, separated by commas, has a word.
func hasWord(list, word string) bool {
	for w := range strings.SplitSeq(list, ",") {
		if w == word {
			return true
		}
	}
	return false
}

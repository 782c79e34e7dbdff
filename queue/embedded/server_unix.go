//go:build unix && !linux

package embedded

import "syscall"

// childAttributes: the child has a process group of its own, so that Ctrl-C
// reaches it only after the workers have drained. It outlives a parent that is
// killed; the lock on its directory tells.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

package embedded

import "syscall"

// childAttributes: the child ends when this process does. It has a process group
// of its own, so that Ctrl-C reaches it only after the workers have drained.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
}

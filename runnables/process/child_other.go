//go:build unix && !linux

package process

import (
	"os/exec"
	"syscall"
)

// attributes: the process has a group of its own. It ends with its worker because
// its channel does.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// awaitExit waits for the process.
func awaitExit(cmd *exec.Cmd) { _ = cmd.Wait() }

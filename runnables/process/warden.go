//go:build unix

package process

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ekiben/ekiben/runnables"
)

// theWarden is that of this process, which has one as it has one parent; nil: none.
var theWarden atomic.Pointer[warden] //nolint:gochecknoglobals // see above

// KeepWarden has a second process watch over the children of this one, from the first
// of them on: command, which must call [Ward]. Should this process be killed, that
// kills them with all that they have started in their groups. Only the first call of
// KeepWarden counts.
func KeepWarden(command Command, log *slog.Logger) {
	theWarden.CompareAndSwap(nil, &warden{command: command, log: log, groups: map[int]bool{}})
}

const (
	// deaf is how long the warden may not listen until it is given up.
	deaf = time.Second

	// settled is how long a warden has lived that was not hopeless. After so many of the
	// others in a row the next one comes with the next child.
	settled  = 10 * time.Second
	hopeless = 3
)

// warden is our end of the process that watches over our children.
type warden struct {
	command Command
	log     *slog.Logger

	mu     sync.Mutex // guards what follows
	groups map[int]bool
	cmd    *exec.Cmd // nil while there is none
	pipe   *os.File  // ours alone: it is at its end when we are
	short  int       // lives in a row
}

// begin says that a process group is ours.
func (w *warden) begin(group int) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.groups[group] = true
	if w.cmd == nil {
		w.employ()
		return
	}
	w.tell(groupBegins, group)
}

// end says that it is no more. That must be before another can have its number.
func (w *warden) end(group int) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.groups, group)
	if w.cmd != nil {
		w.tell(groupEnds, group)
	}
}

// What a warden is told, in front of the number of a group and the end of the line.
const (
	groupBegins = '+'
	groupEnds   = '-'
)

// tell says one thing. The lock is held.
func (w *warden) tell(what rune, group int) {
	_ = w.pipe.SetWriteDeadline(time.Now().Add(deaf))
	if _, err := fmt.Fprintf(w.pipe, "%c%d\n", what, group); err != nil {
		_ = w.cmd.Process.Kill() // others may be told
	}
}

// employ starts the process and tells it what there is. Without one we go on: children
// are killed by the kernel, if only they themselves. The lock is held.
func (w *warden) employ() {
	theirs, ours, err := os.Pipe()
	if err != nil {
		w.log.Warn("there is no warden of instances", "err", err)
		return
	}
	defer func() { _ = theirs.Close() }()
	cmd := exec.Command(w.command.Path, w.command.Args...) //nolint:noctx // it outlives us
	cmd.Dir = "/"
	cmd.Env = w.command.Environment(runnables.Setup{})
	cmd.Stdin = theirs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		_ = ours.Close()
		w.log.Warn("the warden of instances cannot be started", "err", err)
		return
	}
	w.cmd, w.pipe = cmd, ours
	for group := range w.groups {
		w.tell(groupBegins, group)
	}
	go w.watch(cmd, time.Now())
}

// watch waits for the end of a warden, which is that of its process or a mistake.
func (w *warden) watch(cmd *exec.Cmd, born time.Time) {
	err := cmd.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log.Warn("the warden of instances has ended", "pid", cmd.Process.Pid, "how", cmd.ProcessState.String(), "err", err)
	_ = w.pipe.Close()
	w.cmd, w.pipe = nil, nil
	if w.short++; time.Since(born) > settled {
		w.short = 0
	}
	if w.short < hopeless && len(w.groups) > 0 {
		w.employ()
	}
}

// Ward is a warden: it is told which process groups there are, and kills those that are
// left when that ends. Signals that mean its worker, or all of a service, are none of
// its business.
func Ward(told io.Reader) {
	defer passOver(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)()
	groups := map[int]bool{}
	for lines := bufio.NewScanner(told); lines.Scan(); {
		var what rune
		var group int
		if _, err := fmt.Sscanf(lines.Text(), "%c%d", &what, &group); err != nil || group <= 1 {
			continue // half of a line is a group that had not begun
		}
		if what == groupBegins {
			groups[group] = true
		} else {
			delete(groups, group)
		}
	}
	for group := range groups {
		_ = syscall.Kill(-group, syscall.SIGKILL)
	}
}

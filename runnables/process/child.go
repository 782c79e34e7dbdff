//go:build unix

package process

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ekiben/ekiben/runnables"
)

// child is one process.
type child struct {
	cmd     *exec.Cmd
	channel *channel
	input   *region
	slots   *slots
	output  *output
	runner  runnables.Runner
	log     *slog.Logger
	born    time.Time
	took    time.Duration // until it was ready
	kills   int           // memoryKills when it was started

	// ended is closed when the process is gone; how says how it ended, and is set
	// before.
	ended chan struct{}
	how   demise

	mu   sync.Mutex // guards what follows
	why  string     // we killed it
	gone bool       // it has ended, and its number may soon be another's

	// useful: it was called.
	useful atomic.Bool

	calling sync.Mutex // guards what follows, the reading and writing, and the regions
	sent    uint64     // calls
	frame   []byte     // the memory of the last one
	tail    []byte     // that of its tail
	values  []value
	tidied  time.Time
}

// spawn starts a process. On Linux it is killed when the operating system's thread
// that calls spawn ends, so that must live for as long as the process.
func spawn(command Command, s runnables.Setup) (*child, error) {
	c := &child{
		output: newOutput(s.Log), runner: s.Runner, log: s.Log, slots: &slots{},
		born: time.Now(), tidied: time.Now(), kills: memoryKills(), ended: make(chan struct{}),
	}
	if err := c.begin(command, s); err != nil {
		c.free()
		return nil, err
	}
	return c, nil
}

// begin makes what the process is born with, and starts it.
func (c *child) begin(command Command, s runnables.Setup) error {
	if command.Prepare != nil {
		if err := command.Prepare(); err != nil {
			return err
		}
	}
	ours, socket, err := socketPair()
	if err != nil {
		return err
	}
	defer func() { _ = socket.Close() }()
	if c.channel, err = openChannel(ours); err != nil {
		return err
	}
	regions, err := c.makeRegions()
	if err != nil {
		return err
	}
	// Whoever started it ends it: a context would not kill its group.
	c.cmd = exec.Command(command.Path, command.Args...) //nolint:noctx // see above
	if c.cmd.Dir = command.Dir; c.cmd.Dir == "" {
		c.cmd.Dir = s.Runner.Dir
	}
	c.cmd.Env = append(command.Environment(s), protocolVariables(s)...)
	c.cmd.ExtraFiles = append([]*os.File{socket}, regions...)
	c.cmd.SysProcAttr = attributes()
	return c.launch()
}

// makeRegions makes the shared memory, and returns its files.
func (c *child) makeRegions() (files []*os.File, err error) {
	if c.input, err = newRegion(); err != nil {
		return nil, err
	}
	files = []*os.File{c.input.file}
	for n := range c.slots.regions {
		if c.slots.regions[n], err = newRegion(); err != nil {
			return nil, err
		}
		files = append(files, c.slots.regions[n].file)
	}
	return files, nil
}

// socketPair makes two connected sockets: ours, and that of a process.
func socketPair() (ours, theirs *os.File, err error) {
	syscall.ForkLock.RLock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, fmt.Errorf("make a channel: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "channel"), os.NewFile(uintptr(fds[1]), "channel"), nil
}

// launch starts the process and what watches it.
func (c *child) launch() error {
	var streams []*os.File
	closeAll := func(files ...*os.File) {
		for _, f := range files {
			_ = f.Close()
		}
	}
	for _, into := range []func(*os.File){
		func(w *os.File) { c.cmd.Stdout = w },
		func(w *os.File) { c.cmd.Stderr = w },
	} {
		r, w, err := os.Pipe()
		if err != nil {
			closeAll(streams...)
			return fmt.Errorf("make a pipe: %w", err)
		}
		into(w)
		streams = append(streams, r)
		defer closeAll(w)
	}
	if err := c.cmd.Start(); err != nil {
		closeAll(streams...)
		return fmt.Errorf("start %s: %w", c.cmd.Path, err)
	}
	theWarden.Load().begin(c.cmd.Process.Pid)
	for i, name := range []string{"stdout", "stderr"} {
		c.output.streams.Go(func() {
			defer closeAll(streams[i])
			c.output.follow(name, streams[i])
		})
	}
	go c.watch(streams)
	return nil
}

// lastWords is how long output is read after the end of a process: somebody who
// has left its group may still hold the pipes.
const lastWords = time.Second

// pause is how long the end of a process waits for its last words to be told.
const pause = 100 * time.Millisecond

// watch waits for the end of the process and ends its group with it.
func (c *child) watch(streams []*os.File) {
	awaitExit(c.cmd)
	c.mu.Lock()
	c.gone = true
	c.killGroup()
	why := c.why
	c.mu.Unlock()
	theWarden.Load().end(c.cmd.Process.Pid)
	var err error
	if c.cmd.ProcessState == nil {
		err = c.cmd.Wait()
	}
	for _, r := range streams {
		_ = r.SetReadDeadline(time.Now().Add(lastWords))
	}
	c.output.drain(pause)
	switch {
	case why != "":
		c.how.how = "was killed: " + why
	case c.cmd.ProcessState != nil:
		c.how = demise{howItEnded(c.cmd.ProcessState, memoryKills() > c.kills), c.output.epitaph(c.cmd.ProcessState)}
	default:
		c.how.how = fmt.Sprintf("cannot be waited for: %v", err)
	}
	c.channel.shut()
	close(c.ended)
}

// kill ends the process and says why, unless it has ended.
func (c *child) kill(why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone || c.why != "" {
		return
	}
	c.why = why
	c.killGroup()
}

// stuck is how long a process is waited for that was killed. One that the kernel
// holds, in the driver of a device for instance, ends when that lets it go.
const stuck = 3 * time.Second

// stop kills the process and waits a while for its end.
func (c *child) stop(why string) {
	c.kill(why)
	timer := time.NewTimer(stuck)
	defer timer.Stop()
	select {
	case <-c.ended:
	case <-timer.C:
		c.log.Error("a process does not end though it was killed", "pid", c.cmd.Process.Pid)
	}
}

// ending says how the process ended.
func (c *child) ending() demise {
	select {
	case <-c.ended:
		return c.how
	default:
		return demise{how: "was killed and does not end"}
	}
}

// killGroup kills the process and its group, which it may have left.
func (c *child) killGroup() {
	_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
	_ = c.cmd.Process.Kill()
}

// alive reports whether the process is there, and not about to end because it was
// killed.
func (c *child) alive() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.gone && c.why == ""
}

// farewell is how long a process may take to end when its channel has.
const farewell = 2 * time.Second

// end ends the process, which is given a while to do so by itself, and frees what
// it has, later if the process does not end.
func (c *child) end() {
	c.channel.shut()
	timer := time.NewTimer(farewell)
	defer timer.Stop()
	select {
	case <-c.ended:
	case <-timer.C:
		c.stop("it did not end when it was told to")
	}
	c.buryNow()
}

// buryNow is bury, but does not wait for a process that is stuck.
func (c *child) buryNow() {
	select {
	case <-c.ended:
		c.bury()
	default:
		go c.bury()
	}
}

// bury frees what a process had that has ended.
func (c *child) bury() {
	<-c.ended
	c.output.streams.Wait()
	c.calling.Lock()
	defer c.calling.Unlock()
	c.free()
}

// free closes what the process shares with us. Outputs that are still read stay.
func (c *child) free() {
	if c.channel != nil {
		_ = c.channel.close()
	}
	if c.input != nil {
		_ = c.input.close()
	}
	c.slots.close()
}

// Package processes lets tests build programs and run them as their users do:
// as processes, each with its children in a group of its own, none of which
// outlives the test.
package processes

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Builder returns a function that builds a command of the module at root, once,
// and returns the path of the binary. flags go to go build.
func Builder(root, pkg string, flags ...string) func() (string, error) {
	return sync.OnceValues(func() (string, error) {
		dir, err := os.MkdirTemp("", "ekiben-build")
		if err != nil {
			return "", err
		}
		out := filepath.Join(dir, filepath.Base(pkg))
		cmd := exec.CommandContext(context.Background(), "go", append(append([]string{"build"}, flags...), "-o", out, pkg)...)
		cmd.Dir = root
		if text, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("build %s: %w\n%s", pkg, err, text)
		}
		return out, nil
	})
}

// Binary is the path of what a [Builder] built. The test fails if it cannot be
// built.
func Binary(tb testing.TB, build func() (string, error)) string {
	tb.Helper()
	path, err := build()
	if err != nil {
		tb.Fatal(err)
	}
	return path
}

// Command is what to start.
type Command struct {
	Program string
	Args    []string

	// Dir is the working directory.
	Dir string

	// Env are variables as NAME=value, beside those of the test.
	Env []string

	// Quiet commands do not write what they wrote when the test has failed.
	Quiet bool
}

// Process is one that a test started. It is safe for concurrent use.
type Process struct {
	tb   testing.TB
	cmd  *exec.Cmd
	log  *tail
	done chan struct{}
	err  error // set before done is closed
}

// Launch starts a program that ends with the test at the latest.
func Launch(tb testing.TB, c Command) *Process {
	tb.Helper()
	p := &Process{tb: tb, log: &tail{}, done: make(chan struct{})}
	p.cmd = exec.CommandContext(context.Background(), c.Program, c.Args...) // it ends in Cleanup
	p.cmd.Env = append(os.Environ(), append([]string{"EKIBEN_LOG_FORMAT=text"}, c.Env...)...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.cmd.Dir = c.Dir
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	tb.Cleanup(func() {
		p.Signal(syscall.SIGKILL)
		<-p.done
		if tb.Failed() && !c.Quiet {
			tb.Logf("%s %v wrote:\n%s", filepath.Base(c.Program), c.Args, p.log)
		}
	})
	return p
}

// PID is the id of the process, and of its group.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Signal sends a signal to the process and its children; to these also after it
// has ended.
func (p *Process) Signal(s syscall.Signal) { _ = syscall.Kill(-p.PID(), s) }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Log is the end of what the process has written.
func (p *Process) Log() string { return p.log.String() }

// Stop asks the process to end and returns how it did.
func (p *Process) Stop() error {
	p.tb.Helper()
	p.Signal(syscall.SIGTERM)
	return p.Ended()
}

// Ended waits for the end of the process and returns how it ended.
func (p *Process) Ended() error {
	p.tb.Helper()
	select {
	case <-p.done:
		return p.err
	case <-time.After(time.Minute):
		p.tb.Fatalf("process %v does not end; it wrote:\n%s", p.cmd.Args, p.log)
		return nil
	}
}

// FreeAddr is a loopback address that nobody listens on.
func FreeAddr(tb testing.TB) string {
	tb.Helper()
	l, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// Eventually asks until the answer is yes, for a minute.
func Eventually(tb testing.TB, what string, yes func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(time.Minute); !yes(); <-time.After(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatalf("waited a minute for this: %s", what)
		}
	}
}

package chaos_test

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ekiben/ekiben/internal/processes"
	"github.com/ekiben/ekiben/internal/tcpproxy"
)

// slot is the place of a gateway, a worker or a process of tasks: when the process in it dies, the
// next one is started there, at the same address. It is safe for concurrent use.
type slot struct {
	t       *testing.T
	name    string
	command processes.Command
	addr    string          // of HTTP: the gateway, or metrics
	proxy   *tcpproxy.Proxy // on the way to Redis; nil if there is none

	keeper sync.WaitGroup
	closed chan struct{}

	mu sync.Mutex
	// process is the present one. deaths are those that were not asked for by
	// stop. Guarded by mu.
	process *processes.Process
	deaths  int
}

// open starts the first process and whoever replaces it.
func (s *slot) open() {
	s.closed = make(chan struct{})
	s.process = processes.Launch(s.t, s.command)
	s.keeper.Go(s.keep)
	s.t.Cleanup(s.close)
}

// respawn is how long a dead process's place stays empty.
const respawn = 20 * time.Millisecond

func (s *slot) keep() {
	for {
		select {
		case <-s.closed:
			return
		case <-s.now().Done():
		}
		select {
		case <-s.closed:
			return
		case <-time.After(respawn):
		}
		next := processes.Launch(s.t, s.command)
		s.mu.Lock()
		s.process = next
		s.deaths++
		s.mu.Unlock()
	}
}

// close ends the slot, but not its process: the test's end does.
func (s *slot) close() {
	select {
	case <-s.closed:
	default:
		close(s.closed)
	}
	s.keeper.Wait()
}

func (s *slot) now() *processes.Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process
}

// replace asks the process to end, and returns when it has.
func (s *slot) replace() {
	p := s.now()
	p.Signal(syscall.SIGTERM)
	<-p.Done()
}

// ready waits until the process says that it is, or ctx is done.
func (s *slot) ready(ctx context.Context) error {
	for {
		a, err := send(ctx, plainClient, message{method: "GET", url: "http://" + s.addr + "/readyz", timeout: time.Second})
		if err == nil && a.status == 200 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w; it wrote: %s", s.name, ctx.Err(), s.now().Log())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

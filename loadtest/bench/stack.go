package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

// topology is what a stack consists of, beside one redis-server.
type topology struct {
	gateways int
	workers  int
	tasks    int

	// runners is the runners file of the workers, written to folder if that is
	// given: paths in it are relative to it.
	runners, folder string

	// env is what gateways and tasks have in their environment beside what all have.
	env []string
}

// stack is a running system. Its processes end with close.
type stack struct {
	redis    *process
	gateways []server
	workers  []server
	tasks    []server
}

// server is a process with an HTTP address.
type server struct {
	*process
	url string
}

// startStack starts a system and returns when all of it is ready. dir is for
// its files.
func startStack(ctx context.Context, binary, dir string, t topology) (_ *stack, err error) {
	s := &stack{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	redisAddr, err := s.startRedis(ctx, dir)
	if err != nil {
		return nil, err
	}
	runners := filepath.Join(cmp.Or(t.folder, dir), "ekiben.yaml")
	if err := os.WriteFile(runners, []byte(t.runners), 0o600); err != nil {
		return nil, err
	}
	env := []string{"EKIBEN_REDIS_URL=redis://" + redisAddr + "/0"}
	for i := range t.workers {
		addr, err := freeAddress()
		if err != nil {
			return nil, err
		}
		p, err := start(dir, fmt.Sprintf("worker%d", i), append(env, "EKIBEN_OPS_ADDR="+addr, "EKIBEN_CONFIG="+runners), binary, "worker")
		if err != nil {
			return nil, err
		}
		s.workers = append(s.workers, server{p, "http://" + addr})
	}
	for i := range t.gateways {
		addr, err := freeAddress()
		if err != nil {
			return nil, err
		}
		p, err := start(dir, fmt.Sprintf("gateway%d", i), slices.Concat(env, t.env, []string{"EKIBEN_HTTP_ADDR=" + addr}), binary, "gateway")
		if err != nil {
			return nil, err
		}
		s.gateways = append(s.gateways, server{p, "http://" + addr})
	}
	if err := s.startTasks(binary, dir, slices.Concat(env, t.env), t.tasks); err != nil {
		return nil, err
	}
	for _, server := range slices.Concat(s.workers, s.gateways, s.tasks) {
		if err := server.awaitReady(ctx, server.url+"/readyz"); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// startTasks starts processes of tasks.
func (s *stack) startTasks(binary, dir string, env []string, n int) error {
	for i := range n {
		addr, err := freeAddress()
		if err != nil {
			return err
		}
		p, err := start(dir, fmt.Sprintf("tasks%d", i), append(slices.Clip(env), "EKIBEN_OPS_ADDR="+addr), binary, "tasks")
		if err != nil {
			return err
		}
		s.tasks = append(s.tasks, server{p, "http://" + addr})
	}
	return nil
}

// startRedis starts a server that keeps its data as the benchmarks ask for: in
// an append-only file that is written out every second.
func (s *stack) startRedis(ctx context.Context, dir string) (addr string, err error) {
	if addr, err = freeAddress(); err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", err
	}
	s.redis, err = start(dir, "redis", nil, "redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", dir,
		"--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--daemonize", "no")
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return addr, s.redis.poll(ctx, func() error { return ping(ctx, addr) })
}

// ping asks a Redis server whether it is there, in its own protocol: only
// package queue uses the client library.
func ping(ctx context.Context, addr string) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // the answer is all that counts
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	answer := make([]byte, 7)
	if n, err := conn.Read(answer); err != nil || string(answer[:n]) != "+PONG\r\n" {
		return fmt.Errorf("redis answered %q: %w", answer[:n], orEnded(err))
	}
	return nil
}

// close ends all processes: gateways first, so that nothing new is queued,
// Redis last.
func (s *stack) close() error {
	var faults []error
	for _, group := range [][]server{s.gateways, s.tasks, s.workers} {
		var wg sync.WaitGroup
		errs := make([]error, len(group))
		for i, server := range group {
			wg.Go(func() { errs[i] = server.stop() })
		}
		wg.Wait()
		faults = append(faults, errs...)
	}
	if s.redis != nil {
		faults = append(faults, s.redis.stop())
	}
	return errors.Join(faults...)
}

// targets are the base URLs of the gateways.
func (s *stack) targets() []string {
	urls := make([]string, len(s.gateways))
	for i, g := range s.gateways {
		urls[i] = g.url
	}
	return urls
}

// processes are those of the stack that calls go through: redis, gateways, workers.
func (s *stack) processes() []*process {
	all := []*process{s.redis}
	for _, server := range append(slices.Clip(s.gateways), s.workers...) {
		all = append(all, server.process)
	}
	return all
}

// pause stops worker i in its tracks, without its knowledge, until it is closed.
func (s *stack) pause(i int) error { return s.workers[i].signal(syscall.SIGSTOP) }

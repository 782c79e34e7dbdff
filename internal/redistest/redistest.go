// Package redistest gives tests a real Redis.
//
// The tests of a package share one server and keep apart by the prefix of their
// keys, so that they can run in parallel. A test that must stop, pause or flush
// its server starts one of its own with [Start].
package redistest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Server is a redis-server of one test, on a loopback port.
type Server struct {
	// URL is that of the server; it keeps it when it restarts.
	URL string

	// Addr is its host and port.
	Addr string

	tb   testing.TB
	dir  string
	args []string
	cmd  *exec.Cmd
}

// sharedServer is the server of this test binary.
type sharedServer struct {
	url string
	// life is a pipe to the server's shell, which ends the server when the pipe
	// is closed: by the end of this process, or if nothing referred to it.
	life io.Closer
}

// shared starts it, once.
var shared = sync.OnceValues(func() (sharedServer, error) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		return sharedServer{}, err
	}
	dir, err := os.MkdirTemp("", "redistest")
	if err != nil {
		return sharedServer{}, err
	}
	socket := filepath.Join(dir, "s")
	// The shell ends with the test binary, however that ends: only the test
	// binary holds the other end of its standard input.
	cmd := exec.Command("sh", "-c", `redis-server "$@" >/dev/null & cat >/dev/null; kill $!; rm -r "$0"`, dir,
		"--port", "0", "--unixsocket", socket, "--save", "", "--dir", dir)
	life, err := cmd.StdinPipe()
	if err != nil {
		return sharedServer{}, err
	}
	if err := cmd.Start(); err != nil {
		return sharedServer{}, err
	}
	return sharedServer{"unix://" + socket, life}, await("unix", socket)
})

// URL returns the URL of the shared server. Without redis-server on PATH the
// test is skipped, but in CI it fails.
func URL(tb testing.TB) string {
	tb.Helper()
	server, err := shared()
	need(tb, err)
	return server.url
}

// Prefix returns a prefix of keys that no other test uses.
func Prefix() string { return "test-" + rand.Text()[:10] }

// Start starts a server of the test's own, with an append-only file, on a free
// loopback port. It ends with the test.
func Start(tb testing.TB, args ...string) *Server {
	tb.Helper()
	_, err := exec.LookPath("redis-server")
	need(tb, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	need(tb, err)
	addr := l.Addr().String()
	need(tb, l.Close())
	_, port, _ := net.SplitHostPort(addr)
	dir := tb.TempDir()
	s := &Server{
		URL: "redis://" + addr, Addr: addr, tb: tb, dir: dir,
		args: append([]string{
			"--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", dir,
			"--appendonly", "yes", "--appendfsync", "everysec", "--logfile", filepath.Join(dir, "log"),
		}, args...),
	}
	s.Restart()
	tb.Cleanup(s.Kill)
	return s
}

// Restart starts the server again after [Server.Kill]. What its append-only file
// holds is still there.
func (s *Server) Restart() {
	s.tb.Helper()
	s.cmd = exec.Command("redis-server", s.args...)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	need(s.tb, s.cmd.Start())
	need(s.tb, await("tcp", s.Addr))
}

// Kill ends the server with SIGKILL.
func (s *Server) Kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		s.cmd = nil
	}
}

// await returns once somebody listens.
func await(network, addr string) error {
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		conn, err := net.Dial(network, addr)
		if err == nil {
			if err = ping(conn); err == nil {
				return nil
			}
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("redis-server does not answer: %w", err)
		}
	}
}

// ping returns nil once the server has loaded its data.
func ping(conn net.Conn) error {
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	buf := make([]byte, 64)
	n, err := conn.Read(buf)
	if err != nil {
		return err
	}
	if string(buf[:n]) != "+PONG\r\n" {
		return errors.New(string(buf[:n]))
	}
	return nil
}

func need(tb testing.TB, err error) {
	tb.Helper()
	if errors.Is(err, exec.ErrNotFound) && os.Getenv("CI") == "" {
		tb.Skip("no redis-server on PATH")
	}
	if err != nil {
		tb.Fatal(err)
	}
}

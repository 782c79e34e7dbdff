//go:build unix

package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// ErrInUse means that another process runs a server on the same directory.
var ErrInUse = errors.New("another server uses the directory")

// ErrNoServer means that there is no redis-server on PATH.
var ErrNoServer = errors.New("redis-server is not on PATH: install Debian's package redis-server (redis on Fedora and Homebrew), version 7.0 or later, or name a running server")

// Server is a redis-server that runs as a child of this process.
type Server struct {
	url  string
	cmd  *exec.Cmd
	lock *os.File

	// ended is closed when the child has; err is why, set before.
	ended chan struct{}
	err   error
}

// How long the last server on the directory may take to end, the new one to
// load its data, and a server to end when it is told to.
const (
	lockWait = 5 * time.Second
	loadWait = 5 * time.Minute
	stopWait = 15 * time.Second
)

// maxSocket is the longest path of a socket that every system takes.
const maxSocket = 100

// StartServer starts a redis-server with an append-only file in dir, which is
// made if it is missing, and returns once it has loaded what is there. It
// listens on a socket in dir that only this user can reach. ctx bounds the
// start, not the life of the server: that ends with [Server.Close], and on Linux
// with this process, however that ends.
//
// Errors: [ErrNoServer], [ErrInUse], or what the server said.
func StartServer(ctx context.Context, dir string) (*Server, error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, fmt.Errorf("embedded: %w", ErrNoServer)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, fmt.Errorf("embedded: data directory: %w", err)
	}
	socket := filepath.Join(dir, "redis.sock")
	if len(socket) > maxSocket {
		return nil, fmt.Errorf("embedded: the path of the socket %s has %d bytes, at most %d: name a shorter directory", socket, len(socket), maxSocket)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("embedded: data directory: %w", err)
	}
	lock, err := acquire(ctx, filepath.Join(dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("embedded: data directory %s: %w", dir, err)
	}
	s := &Server{url: "unix://" + socket, cmd: command(program, dir, socket), lock: lock, ended: make(chan struct{})}
	s.cmd.ExtraFiles = []*os.File{lock} // held for as long as either process lives
	if err := s.start(); err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("embedded: start redis-server: %w", err)
	}
	if err := s.ready(ctx, socket); err != nil {
		_ = s.Close()
		return nil, fmt.Errorf("embedded: redis-server in %s is not ready: %w%s", dir, err, lastWords(dir))
	}
	return s, nil
}

// environment is what the child has of ours: no credentials, which others of the same
// user might read there.
func environment() []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

func command(program, dir, socket string) *exec.Cmd {
	//nolint:gosec,noctx // the program is redis-server; its life is Close's
	cmd := exec.Command(program,
		"--port", "0", "--unixsocket", socket, "--unixsocketperm", "700", "--daemonize", "no",
		"--dir", dir, "--logfile", filepath.Join(dir, "redis.log"),
		"--appendonly", "yes", "--appendfsync", "everysec", "--save", "",
		"--maxmemory-policy", "noeviction")
	cmd.Env = environment()
	cmd.SysProcAttr = childAttributes()
	return cmd
}

// start starts the child and a goroutine that waits for it. That goroutine keeps
// its thread: Linux tells a child of its parent's death when the thread that
// started it ends.
func (s *Server) start() error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := s.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		s.err = s.cmd.Wait()
		_ = s.lock.Close()
		close(s.ended)
	}()
	return <-started
}

// ready returns once the server has loaded its data.
func (s *Server) ready(ctx context.Context, socket string) error {
	ctx, cancel := context.WithTimeout(ctx, loadWait)
	defer cancel()
	every := time.NewTicker(5 * time.Millisecond)
	defer every.Stop()
	for {
		if ping(ctx, socket) {
			return nil
		}
		select {
		case <-every.C:
		case <-s.ended:
			return fmt.Errorf("it ended: %w", s.err)
		case <-ctx.Done():
			return context.Cause(ctx) //nolint:wrapcheck // the caller says what was attempted
		}
	}
}

func ping(ctx context.Context, socket string) bool {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", socket)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return false
	}
	answer := make([]byte, 7)
	n, _ := conn.Read(answer)
	return bytes.Equal(answer[:n], []byte("+PONG\r\n"))
}

// URL is what a queue is opened with. It stays the same when a server is started
// on the directory again.
func (s *Server) URL() string { return s.url }

// PID is the process id of the server.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Done is closed when the server has ended, by [Server.Close] or by itself.
func (s *Server) Done() <-chan struct{} { return s.ended }

// Close tells the server to write what it has and end, and waits for that. It
// may be called more than once. An error means that it had to be killed.
func (s *Server) Close() error {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	patience := time.NewTimer(stopWait)
	defer patience.Stop()
	select {
	case <-s.ended:
		return nil
	case <-patience.C:
		_ = s.cmd.Process.Kill()
		<-s.ended
		return fmt.Errorf("embedded: redis-server did not end within %s and was killed", stopWait)
	}
}

// acquire locks the file, which says who has it. A server that is about to end
// is waited for.
func acquire(ctx context.Context, path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err //nolint:wrapcheck // the caller says what was attempted
	}
	every := time.NewTicker(20 * time.Millisecond)
	defer every.Stop()
	for deadline := time.Now().Add(lockWait); ; {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			break
		}
		if time.Now().After(deadline) || !errors.Is(err, syscall.EWOULDBLOCK) {
			who, _ := os.ReadFile(path)
			_ = f.Close()
			return nil, fmt.Errorf("%w (process %s)", ErrInUse, strings.TrimSpace(string(who)))
		}
		select {
		case <-every.C:
		case <-ctx.Done():
			_ = f.Close()
			return nil, context.Cause(ctx) //nolint:wrapcheck // the caller says what was attempted
		}
	}
	_ = f.Truncate(0)
	_, _ = fmt.Fprintf(f, "%d\n", os.Getpid())
	return f, nil
}

// lastWords are the last lines of the server's log, for an error.
func lastWords(dir string) string {
	log, err := os.ReadFile(filepath.Join(dir, "redis.log"))
	if err != nil {
		return ""
	}
	const most = 1000
	if len(log) > most {
		log = log[len(log)-most:]
	}
	return "\n" + strings.TrimSpace(string(log))
}

//go:build linux

package embedded_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/queue/embedded"
)

// childDir names the directory of the server that a re-executed test binary
// starts.
const childDir = "EKIBEN_TEST_EMBEDDED_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		parent(dir)
	}
	os.Exit(m.Run())
}

// parent starts a server, says its process id, and waits to be killed.
func parent(dir string) {
	s, err := embedded.StartServer(context.Background(), dir)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(s.PID())
	select {}
}

func need(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("no redis-server on PATH")
	}
}

func start(t *testing.T, dir string) *embedded.Server {
	t.Helper()
	need(t)
	s, err := embedded.StartServer(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// shortDir is a directory whose path leaves room for a socket's.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ekiben") //nolint:usetesting // its paths are too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func client(t *testing.T, url string) *redis.Client {
	t.Helper()
	o, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(o)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestServerKeepsDataWhenStartedAgain(t *testing.T) {
	t.Parallel()

	dir := shortDir(t)
	s := start(t, dir)
	if err := client(t, s.URL()).Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := start(t, dir)
	if again.URL() != s.URL() {
		t.Errorf("URL() = %s, before %s", again.URL(), s.URL())
	}
	if v, err := client(t, again.URL()).Get(t.Context(), "k").Result(); v != "v" {
		t.Errorf("got %q, %v; want what was set before", v, err)
	}
}

func TestServerIsDurable(t *testing.T) {
	t.Parallel()

	c := queue.DefaultConfig()
	c.URL = start(t, shortDir(t)).URL()
	q, err := queue.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = q.Close() }()
	if d, err := q.Durability(t.Context()); err != nil || d.Problem != "" || !d.AppendOnly || d.Version == "" {
		t.Errorf("Durability() = %+v, %v", d, err)
	}
}

func TestDirectoryHasOneServer(t *testing.T) {
	t.Parallel()

	dir := shortDir(t)
	start(t, dir)
	_, err := embedded.StartServer(t.Context(), dir)
	if !errors.Is(err, embedded.ErrInUse) || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Errorf("StartServer() = %v, want ErrInUse with this process's id", err)
	}
}

func TestServerThatCannotStartSaysWhy(t *testing.T) {
	t.Parallel()
	need(t)

	dir := shortDir(t)
	if err := os.Mkdir(dir+"/appendonlydir", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/appendonlydir/appendonly.aof.manifest", []byte("nonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := embedded.StartServer(t.Context(), dir)
	if err == nil || !strings.Contains(err.Error(), "AOF manifest") {
		t.Errorf("StartServer() = %v, want the server's own words", err)
	}
}

func TestServerEndsWithItsParent(t *testing.T) {
	t.Parallel()
	need(t)

	dir := shortDir(t)
	cmd := exec.Command(os.Args[0]) //nolint:gosec // this test binary
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Sscan(line, &pid); err != nil {
		t.Fatalf("the parent said %q", line)
	}
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	start(t, dir) // waits for the lock, which the orphan has until it ends
	for deadline := time.Now().Add(10 * time.Second); syscall.Kill(pid, 0) == nil; {
		if time.Now().After(deadline) {
			t.Fatal("the server outlived its parent")
		}
	}
}

func TestServerThatDiesIsNoticed(t *testing.T) {
	t.Parallel()

	s := start(t, shortDir(t))
	if err := syscall.Kill(s.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.Done():
	case <-time.After(10 * time.Second):
		t.Error("Done() stays open")
	}
}

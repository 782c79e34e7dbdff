package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binaries are built once for all tests.
var (
	stock     = builder("./cmd/ekiben")
	sentiment = builder("./examples/sentiment")
)

// root is the top of the repository.
const root = "../.."

// builder returns a function that builds a command, once, and returns its path.
func builder(pkg string, flags ...string) func() (string, error) {
	return sync.OnceValues(func() (string, error) {
		dir, err := os.MkdirTemp("", "ekiben-e2e")
		if err != nil {
			return "", err
		}
		out := filepath.Join(dir, filepath.Base(pkg))
		cmd := exec.Command("go", append(append([]string{"build"}, flags...), "-o", out, pkg)...)
		cmd.Dir = root
		if text, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("build %s: %w\n%s", pkg, err, text)
		}
		return out, nil
	})
}

// process is one that a test started.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	log  *logBuffer
	done chan struct{}
	err  error // set before done is closed
}

// logBuffer keeps what a process writes.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// launch starts a program that ends with the test at the latest. env are
// variables as NAME=value.
func launch(t *testing.T, env []string, program string, args ...string) *process {
	t.Helper()
	p := &process{t: t, log: &logBuffer{}, done: make(chan struct{})}
	p.cmd = exec.Command(program, args...)
	p.cmd.Env = append(os.Environ(), append([]string{"EKIBEN_LOG_FORMAT=text"}, env...)...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.cmd.Dir = root
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.signal(syscall.SIGKILL)
		<-p.done
		if t.Failed() {
			t.Logf("%s %v wrote:\n%s", filepath.Base(program), args, p.log)
		}
	})
	return p
}

func binary(t *testing.T, build func() (string, error)) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// signal sends a signal to the process and its children.
func (p *process) signal(s syscall.Signal) { _ = syscall.Kill(-p.cmd.Process.Pid, s) }

// stop asks the process to end and returns how it did.
func (p *process) stop() error {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	return p.ended()
}

// ended waits for the end of the process.
func (p *process) ended() error {
	p.t.Helper()
	select {
	case <-p.done:
		return p.err
	case <-time.After(time.Minute):
		p.t.Fatalf("process %v does not end; it wrote:\n%s", p.cmd.Args, p.log)
		return nil
	}
}

// freeAddr is a loopback address that nobody listens on.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// eventually asks until the answer is yes.
func eventually(t *testing.T, what string, yes func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !yes(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited a minute for this: %s", what)
		}
	}
}

// answer is what a request got.
type answer struct {
	status int
	header http.Header
	body   string
}

// request sends a request; header are pairs of names and values.
func request(ctx context.Context, method, url, body string, header ...string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, strings.TrimSpace(string(text))}, err
}

func post(t *testing.T, url, body string, header ...string) answer {
	t.Helper()
	a, err := request(t.Context(), http.MethodPost, url, body, header...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func get(t *testing.T, url string, header ...string) answer {
	t.Helper()
	a, err := request(t.Context(), http.MethodGet, url, "", header...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// ready waits until a process says that it is.
func ready(t *testing.T, addr string) {
	t.Helper()
	eventually(t, "http://"+addr+"/readyz says yes", func() bool {
		a, err := request(t.Context(), http.MethodGet, "http://"+addr+"/readyz", "")
		return err == nil && a.status == http.StatusOK
	})
}

package e2e_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/ekiben/ekiben/internal/processes"
)

// binaries are built once for all tests.
var (
	stock     = processes.Builder(root, "./cmd/ekiben")
	sentiment = processes.Builder(root, "./examples/sentiment")
)

// root is the top of the repository.
const root = "../.."

// launch starts a program that ends with the test at the latest. env are
// variables as NAME=value.
func launch(t *testing.T, env []string, program string, args ...string) *processes.Process {
	t.Helper()
	return processes.Launch(t, processes.Command{Program: program, Args: args, Dir: root, Env: env})
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
	processes.Eventually(t, "http://"+addr+"/readyz says yes", func() bool {
		a, err := request(t.Context(), http.MethodGet, "http://"+addr+"/readyz", "")
		return err == nil && a.status == http.StatusOK
	})
}

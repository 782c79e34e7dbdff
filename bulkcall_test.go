package ekiben_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ekiben/ekiben"
)

// batchGateway takes batches and has their outcomes when it was asked twice.
type batchGateway struct {
	mu       sync.Mutex
	uploads  []string
	keys     []string
	polls    int
	status   string
	refuse   bool
	results  string
	failures string
	failed   int
}

func (g *batchGateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	view := func(status string) string {
		return fmt.Sprintf(`{"id":"b1","status":%q,"runner":"r","method":"m","created_at":1,"request_counts":{"total":3,"completed":2,"failed":%d}}`, status, g.failed)
	}
	switch {
	case r.Method == http.MethodPost && r.URL.Path == "/v1/batches":
		if g.refuse {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, `{"code":"unavailable","detail":"not now"}`)
			return
		}
		body, _ := io.ReadAll(r.Body)
		g.uploads, g.keys = append(g.uploads, r.URL.RawQuery+"|"+string(body)), append(g.keys, r.Header.Get("Idempotency-Key"))
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, view("validating"))
	case r.URL.Path == "/v1/batches":
		_, _ = io.WriteString(w, `{"object":"list","data":[`+view("completed")+`],"has_more":false}`)
	case r.URL.Path == "/v1/batches/b1":
		if g.polls++; g.polls < 2 {
			_, _ = io.WriteString(w, view("in_progress"))
			return
		}
		_, _ = io.WriteString(w, view(g.status))
	case r.URL.Path == "/v1/batches/b1/results":
		_, _ = io.WriteString(w, g.results)
	case r.URL.Path == "/v1/batches/b1/errors":
		_, _ = io.WriteString(w, g.failures)
	case r.URL.Path == "/v1/batches/b1/cancel":
		_, _ = io.WriteString(w, view("cancelling"))
	default:
		w.WriteHeader(http.StatusTeapot)
	}
}

// bulk runs a command line against the gateway.
func (g *batchGateway) bulk(t *testing.T, args ...string) (string, error) {
	t.Helper()
	server := httptest.NewServer(g)
	defer server.Close()
	var out strings.Builder
	err := ekiben.Execute(t.Context(), &out, &out, append(args, "--url", server.URL)...)
	return out.String(), err
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func contents(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestAFileOfCallsIsRunAndItsOutcomesAreInItsOrder(t *testing.T) {
	t.Parallel()
	g := &batchGateway{
		status: "completed", results: "{\"line\":1}\n{\"line\":3}\n", failures: "{\"line\":2}\n{\"line\":4}\n", failed: 2,
	}
	dir := t.TempDir()
	in, out := write(t, filepath.Join(dir, "in.jsonl"), "one\ntwo\n"), filepath.Join(dir, "out.jsonl")
	_, err := g.bulk(t, "call", "r", "m", "--file", in, "--out", out)
	if err == nil || !strings.Contains(err.Error(), "2 of 3 lines failed") {
		t.Errorf("got %v", err)
	}
	if got := contents(t, out); got != "{\"line\":1}\n{\"line\":2}\n{\"line\":3}\n{\"line\":4}\n" {
		t.Errorf("got %s", got)
	}
	if g.uploads[0] != "method=m&runner=r|one\ntwo\n" || g.keys[0] == "" {
		t.Errorf("sent %v %v", g.uploads, g.keys)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.state*")); len(left) != 0 {
		t.Errorf("left %v", left)
	}
}

func TestLinesThatAreInputsAreNumbered(t *testing.T) {
	t.Parallel()
	g := &batchGateway{status: "completed", results: "{\"line\":1}\n"}
	dir := t.TempDir()
	in := write(t, filepath.Join(dir, "in.txt"), "1\n\n  \"x\"")
	if _, err := g.bulk(t, "call", "r", "m", "--file", in, "--lines", "--out", filepath.Join(dir, "out")); err != nil {
		t.Fatal(err)
	}
	want := `{"custom_id":"1","input":1}` + "\n\n" + `{"custom_id":"3","input":"x"}`
	if _, body, _ := strings.Cut(g.uploads[0], "|"); body != want {
		t.Errorf("sent %s", body)
	}
}

func TestABulkCallGoesOnWhereItStopped(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in, out := write(t, filepath.Join(dir, "in.jsonl"), "one\n"), filepath.Join(dir, "out.jsonl")
	call := []string{"call", "r", "m", "--file", in, "--out", out}
	g := &batchGateway{status: "completed", results: "cut off", refuse: true}
	if _, err := g.bulk(t, call...); err == nil {
		t.Error("a refused upload is no error")
	}
	key := contents(t, out+".state")
	g.refuse = false
	if _, err := g.bulk(t, call...); err == nil || !strings.Contains(err.Error(), "cut off") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("outcomes that are cut off look whole")
	}
	if len(g.keys) != 1 || !strings.Contains(key, g.keys[0]) {
		t.Errorf("noted %s, sent %v", key, g.keys)
	}
	other := write(t, filepath.Join(dir, "other.jsonl"), "longer\n")
	if _, err := g.bulk(t, "call", "r", "m", "--file", other, "--out", out); err == nil || !strings.Contains(err.Error(), "another call") {
		t.Errorf("got %v", err)
	}
	g.results = "{\"line\":1}\n"
	if _, err := g.bulk(t, call...); err != nil || len(g.uploads) != 1 || contents(t, out) != g.results {
		t.Errorf("%v, %d uploads", err, len(g.uploads))
	}
}

func TestABatchThatWasCanceledLeavesWhatIsDone(t *testing.T) {
	t.Parallel()
	g := &batchGateway{status: "cancelled", results: "{\"line\":1}\n"}
	dir := t.TempDir()
	in, out := write(t, filepath.Join(dir, "in.jsonl"), "one\n"), filepath.Join(dir, "out.jsonl")
	if _, err := g.bulk(t, "call", "r", "m", "--file", in, "--out", out); err == nil || !strings.Contains(err.Error(), "canceled") || contents(t, out) != g.results {
		t.Errorf("got %v", err)
	}
}

func TestBulkCallsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	g := &batchGateway{}
	in := write(t, filepath.Join(t.TempDir(), "in.txt"), "1")
	for _, args := range [][]string{
		{"--text", "x", "--out", "y"},
		{"--file", "-", "--out", "y"},
		{"--file", in, "--lines"},
		{"--file", in, "--out", in + ".out"},
		{"--file", in + ".jsonl", "--out", in + ".out"},
	} {
		if _, err := g.bulk(t, append([]string{"call", "r", "m"}, args...)...); err == nil {
			t.Errorf("%v is taken", args)
		}
	}
}

func TestBatchesAreShown(t *testing.T) {
	t.Parallel()
	g := &batchGateway{status: "completed", results: "r\n", failures: "e\n"}
	for want, args := range map[string][]string{
		"completed": {"batches", "list"}, "b1": {"batches", "show", "b1"}, "cancelling": {"batches", "cancel", "b1"},
		"r\n": {"batches", "results", "b1"}, "e\n": {"batches", "results", "b1", "--errors"},
	} {
		if out, err := g.bulk(t, args...); err != nil || !strings.Contains(out, want) {
			t.Errorf("%v: %s %v", args, out, err)
		}
	}
}

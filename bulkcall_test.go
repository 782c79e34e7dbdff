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
	"time"

	"github.com/ekiben/ekiben"
)

// batchGateway takes batches and has their outcomes when it was asked twice.
type batchGateway struct {
	// server is where it is, from its first command on.
	server   *httptest.Server
	mu       sync.Mutex
	uploads  []string
	keys     []string
	polls    int
	status   string
	refuse   bool
	gone     bool
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
	case g.gone:
		g.polls++
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"code":"not_found","detail":"there is no such batch, or none any more"}`)
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
	if g.server == nil {
		g.server = httptest.NewServer(g)
		t.Cleanup(g.server.Close)
	}
	var out strings.Builder
	err := ekiben.Execute(t.Context(), &out, &out, append(args, "--url", g.server.URL)...)
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
	g.results = "{\"line\":1}\n"
	if _, err := g.bulk(t, call...); err != nil || len(g.uploads) != 1 || contents(t, out) != g.results {
		t.Errorf("%v, %d uploads", err, len(g.uploads))
	}
}

// begun is a call whose batch runs, and what it was made with.
func begun(t *testing.T, g *batchGateway) (call []string, in, out string) {
	t.Helper()
	dir := t.TempDir()
	in, out = write(t, filepath.Join(dir, "in.jsonl"), "one\n"), filepath.Join(dir, "out.jsonl")
	g.status, g.results = "completed", "cut off"
	call = []string{"call", "r", "m", "--file", in, "--out", out}
	if _, err := g.bulk(t, call...); err == nil || !strings.Contains(err.Error(), "cut off") {
		t.Fatalf("got %v", err)
	}
	return call, in, out
}

func TestABatchThatIsGoneIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	g := &batchGateway{}
	call, _, out := begun(t, g)
	g.gone, g.polls = true, 0
	_, err := g.bulk(t, call...)
	if err == nil || !strings.Contains(err.Error(), "remove "+out+".state") || strings.Contains(err.Error(), "goes on") || g.polls != 1 {
		t.Errorf("asked %d times: %v", g.polls, err)
	}
}

func TestABulkCallThatIsAnotherOneIsRefused(t *testing.T) {
	t.Parallel()
	g := &batchGateway{}
	call, in, out := begun(t, g)
	elsewhere := &batchGateway{status: "completed"}
	for what, run := range map[string]func() error{
		"the runner": func() error { _, err := g.bulk(t, "call", "q", "m", "--file", in, "--out", out); return err },
		"the method": func() error { _, err := g.bulk(t, "call", "r", "n", "--file", in, "--out", out); return err },
		"--lines":    func() error { _, err := g.bulk(t, append(call, "--lines")...); return err },
		"--url":      func() error { _, err := elsewhere.bulk(t, call...); return err },
		"in the file": func() error {
			write(t, in, "two\n")
			defer write(t, in, "one\n")
			_, err := g.bulk(t, call...)
			return err
		},
	} {
		if err := run(); err == nil || !strings.Contains(err.Error(), what) || !strings.Contains(err.Error(), "remove it") {
			t.Errorf("%s: got %v", what, err)
		}
	}
	g.results = "{\"line\":1}\n"
	if _, err := g.bulk(t, call...); err != nil || len(g.uploads)+len(elsewhere.uploads) != 1 {
		t.Errorf("the same call: %v, %d uploads", err, len(g.uploads))
	}
}

func TestTheMarkThatAFileBeginsWithIsNotSent(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"{}", "", "1"} {
		for _, more := range [][]string{nil, {"--lines"}} {
			g := &batchGateway{status: "completed"}
			in := write(t, filepath.Join(t.TempDir(), "in.jsonl"), "\uFEFF"+text)
			if _, err := g.bulk(t, append([]string{"call", "r", "m", "--file", in, "--out", in + ".out"}, more...)...); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(g.uploads[0], "\uFEFF") || !strings.Contains(g.uploads[0], text) {
				t.Errorf("sent %q", g.uploads[0])
			}
		}
	}
}

func TestTheProgressOfABatchIsALine(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status                          string
		total, completed, failed, ended int
		passed                          time.Duration
		want                            string
	}{
		{"validating", 0, 0, 0, 0, 0, "  0% [                    ] 0/0 lines, 0 failed"},
		{"in_progress", 1000, 0, 0, 0, time.Second, "  0% [                    ] 0/1000 lines, 0 failed"},
		{"in_progress", 1000, 495, 5, 100, 2 * time.Second, " 50% [==========          ] 500/1000 lines, 5 failed, 50/s, 10s left"},
		{"in_progress", 1000000, 999999, 0, 999999, time.Minute, " 99% [=================== ] 999999/1000000 lines, 0 failed, 16667/s, 0s left"},
		{"completed", 3, 2, 1, 3, time.Second, "100% [====================] 3/3 lines, 1 failed, completed"},
		{"cancelled", 4, 1, 0, 1, time.Second, " 25% [=====               ] 1/4 lines, 0 failed, cancelled"},
	} {
		if got := ekiben.ProgressLine(tt.status, tt.total, tt.completed, tt.failed, tt.ended, tt.passed); got != tt.want {
			t.Errorf("got  %q\nwant %q", got, tt.want)
		}
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
		{"--file", in, "--lines", "--out", filepath.Dir(in)},
	} {
		if _, err := g.bulk(t, append([]string{"call", "r", "m"}, args...)...); err == nil {
			t.Errorf("%v is taken", args)
		}
	}
	if len(g.uploads) > 0 {
		t.Errorf("sent %v", g.uploads)
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

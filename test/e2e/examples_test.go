package e2e_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ekiben/ekiben/internal/processes"
	"github.com/ekiben/ekiben/internal/pythontest"
)

// example is a folder of examples/, copied so that what it writes is elsewhere.
type example struct{ dir, python string }

func newExample(t *testing.T, name string) example {
	t.Helper()
	e := example{t.TempDir(), pythontest.Interpreter(t)}
	if err := os.CopyFS(e.dir, os.DirFS(filepath.Join(root, "examples", name))); err != nil {
		t.Fatal(err)
	}
	return e
}

// prepare runs one of its scripts, and returns what that prints.
func (e example) prepare(t *testing.T, script string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), e.python, script)
	cmd.Dir = e.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}

// serve starts it as its README says, and returns the address.
func (e example) serve(t *testing.T) string {
	t.Helper()
	addr := processes.FreeAddr(t)
	processes.Launch(t, processes.Command{
		Program: processes.Binary(t, stock), Args: []string{"serve"}, Dir: e.dir,
		Env: []string{"EKIBEN_HTTP_ADDR=" + addr, "EKIBEN_PYTHON=" + e.python},
	})
	ready(t, addr)
	return "http://" + addr
}

// want checks what a call is answered with.
func want(t *testing.T, url, contentType, body, answer string) {
	t.Helper()
	if a := post(t, url, body, "Content-Type", contentType); a.status != http.StatusOK || a.body != answer {
		t.Errorf("POST %s %s answers %d %s, want %s", url, body, a.status, a.body, answer)
	}
}

func TestExampleIris(t *testing.T) {
	t.Parallel()

	e := newExample(t, "iris")
	if out := e.prepare(t, "train.py"); !strings.Contains(out, "accuracy on 45 flowers that it has not seen: ") {
		t.Errorf("train.py prints %s", out)
	}
	base := e.serve(t)
	want(t, base+"/v1/runners/iris_clf/predict", "application/json", `{"flowers": [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]}`, `[0,2]`)
	want(t, base+"/v1/runners/iris_clf/species", "application/json", `{"flowers": [[5.1, 3.5, 1.4, 0.2]]}`, `["setosa"]`)
	if a := post(t, base+"/v1/runners/iris_clf/predict", `{"flowers": [[1, 2]]}`, "Content-Type", "application/json"); a.status != http.StatusInternalServerError ||
		!strings.Contains(a.body, "features") {
		t.Errorf("flowers of two features are answered %d %s", a.status, a.body)
	}
}

func TestExampleNLTK(t *testing.T) {
	t.Parallel()

	base := newExample(t, "nltk").serve(t)
	want(t, base+"/v1/runners/nltk_sentiment/is_positive", "text/plain", "BentoML is great", "true")
	want(t, base+"/v1/runners/nltk_sentiment/is_positive", "application/json", `{"input_text": "This is the worst day of my life. :("}`, "false")
}

func TestExampleMyModel(t *testing.T) {
	t.Parallel()

	e := newExample(t, "mymodel")
	e.prepare(t, "save.py")
	base := e.serve(t)
	want(t, base+"/v1/runners/my_runner_1/predict", "application/json", `{"input_tensor": [[1, 1, 1], [0, 0, 2]]}`, `[[6.5],[6.5]]`)
	want(t, base+"/v1/runners/my_runner_2/predict", "application/json", `{"input_tensor": [[1, 1, 1]]}`, `[[2,1]]`)
}

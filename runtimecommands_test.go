package ekiben_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ekiben/ekiben"
)

type listed struct {
	Runtimes []struct {
		Name, Version, Source, Path, Problem string
		Installed, CUDA                      bool
	}
}

// runtimes is what `runtime list` tells.
func runtimes(t *testing.T) listed {
	t.Helper()
	var out bytes.Buffer
	if err := ekiben.Execute(t.Context(), &out, io.Discard, "runtime", "list", "--output", "json"); err != nil {
		t.Fatal(err)
	}
	var l listed
	if err := json.Unmarshal(out.Bytes(), &l); err != nil || len(l.Runtimes) != 1 || l.Runtimes[0].Name != "onnx" {
		t.Fatalf("%v: %s", err, &out)
	}
	return l
}

func TestRuntimesAreListed(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("ONNXRUNTIME_LIB", filepath.Join(dir, "mine.so"))
	if r := runtimes(t).Runtimes[0]; r.Installed || !strings.Contains(r.Problem, "ekiben runtime install onnx") {
		t.Errorf("without a library: %+v", r)
	}
	if err := os.WriteFile(filepath.Join(dir, "mine.so"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := runtimes(t).Runtimes[0]; r.Installed || !strings.Contains(r.Problem, "is damaged: "+dir) {
		t.Errorf("with an empty one: %+v", r)
	}
	binary, err := os.ReadFile(os.Args[0]) // whole is what is asked for
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "mine.so"), binary, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := runtimes(t).Runtimes[0]; !r.Installed || r.Source != "ONNXRUNTIME_LIB" || r.Path != filepath.Join(dir, "mine.so") || r.CUDA {
		t.Errorf("with one: %+v", r)
	}
	var table bytes.Buffer
	if err := ekiben.Execute(t.Context(), &table, io.Discard, "runtime", "list"); err != nil || !strings.Contains(table.String(), "ONNXRUNTIME_LIB  no    "+dir) {
		t.Errorf("%v:\n%s", err, &table)
	}
}

func TestARuntimeIsAskedOfTheRegistryAndOnlyThePinnedOneIsTaken(t *testing.T) {
	var asked []string
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.Path)
		_, _ = io.WriteString(w, "something else")
	}))
	defer registry.Close()
	data := t.TempDir()
	t.Setenv("XDG_DATA_HOME", data)
	t.Setenv("npm_config_registry", registry.URL+"/npm")
	for _, line := range []string{"runtime install onnx", "runtime install onnx --from " + os.Args[0]} {
		err := ekiben.Execute(t.Context(), io.Discard, io.Discard, strings.Fields(line)...)
		if err == nil || !strings.Contains(err.Error(), "is not the pinned one") {
			t.Errorf("%s: %v", line, err)
		}
	}
	if want := "GET /npm/onnxruntime-node/-/onnxruntime-node-1.24.3.tgz"; len(asked) != 1 || asked[0] != want {
		t.Errorf("the registry was asked %v, want %s once", asked, want)
	}
	err := filepath.WalkDir(data, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			t.Errorf("%s was left", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestAnEmptyArchiveNameIsNoWishToDownload(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	t.Setenv("npm_config_registry", "http://127.0.0.1:1/nobody-is-there")
	err := ekiben.Execute(t.Context(), io.Discard, io.Discard, "runtime", "install", "onnx", "--from", "")
	if err == nil || !strings.Contains(err.Error(), "--from is empty") {
		t.Errorf("%v", err)
	}
}

func TestOnlyKnownRuntimesAreInstalled(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"runtime install", "runtime install torch", "runtime install onnx onnx"} {
		if err := ekiben.Execute(t.Context(), io.Discard, io.Discard, strings.Fields(line)...); err == nil {
			t.Errorf("%s is accepted", line)
		}
	}
}

//go:build cgo

package onnx_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ekiben/ekiben/internal/onnxtest"
	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/runnables/onnx"
)

// A process loads one library, so others are tried in processes of their own.
const loader = "EKIBEN_TEST_LOADS"

func TestLoadsInAProcessOfItsOwn(t *testing.T) { //nolint:paralleltest // it is the only test of that process
	if os.Getenv(loader) == "" {
		t.Skip("started by the other tests of this file")
	}
	in, err := onnx.Kind().New(t.Context(), setup(runnables.Init{"path": model("arithmetic")}))
	if err != nil {
		t.Fatal(err)
	}
	t.Log("loaded")
	_ = in.Close()
}

// loads says what comes of a library.
func loads(t *testing.T, library string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestLoadsInAProcessOfItsOwn$", "-test.v")
	cmd.Env = append(os.Environ(), loader+"=1", "ONNXRUNTIME_LIB="+library)
	out, _ := cmd.CombinedOutput() // that it fails is in what it writes
	return string(out)
}

func TestALibraryThatCannotBeLoadedIsTold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	whole := onnxtest.Need(t).Path
	code, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	garbage, short, empty := filepath.Join(dir, "garbage.so"), filepath.Join(dir, "short.so"), filepath.Join(dir, "empty.so")
	for path, content := range map[string][]byte{garbage: []byte("this is no library"), short: code[:len(code)/2], empty: nil} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for library, want := range map[string]string{
		whole:                         "loaded",
		filepath.Join(dir, "none.so"): "install onnx",
		garbage:                       "is damaged: " + garbage + " (ONNXRUNTIME_LIB)",
		short:                         "is damaged: " + short + " (ONNXRUNTIME_LIB)",
		empty:                         "is damaged: " + empty + " (ONNXRUNTIME_LIB)",
		other(t, dir):                 "another one is installed with: ekiben runtime install onnx",
		old(t, dir):                   "is too old: ",
	} {
		if out := loads(t, library); !strings.Contains(out, want) {
			t.Errorf("%s: want %q in\n%s", library, want, out)
		}
	}
}

// other is a library of something else.
func other(t *testing.T, dir string) string {
	t.Helper()
	return compiled(t, dir, "other", `int answer(void) { return 42; }`)
}

// old is a library without the version of the C API that the binding wants.
func old(t *testing.T, dir string) string {
	t.Helper()
	return compiled(t, dir, "old", `#include <stdint.h>
static const void *api(uint32_t version) { (void)version; return 0; }
static const char *version(void) { return "0.1"; }
static const struct { const void *(*api)(uint32_t); const char *(*version)(void); } base = {api, version};
const void *OrtGetApiBase(void) { return &base; }
`)
}

// compiled is a library of C code.
func compiled(t *testing.T, dir, name, code string) string {
	t.Helper()
	source, library := filepath.Join(dir, name+".c"), filepath.Join(dir, name+".so")
	if err := os.WriteFile(source, []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "cc", "-shared", "-fPIC", "-o", library, source).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return library
}

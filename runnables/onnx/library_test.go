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
	garbage := filepath.Join(dir, "garbage.so")
	if err := os.WriteFile(garbage, []byte("this is no library"), 0o600); err != nil {
		t.Fatal(err)
	}
	for library, want := range map[string]string{
		onnxtest.Need(t).Path:         "loaded",
		filepath.Join(dir, "none.so"): "install onnx",
		garbage:                       "load " + garbage + " (ONNXRUNTIME_LIB)",
		old(t, dir):                   "is too old: ",
	} {
		if out := loads(t, library); !strings.Contains(out, want) {
			t.Errorf("%s: want %q in\n%s", library, want, out)
		}
	}
}

// old is a library without the version of the C API that the binding wants.
func old(t *testing.T, dir string) string {
	t.Helper()
	source, library := filepath.Join(dir, "old.c"), filepath.Join(dir, "old.so")
	code := `#include <stdint.h>
static const void *api(uint32_t version) { (void)version; return 0; }
static const char *version(void) { return "0.1"; }
static const struct { const void *(*api)(uint32_t); const char *(*version)(void); } base = {api, version};
const void *OrtGetApiBase(void) { return &base; }
`
	if err := os.WriteFile(source, []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "cc", "-shared", "-fPIC", "-o", library, source).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return library
}

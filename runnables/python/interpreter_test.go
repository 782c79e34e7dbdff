//go:build linux

package python_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ekiben/ekiben/internal/pythontest"
	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/runnables/python"
)

// script writes a program that passes for an interpreter.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "python")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestWhyAnInterpreterIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ interpreter, says string }{
		"not there":    {"no-such-python", `no Python interpreter "no-such-python" (EKIBEN_PYTHON)`},
		"no such file": {"./bin/python", "/bin/python"},
		"too old":      {script(t, "printf '3.8 '"), "is Python 3.8, want 3.9 or later"},
		"without":      {script(t, "printf '3.11 bare'"), "has no numpy: run "},
		"fails":        {script(t, "echo broken >&2; exit 1"), "is no Python that works: exit status 1: broken"},
		"not one":      {"/bin/true", "want 3.9 or later"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kind := python.Kind(python.Options{Interpreter: c.interpreter, Cache: t.TempDir()})
			_, err := kind.New(t.Context(), setup("subject:Subject"))
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error is %v, want %s", err, c.says)
			}
		})
	}
}

func TestTheInterpreterOfTheRunnerIsUsedFirst(t *testing.T) {
	t.Parallel()
	s := setup("subject:Subject")
	s.Runner.Dir = t.TempDir()
	s.Runner.Python = "venv/python"
	kind := python.Kind(python.Options{Interpreter: "/bin/true", Cache: t.TempDir()})
	_, err := kind.New(t.Context(), s)
	if want := filepath.Join(s.Runner.Dir, "venv/python"); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "python: of the runner") {
		t.Errorf("error is %v, want %s", err, want)
	}
}

func TestTheBridgeIsWrittenOnceWhereOnlyTheUserCanWrite(t *testing.T) {
	t.Parallel()
	cache := filepath.Join(t.TempDir(), "cache")
	serve := func() {
		kind := python.Kind(python.Options{Interpreter: pythontest.Interpreter(t), Cache: cache})
		if _, err := kind.Describe(t.Context(), setup("subject:Subject").Runner); err != nil {
			t.Fatal(err)
		}
	}
	serve()
	dirs, err := os.ReadDir(cache)
	if err != nil || len(dirs) != 1 {
		t.Fatalf("the cache has %v, %v", dirs, err)
	}
	info, err := os.Stat(cache)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the cache is %v, %v", info.Mode(), err)
	}
	file := filepath.Join(cache, dirs[0].Name(), "ekiben", "bridge.py")
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	// What was damaged is written again.
	if err := os.WriteFile(file, []byte("raise SystemExit('damaged')"), 0o600); err != nil {
		t.Fatal(err)
	}
	serve()
	if is, err := os.ReadFile(file); err != nil || string(is) != string(good) {
		t.Errorf("the bridge was not mended, %v", err)
	}
	if dirs, err = os.ReadDir(cache); err != nil || len(dirs) != 1 {
		t.Errorf("the cache has %v, %v", dirs, err)
	}
}

func TestAFolderThatOthersCanWriteToIsNotUsed(t *testing.T) {
	t.Parallel()
	cache := t.TempDir()
	if err := os.Chmod(cache, 0o777); err != nil {
		t.Fatal(err)
	}
	kind := python.Kind(python.Options{Interpreter: "/bin/true", Cache: cache})
	if _, err := kind.New(t.Context(), setup("subject:Subject")); err == nil || !strings.Contains(err.Error(), "nobody else can write") {
		t.Errorf("error is %v", err)
	}
}

func TestTheKindIsAlwaysIsolated(t *testing.T) {
	t.Parallel()
	kind := python.Kind(python.Options{})
	if !kind.Isolated || kind.Resources.Concurrent {
		t.Errorf("the kind is %+v", kind)
	}
	if _, ok := (runnables.Kinds{"python": kind}).Of(runnables.Runner{Runnable: "python:a.b:C"}); !ok {
		t.Error("python:a.b:C is of another kind")
	}
}

//go:build linux

package python_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

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
		"not there":    {"no-such-python", `no Python interpreter "no-such-python" (of this binary)`},
		"no such file": {"./bin/python", "/bin/python"},
		"too old":      {script(t, "printf '3.8 '"), "is Python 3.8, want 3.9 or later"},
		"without":      {script(t, "printf '3.11 bare'"), "has no numpy: run "},
		"fails":        {script(t, "echo broken >&2; exit 1"), "is no Python that works: exit status 1: broken"},
		"not one":      {"/bin/true", "is no Python that works: it does not tell its version, want 3.9 or later"},
		"an echo":      {"/bin/echo", "is no Python that works: it does not tell its version"},
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

func TestTheProgramThatAnInterpreterIsAskedWithIsNotShown(t *testing.T) {
	t.Parallel()
	kind := python.Kind(python.Options{Interpreter: "/bin/ls", Cache: t.TempDir()})
	_, err := kind.New(t.Context(), setup("subject:Subject"))
	if err == nil || !strings.HasSuffix(err.Error(), "/bin/ls is no Python that works: exit status 2") {
		t.Errorf("error is %v", err)
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

// Folders for temporary files are cleaned up while workers live.
func TestTheBridgeIsWrittenAgainForAProcessThatIsReplaced(t *testing.T) {
	t.Parallel()
	cache := filepath.Join(t.TempDir(), "cache")
	kind := python.Kind(python.Options{Interpreter: pythontest.Interpreter(t), Cache: cache})
	var instances []runnables.Runnable
	for range 3 {
		i, err := kind.New(t.Context(), setup("subject:Subject"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = i.Close() }()
		instances = append(instances, i)
	}
	if err := os.RemoveAll(cache); err != nil {
		t.Fatal(err)
	}
	for _, i := range instances {
		if _, err := act(t.Context(), t, i, "exit 1"); !errors.Is(err, runnables.ErrCrashed) {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, i := range instances {
		if said, err := act(ctx, t, i, "say back"); err != nil || said != "back" {
			t.Fatalf("%q, %v", said, err)
		}
	}
}

// unpacked has a kind write the bridge, without a Python.
func unpacked(t *testing.T, cache string) error {
	t.Helper()
	kind := python.Kind(python.Options{Interpreter: "/bin/true", Cache: cache})
	_, err := kind.New(t.Context(), setup("subject:Subject"))
	if err != nil && strings.Contains(err.Error(), "want 3.9 or later") {
		return nil // it came so far
	}
	return err
}

func TestManyMayWriteAndMendTheBridgeAtOnce(t *testing.T) {
	t.Parallel()
	cache := filepath.Join(t.TempDir(), "cache")
	for round := range 10 {
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if err := unpacked(t, cache); err != nil {
					t.Errorf("round %d: %v", round, err)
				}
			})
		}
		all.Wait()
		dirs, err := os.ReadDir(cache)
		if err != nil || len(dirs) != 1 {
			t.Fatalf("the cache has %v, %v", dirs, err)
		}
		if err := os.Remove(filepath.Join(cache, dirs[0].Name(), "ekiben", "wire.py")); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheBridgeNeedsNoHome(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("HOME", "/dev/null")
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("TMPDIR", temporary)
	if err := unpacked(t, ""); err != nil {
		t.Fatal(err)
	}
	base := filepath.Join(temporary, fmt.Sprintf("ekiben-python-%d", os.Getuid()))
	if dirs, err := os.ReadDir(base); err != nil || len(dirs) != 1 {
		t.Errorf("there are %v, %v", dirs, err)
	}
	// Another user may have made it, to have his program run.
	if err := os.Chown(base, 12345, -1); err != nil {
		t.Skip(err)
	}
	if err := unpacked(t, ""); err == nil || !strings.Contains(err.Error(), "not a folder of this user") {
		t.Errorf("error is %v", err)
	}
}

func TestAFileThatHidesThePackageIsNamed(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"ekiben.py", "ekiben/__init__.py"} {
		s := setup("ekiben:Thing")
		s.Runner.Dir = t.TempDir()
		path := filepath.Join(s.Runner.Dir, file)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
		kind := python.Kind(python.Options{Interpreter: "/bin/true", Cache: t.TempDir()})
		if _, err := kind.New(t.Context(), s); err == nil || !strings.Contains(err.Error(), "the file "+file+" in") {
			t.Errorf("with %s the error is %v", file, err)
		}
	}
}

// Whatever an interpreter writes by itself when it starts, and whoever it leaves
// behind, does not matter.
func TestAnInterpreterMayBeNoisy(t *testing.T) {
	t.Parallel()
	noisy := script(t, "sleep 5 & printf 'Welcome to Python 2.7\n\n3.11 bare'")
	kind := python.Kind(python.Options{Interpreter: noisy, Cache: t.TempDir()})
	if _, err := kind.New(t.Context(), setup("subject:Subject")); err == nil || !strings.Contains(err.Error(), "is Python 3.11, has no numpy") {
		t.Errorf("error is %v", err)
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

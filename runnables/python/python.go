// Package python runs classes that are written in Python: python:my.module:Class
// in ekiben.yaml. Each instance is a Python interpreter of its own, which package
// process starts, watches and replaces.
//
// The Python package in the folder ekiben, which classes may import, is part of
// the binary and is put on the interpreter's path. Its module ekiben.bridge is the
// interpreter's end of the protocol.
package python

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/runnables/process"
)

// Options are those of the kind.
type Options struct {
	// Interpreter is the Python of runners that do not name one, a path or a name.
	// Empty means python3.
	Interpreter string

	// Cache is a folder that the bridge may be written to. Empty means that of the
	// user, or else one for temporary files.
	Cache string

	// Log is told why a class cannot be described, with the traceback. Default:
	// slog.Default(). Instances have logs of their own.
	Log *slog.Logger
}

// defaultInterpreter is the Python of those who name none.
const defaultInterpreter = "python3"

// Kind makes instances of classes in Python. What an interpreter needs is checked
// before the first of its instances is made: Python 3.9 and numpy.
func Kind(o Options) runnables.Kind {
	k := &kind{
		options:   o,
		checked:   map[string]bool{},
		described: map[string]runnables.Resources{},
	}
	k.bridge.cache = o.Cache
	return runnables.Kind{New: k.start, Describe: k.describe, Isolated: true, Targeted: true}
}

// kind is what the instances of a kind share.
type kind struct {
	options Options

	bridge bridge

	mu        sync.Mutex // guards what follows
	checked   map[string]bool
	described map[string]runnables.Resources
}

func (k *kind) start(ctx context.Context, s runnables.Setup) (runnables.Runnable, error) {
	command, err := k.command(ctx, s.Runner)
	if err != nil {
		return nil, err
	}
	instance, err := process.Start(ctx, command, s)
	if err != nil {
		return nil, fmt.Errorf("python %s: %w", s.Runner.Target(), err)
	}
	return instance, nil
}

// describe asks the class for its resources, in a process that sees no GPU. Each
// class is asked once an interpreter.
func (k *kind) describe(ctx context.Context, r runnables.Runner) (runnables.Resources, error) {
	command, err := k.command(ctx, r)
	if err != nil {
		return runnables.Resources{}, err
	}
	key := strings.Join(append(signs(command, r), r.Target()), "\x00")
	k.mu.Lock()
	res, ok := k.described[key]
	k.mu.Unlock()
	if ok {
		return res, nil
	}
	res, err = process.Describe(ctx, command, runnables.Setup{Runner: r, Log: k.failures(r)})
	if err != nil {
		return runnables.Resources{}, fmt.Errorf("python %s: %w", r.Target(), err)
	}
	k.mu.Lock()
	k.described[key] = res
	k.mu.Unlock()
	return res, nil
}

// command is how the interpreter of a runner is started, which is there and has
// what it needs.
func (k *kind) command(ctx context.Context, r runnables.Runner) (process.Command, error) {
	if module, class, ok := strings.Cut(r.Target(), ":"); !ok || module == "" || class == "" {
		return process.Command{}, fmt.Errorf("runnable %q names no class in Python, want python:my.module:Class", r.Runnable)
	}
	interpreter, err := find(k.options, r)
	if err != nil {
		return process.Command{}, err
	}
	for _, file := range []string{"ekiben.py", filepath.Join("ekiben", "__init__.py")} {
		if _, err := os.Stat(filepath.Join(r.Dir, file)); err == nil {
			return process.Command{}, fmt.Errorf("the file %s in %q hides the package ekiben from Python, give it another name", file, r.Dir)
		}
	}
	bridge, err := k.bridge.folder()
	if err != nil {
		return process.Command{}, fmt.Errorf("unpack the bridge to Python: %w", err)
	}
	command := process.Command{
		Path: interpreter, Args: []string{"-u", "-m", "ekiben.bridge"},
		Prepare: func() error { _, err := k.bridge.folder(); return err },
		Env: map[string]string{
			"PYTHONPATH":         searchPath(bridge, r),
			"PYTHONUNBUFFERED":   "1",
			"PYTHONFAULTHANDLER": "1",
		},
	}
	key := strings.Join(signs(command, r), "\x00")
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.checked[key] {
		return command, nil
	}
	if err := check(ctx, command, r); err != nil {
		return process.Command{}, err
	}
	k.checked[key] = true
	return command, nil
}

// searchPath is where Python looks for modules after the working directory: for
// ours first, so that it is the one that this binary speaks to.
func searchPath(bridge string, r runnables.Runner) string {
	rest, own := r.Env["PYTHONPATH"]
	if !own {
		rest = os.Getenv("PYTHONPATH")
	}
	if rest == "" {
		return bridge
	}
	return bridge + string(os.PathListSeparator) + rest
}

// signs are what tells one way to start Python from another.
func signs(c process.Command, r runnables.Runner) []string {
	all := []string{c.Path, r.Dir, c.Env["PYTHONPATH"]}
	for name, v := range r.Env {
		all = append(all, name+"="+v)
	}
	slices.Sort(all[3:])
	return all
}

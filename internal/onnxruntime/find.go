package onnxruntime

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Variable is the environment variable that names the library, and wins over all
// places where it is looked for.
const Variable = "ONNXRUNTIME_LIB"

// Command installs the library.
const Command = "ekiben runtime install onnx"

// ErrMissing is wrapped when there is no library.
var ErrMissing = errors.New("the shared library of ONNX Runtime is missing")

// Found is a library on this machine.
type Found struct {
	// Path of the file. It is absolute.
	Path string

	// Source says how it was found, such as the name of the variable.
	Source string
}

// installed is the source of what [Install] has put where it is.
const installed = "installed"

// Find looks for the library: in [Variable], where [Install] puts it, beside the
// binary, and where systems have theirs. Without one the error wraps [ErrMissing]
// and says what to do.
func Find(r Release) (Found, error) {
	if named := os.Getenv(Variable); named != "" {
		return findNamed(r, named)
	}
	var looked []string
	for _, p := range places(r) {
		for _, name := range names(r) {
			path := filepath.Join(p.dir, name)
			if isFile(path) {
				return Found{Path: path, Source: p.source}, nil
			}
		}
		looked = append(looked, p.dir)
	}
	return Found{}, fmt.Errorf("%w: install it with: %s (or name one in %s); looked in %s",
		ErrMissing, Command, Variable, strings.Join(looked, ", "))
}

// findNamed takes the library that the variable names: a file, or a folder with
// one.
func findNamed(r Release, named string) (Found, error) {
	path, err := filepath.Abs(named)
	if err != nil {
		return Found{}, fmt.Errorf("%s is %s: %w", Variable, named, err)
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		for _, name := range names(r) {
			if within := filepath.Join(path, name); isFile(within) {
				return Found{Path: within, Source: Variable}, nil
			}
		}
		return Found{}, fmt.Errorf("%w: %s is the folder %s, which has none of %s; correct it, or unset it and run: %s",
			ErrMissing, Variable, named, strings.Join(names(r), ", "), Command)
	}
	if !isFile(path) {
		return Found{}, fmt.Errorf("%w: %s is %s, where there is no such file; correct it, or unset it and run: %s",
			ErrMissing, Variable, named, Command)
	}
	return Found{Path: path, Source: Variable}, nil
}

// HasCUDA reports whether the library comes with what it needs to compute on
// NVIDIA GPUs, which lies beside it.
func (f Found) HasCUDA() bool {
	target, err := filepath.EvalSymlinks(f.Path)
	if err != nil {
		return false
	}
	const provider = "libonnxruntime_providers_cuda.so"
	return isFile(filepath.Join(filepath.Dir(f.Path), provider)) || isFile(filepath.Join(filepath.Dir(target), provider))
}

// place is a folder where the library may be.
type place struct{ dir, source string }

func places(r Release) []place {
	var all []place
	if dir, err := Dir(r); err == nil {
		all = append(all, place{dir, installed})
	}
	if exe, err := os.Executable(); err == nil {
		bin := filepath.Dir(exe)
		all = append(all, place{filepath.Join(bin, "lib"), "beside the binary"}, place{filepath.Join(bin, "..", "lib"), "beside the binary"})
	}
	for _, dir := range []string{
		"/usr/local/lib", "/usr/lib", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/opt/onnxruntime/lib", "/opt/homebrew/lib",
	} {
		all = append(all, place{dir, "system"})
	}
	return all
}

// names are what the file may be called.
func names(r Release) []string {
	if strings.HasPrefix(Platform(), "darwin/") {
		return []string{"libonnxruntime.dylib", "libonnxruntime." + r.Version + ".dylib"}
	}
	return []string{"libonnxruntime.so.1", "libonnxruntime.so." + r.Version, "libonnxruntime.so"}
}

// Dir is where [Install] puts the library of a release, below $XDG_DATA_HOME or
// ~/.local/share.
func Dir(r Release) (string, error) {
	data := os.Getenv("XDG_DATA_HOME")
	if !filepath.IsAbs(data) { // as its specification says: a relative one is ignored
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("where to install: neither XDG_DATA_HOME nor HOME is set: %w", err)
		}
		data = filepath.Join(home, ".local", "share")
	}
	return filepath.Join(data, "ekiben", "runtime", "onnx", r.Version), nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

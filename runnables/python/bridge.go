package python

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// files is the Python package.
//
//go:embed ekiben/*.py ekiben/py.typed
var files embed.FS

// bridge is the Python package in a folder, which is written when it is asked for
// first, and mended when it is asked for again: a folder for temporary files may
// be cleaned up while processes still have to be replaced.
type bridge struct {
	cache string

	mu  sync.Mutex // guards what follows, and the folder against two who mend it
	dir string
}

// folder is what must be on Python's path. It has the package, and stays the same.
func (b *bridge) folder() (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.dir != "" {
		return b.dir, place(filepath.Dir(b.dir), b.dir)
	}
	dir, err := unpack(b.cache)
	if err == nil {
		b.dir = dir
	}
	return dir, err
}

// unpack writes the Python package to a folder that only this user can write to,
// and returns what must be on Python's path. The folder is named after what it
// has, so that binaries of several versions do not meet, and is used again.
func unpack(cache string) (string, error) {
	sum, err := digest()
	if err != nil {
		return "", err
	}
	var errs []error
	for _, base := range bases(cache) {
		dir := filepath.Join(base, sum)
		err := place(base, dir)
		if err == nil {
			return dir, nil
		}
		errs = append(errs, err)
	}
	return "", errors.Join(errs...)
}

// bases are folders to try. Where the user has none, as in many containers, there
// is still that for temporary files.
func bases(cache string) []string {
	if cache != "" {
		return []string{cache}
	}
	var all []string
	if dir, err := os.UserCacheDir(); err == nil {
		all = append(all, filepath.Join(dir, "ekiben", "python"))
	}
	return append(all, filepath.Join(os.TempDir(), fmt.Sprintf("ekiben-python-%d", os.Getuid())))
}

// each visits the files of the package.
func each(visit func(name string, text []byte) error) error {
	return fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		return visit(filepath.FromSlash(name), text)
	})
}

// digest names what the package has.
func digest() (string, error) {
	h := sha256.New()
	err := each(func(name string, text []byte) error {
		if _, err := fmt.Fprintf(h, "%s %d\n", name, len(text)); err != nil {
			return err
		}
		_, err := h.Write(text)
		return err
	})
	return fmt.Sprintf("%x", h.Sum(nil)[:12]), err
}

// place makes sure that dir, in base, has the package and nobody else can change
// it.
func place(base, dir string) error {
	if err := os.MkdirAll(base, 0o700); err != nil {
		return err
	}
	if err := private(base); err != nil {
		return err
	}
	if whole(dir) == nil {
		return private(dir)
	}
	fresh, err := os.MkdirTemp(base, "new-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(fresh) }()
	err = each(func(name string, text []byte) error {
		path := filepath.Join(fresh, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		return os.WriteFile(path, text, 0o600)
	})
	if err != nil {
		return err
	}
	if os.Rename(fresh, dir) == nil {
		return nil
	}
	// Somebody else was faster, or it is damaged: then it makes way at once.
	if whole(dir) == nil {
		return private(dir)
	}
	aside := fresh + "-old"
	defer func() { _ = os.RemoveAll(aside) }()
	if err := os.Rename(dir, aside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(fresh, dir); err != nil && whole(dir) != nil {
		return err
	}
	return private(dir)
}

// whole reports what a folder lacks of the package.
func whole(dir string) error {
	return each(func(name string, text []byte) error {
		is, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil && !bytes.Equal(is, text) {
			err = fmt.Errorf("%s was changed", name)
		}
		return err
	})
}

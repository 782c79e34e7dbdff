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
)

// files is the Python package.
//
//go:embed ekiben/*.py ekiben/py.typed
var files embed.FS

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
	// Somebody else was faster, or it is damaged.
	if whole(dir) == nil {
		return private(dir)
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.Rename(fresh, dir)
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

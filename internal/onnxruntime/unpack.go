package onnxruntime

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// unpack copies one regular file of a gzipped tar to path, which appears when it
// is complete. No other name of the archive is used for anything.
func unpack(archive io.Reader, entry, path string) error {
	unzipped, err := gzip.NewReader(archive)
	if err != nil {
		return err
	}
	in := tar.NewReader(unzipped)
	for {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("it has no file %s", entry)
		}
		if err != nil {
			return err
		}
		if header.Name != entry {
			continue
		}
		if header.Typeflag != tar.TypeReg {
			return fmt.Errorf("%s is no regular file", entry)
		}
		return writeWhole(in, path)
	}
}

// writeWhole makes a file that is complete when it appears, also after a crash.
func writeWhole(in io.Reader, path string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".library-*")
	if err != nil {
		return err
	}
	if err := fill(f, in); err != nil {
		discard(f)
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		discard(f)
		return err
	}
	return nil
}

func fill(f *os.File, in io.Reader) error {
	if _, err := io.Copy(f, in); err != nil {
		return err
	}
	if err := f.Chmod(0o755); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}

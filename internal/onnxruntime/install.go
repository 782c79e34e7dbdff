package onnxruntime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// ErrDigest is wrapped when an archive is not the one that is pinned: it was cut
// short, changed on its way, or is another version.
var ErrDigest = errors.New("the archive is not the pinned one")

// Source is where an archive comes from. It says how long the archive is, or -1
// when it does not know.
type Source func(ctx context.Context) (archive io.ReadCloser, size int64, err error)

// Install is what [Install.Run] does.
type Install struct {
	Release  Release
	Platform string

	// Dir is where the library goes, see [Dir].
	Dir string

	// From gives the archive: [Download] or [File].
	From Source

	// Progress, if set, is told how many bytes of the archive there are by now, and
	// how many there will be.
	Progress func(done, total int64)
}

// Run installs the library and returns its path. The archive is unpacked only
// after its digest was found right, and the library appears complete or not at
// all. Where it is already, nothing is done and fresh is false; a damaged one is
// replaced.
func (i Install) Run(ctx context.Context) (path string, fresh bool, err error) {
	library, err := i.Release.library(i.Platform)
	if err != nil {
		return "", false, err
	}
	path = filepath.Join(i.Dir, fileName(i.Platform))
	if library.is(path) == nil {
		return path, false, nil
	}
	if err := os.MkdirAll(i.Dir, 0o755); err != nil {
		return "", false, fmt.Errorf("install: %w", err)
	}
	archive, err := i.fetch(ctx)
	if err != nil {
		return "", false, err
	}
	defer discard(archive)
	if err := unpack(archive, library.Entry, path); err != nil {
		return "", false, fmt.Errorf("unpack %s %s: %w", i.Release.Package, i.Release.Version, err)
	}
	return path, true, nil
}

// fetch copies the archive to a file beside its destination, and checks its
// digest. The file is at its start.
func (i Install) fetch(ctx context.Context) (archive *os.File, err error) {
	in, size, err := i.From(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	f, err := os.CreateTemp(i.Dir, ".archive-*")
	if err != nil {
		return nil, fmt.Errorf("install: %w", err)
	}
	defer func() {
		if err != nil {
			discard(f)
			archive = nil
		}
	}()
	if size < 0 {
		size = i.Release.Size
	}
	digest, err := newDigest(i.Release.Integrity)
	if err != nil {
		return nil, err
	}
	counted := &counter{to: i.Progress, total: size}
	if _, err := io.Copy(io.MultiWriter(f, digest, counted), in); err != nil {
		return nil, fmt.Errorf("read the archive: %w", err)
	}
	if err := digest.check(); err != nil {
		return nil, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read the archive: %w", err)
	}
	return f, nil
}

// discard closes and removes a file of ours.
func discard(f *os.File) {
	_ = f.Close()
	_ = os.Remove(f.Name())
}

// counter tells of the bytes that are written to it.
type counter struct {
	to          func(done, total int64)
	done, total int64
}

func (c *counter) Write(p []byte) (int, error) {
	c.done += int64(len(p))
	if c.to != nil {
		c.to(c.done, c.total)
	}
	return len(p), nil
}

package onnxruntime

import (
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// ErrDamaged is wrapped when there is a library that is not as it was made, such as
// one that was cut short when a disk was full.
var ErrDamaged = errors.New("the shared library of ONNX Runtime is damaged")

// Whole says, in microseconds, whether a library is as long as it has to be: to
// load one that is not would end the process. The error wraps [ErrDamaged] and says
// what to do.
func (f Found) Whole(r Release) error {
	if library, pinned := r.Libraries[Platform()]; pinned && f.Source == installed {
		if err := library.hasSize(f.Path); err != nil {
			return f.damaged(err)
		}
	}
	if err := wholeELF(f.Path); err != nil {
		return f.damaged(err)
	}
	return nil
}

// Intact is [Found.Whole], and reads an installed library to the end: it is the
// pinned one.
func (f Found) Intact(r Release) error {
	library, pinned := r.Libraries[Platform()]
	if err := f.Whole(r); err != nil || !pinned || f.Source != installed {
		return err
	}
	if err := library.is(f.Path); err != nil {
		return f.damaged(err)
	}
	return nil
}

func (f Found) damaged(err error) error {
	what := "install it again with: " + Command
	if f.Source == Variable {
		what = fmt.Sprintf("correct %s, or unset it and run: %s", Variable, Command)
	}
	return fmt.Errorf("%w: %s (%s): %w; %s", ErrDamaged, f.Path, f.Source, err, what)
}

// hasSize says whether a file is as long as the library.
func (l Library) hasSize(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() != l.Size {
		return fmt.Errorf("it has %d bytes, want %d", info.Size(), l.Size)
	}
	return nil
}

// is says whether a file is the library.
func (l Library) is(path string) error {
	if err := l.hasSize(path); err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != l.SHA256 {
		return fmt.Errorf("its SHA-256 is %s, want %s", got, l.SHA256)
	}
	return nil
}

// wholeELF says whether a file has all that its headers name. Files of other
// systems are not looked at.
func wholeELF(path string) error {
	if !strings.HasPrefix(Platform(), "linux/") {
		return nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	f, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("it is no whole library: %w", err)
	}
	defer func() { _ = f.Close() }()
	for _, p := range f.Progs {
		if p.Off+p.Filesz > uint64(info.Size()) {
			return fmt.Errorf("it is no whole library: it has %d bytes, want %d at least", info.Size(), p.Off+p.Filesz)
		}
	}
	return nil
}

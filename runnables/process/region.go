//go:build unix

package process

import (
	"errors"
	"fmt"
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// region is memory that two processes share: a file without a name. It belongs
// to one goroutine at a time.
type region struct {
	file *os.File

	// copied: the file could be made shorter by the other side, which kills whoever
	// reads or writes a mapping of it. So it is not mapped but read and written.
	copied bool

	mapped []byte

	// need is how much was needed since it was last trimmed, before how much between
	// that and the time before.
	need, before int
}

// leastRegion is the least that a region grows to.
const leastRegion = 1 << 20

// newRegion makes an empty region.
func newRegion() (*region, error) {
	if file, err := sealedFile(); err == nil {
		return &region{file: file}, nil
	}
	return newCopiedRegion()
}

// newCopiedRegion makes a region where there are no files that can be sealed.
func newCopiedRegion() (*region, error) {
	file, err := os.CreateTemp("", "ekiben-region-")
	if err != nil {
		return nil, fmt.Errorf("make shared memory: %w", err)
	}
	if err := os.Remove(file.Name()); err != nil {
		return nil, errors.Join(fmt.Errorf("make shared memory: %w", err), file.Close())
	}
	return &region{file: file, copied: true}, nil
}

// write has fill write size bytes at an offset of the region, which grows if it
// must.
func (r *region) write(offset, size int, fill func(dst []byte) error) error {
	if size > math.MaxInt-offset {
		return fmt.Errorf("%d bytes at %d are too many", size, offset)
	}
	if r.copied {
		buffer := make([]byte, size)
		if err := fill(buffer); err != nil {
			return err
		}
		_, err := r.file.WriteAt(buffer, int64(offset))
		return err
	}
	if err := r.grow(offset + size); err != nil {
		return err
	}
	r.need = max(r.need, offset+size)
	return fill(r.mapped[offset : offset+size : offset+size])
}

// grow makes sure that the region has end bytes, and that they are mapped.
func (r *region) grow(end int) error {
	if end <= len(r.mapped) {
		return nil
	}
	size := max(leastRegion, end)
	if size <= math.MaxInt/2 {
		size = max(size, 2*len(r.mapped))
		size = (size + leastRegion - 1) / leastRegion * leastRegion
	}
	info, err := r.file.Stat()
	if err != nil {
		return fmt.Errorf("shared memory: %w", err)
	}
	if info.Size() < int64(size) {
		if err := r.file.Truncate(int64(size)); err != nil {
			return fmt.Errorf("make shared memory larger: %w", err)
		}
	}
	return r.remap(size)
}

// reach makes sure that the first end bytes can be read. What read returned
// before may be gone then.
func (r *region) reach(end int) error {
	r.need = max(r.need, end)
	if end <= len(r.mapped) {
		return nil
	}
	info, err := r.file.Stat()
	switch {
	case err != nil:
		return fmt.Errorf("shared memory: %w", err)
	case int64(end) > info.Size():
		return fmt.Errorf("%w: data up to %d in a region of %d bytes", errProtocol, end, info.Size())
	case r.copied:
		return nil
	}
	if err := r.remap(int(info.Size())); err != nil {
		return fmt.Errorf("%w: %w", errProtocol, err)
	}
	return nil
}

// read returns size bytes at an offset, which reach has made sure of. They are the
// region's own memory, which the other side may go on writing to, until it is
// closed or reaches further; or a copy.
func (r *region) read(offset, size int) ([]byte, error) {
	end := offset + size
	if !r.copied {
		return r.mapped[offset:end:end], nil
	}
	buffer := make([]byte, size)
	if _, err := r.file.ReadAt(buffer, int64(offset)); err != nil {
		return nil, fmt.Errorf("%w: read %d bytes at %d of a region: %w", errProtocol, size, offset, err)
	}
	return buffer, nil
}

// remap maps size bytes in place of what was mapped.
func (r *region) remap(size int) error {
	if err := r.unmap(); err != nil {
		return err
	}
	mapped, err := unix.Mmap(int(r.file.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map %d bytes of shared memory: %w", size, err)
	}
	r.mapped = mapped
	return nil
}

func (r *region) unmap() error {
	if r.mapped == nil {
		return nil
	}
	mapped := r.mapped
	r.mapped = nil
	if err := unix.Munmap(mapped); err != nil {
		return fmt.Errorf("unmap shared memory: %w", err)
	}
	return nil
}

// close frees the region. What read returned is gone.
func (r *region) close() error {
	return errors.Join(r.unmap(), r.file.Close())
}

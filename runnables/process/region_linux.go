package process

import (
	"os"

	"golang.org/x/sys/unix"
)

// sealedFile makes a file without a name that nobody can make shorter, and whose
// seals nobody can change.
func sealedFile() (*os.File, error) {
	fd, err := unix.MemfdCreate("ekiben", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "ekiben-region")
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_SEAL); err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

// memoryOf is how many bytes of memory a file without a name has.
func memoryOf(file *os.File) (int64, error) {
	var stat unix.Stat_t
	err := unix.Fstat(int(file.Fd()), &stat)
	return stat.Blocks * 512, err
}

// punch frees the memory of a file from an offset on. The file is as long as
// before.
func punch(file *os.File, from int64) error {
	info, err := file.Stat()
	if err != nil || info.Size() <= from {
		return err
	}
	return unix.Fallocate(int(file.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, from, info.Size()-from)
}

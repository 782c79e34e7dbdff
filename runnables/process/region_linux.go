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

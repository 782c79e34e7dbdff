//go:build unix

package python

import (
	"fmt"
	"os"
	"syscall"
)

// private reports why others could put something into a folder.
func private(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || !ok || int(owner.Uid) != os.Getuid() || info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%s is not a folder of this user that nobody else can write to", dir)
	}
	return nil
}

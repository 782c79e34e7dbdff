package process

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// KeepSecrets keeps other processes of the same user, of which instances are some, from
// reading the environment and the memory of this one. Those that it starts are not
// affected. Neither debuggers nor core dumps come to it any more. It is no wall against
// root, which may do all that nevertheless.
func KeepSecrets() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("keep the process from being read by others: %w", err)
	}
	return nil
}

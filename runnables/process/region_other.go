//go:build unix && !linux

package process

import (
	"errors"
	"os"
)

// sealedFile fails: only Linux has files that cannot be made shorter.
func sealedFile() (*os.File, error) { return nil, errors.ErrUnsupported }

//go:build unix && !linux

package process_test

import "os"

// beHolder can not.
func beHolder() { os.Exit(1) }

func beSecretive() {}

//go:build !linux

package process

// KeepSecrets does nothing: it needs Linux.
func KeepSecrets() error { return nil }

// Package gputest lets tests say that they need a real NVIDIA GPU.
package gputest

import (
	"errors"
	"testing"

	"github.com/ekiben/ekiben/internal/gpu"
)

// Need returns the GPUs of this machine. Where there is no driver, or no GPU, the
// test is skipped; a driver that does not work is a failure.
func Need(tb testing.TB) []gpu.Device {
	tb.Helper()
	r, err := gpu.Open()
	if errors.Is(err, gpu.ErrNoLibrary) {
		tb.Skip(err)
	}
	if err != nil {
		tb.Fatal(err)
	}
	devices, err := r.Devices()
	if err = errors.Join(err, r.Close()); err != nil {
		tb.Fatal(err)
	}
	if len(devices) == 0 {
		tb.Skip("there is an NVIDIA driver, but no GPU")
	}
	return devices
}

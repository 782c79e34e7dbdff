//go:build !cgo || !linux

package gpu

// Reader reads the GPUs of this machine, which this binary cannot.
type Reader struct{}

// Open says that GPUs cannot be looked for: [ErrNotBuilt].
func Open() (*Reader, error) { return nil, ErrNotBuilt }

// Devices are none.
func (*Reader) Devices() ([]Device, error) { return nil, ErrNotBuilt }

// Close does nothing.
func (*Reader) Close() error { return nil }

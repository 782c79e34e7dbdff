// Package gpu reads which NVIDIA GPUs a machine has, and how they do, from the
// driver's management library (NVML). The library is looked for when it is asked
// for; a machine without it is one without GPUs.
//
// A [Reader] asks the library. A [Monitor] asks it for others at a bounded cost,
// and is a collector of metrics.
package gpu

import "errors"

// Why there are no GPUs to be read.
var (
	// ErrNoLibrary: the NVIDIA driver is not here.
	ErrNoLibrary = errors.New("there is no NVML library here")

	// ErrNotBuilt: this binary cannot look for GPUs.
	ErrNotBuilt = errors.New("this binary was built without cgo, and so without NVML")
)

// Device is a GPU that can be used, or a part of one that is in MIG mode.
type Device struct {
	// Index is that of the GPU, from 0, as nvidia-smi counts.
	Index int

	// UUID begins with GPU-, or with MIG- where it is a part.
	UUID string

	// Part: it is a part of GPU Index, which cannot be used as a whole.
	Part bool

	// Name is the product's.
	Name string

	// MemoryTotal and MemoryUsed are in bytes. Both are 0 where nobody knows.
	MemoryTotal, MemoryUsed uint64

	// Utilization is for what part of the latest fraction of a second it computed,
	// 0 to 1; nil where nobody knows.
	Utilization *float64

	// Temperature is in degrees Celsius; nil where nobody knows.
	Temperature *float64

	// Processes are those that compute on it, as far as they can be seen.
	Processes []Process
}

// Process is a process that uses a GPU.
type Process struct {
	// PID is its id in the namespace of the driver, which in a container can be
	// another one than its own.
	PID int

	// Memory is how much it has of the GPU's, in bytes; 0 where nobody knows.
	Memory uint64
}

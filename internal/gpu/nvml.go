//go:build cgo && linux

package gpu

import (
	"errors"
	"fmt"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// library is what is used of NVML.
type library interface {
	Init() nvml.Return
	Shutdown() nvml.Return
	Extensions() nvml.ExtendedInterface
	DeviceGetCount() (int, nvml.Return)
	DeviceGetHandleByIndex(index int) (nvml.Device, nvml.Return)
}

// Reader reads the GPUs of this machine. It is for one goroutine at a time.
type Reader struct {
	lib library
	// mig: the driver knows MIG mode. To call what it does not have would end the
	// process.
	mig bool
}

// Open loads NVML. The error is [ErrNoLibrary] where the driver is not installed,
// and another one where it does not work.
func Open() (*Reader, error) { return On(nvml.New()) }

// On reads from a given library.
func On(lib library) (*Reader, error) {
	switch ret := lib.Init(); ret {
	case nvml.SUCCESS:
	case nvml.ERROR_LIBRARY_NOT_FOUND:
		return nil, ErrNoLibrary
	default:
		return nil, fmt.Errorf("NVML does not start: %w", ret)
	}
	r := &Reader{lib: lib, mig: true}
	for _, symbol := range []string{"nvmlDeviceGetMigMode", "nvmlDeviceGetMaxMigDeviceCount", "nvmlDeviceGetMigDeviceHandleByIndex"} {
		r.mig = r.mig && lib.Extensions().LookupSymbol(symbol) == nil
	}
	return r, nil
}

// Close ends the use of the library.
func (r *Reader) Close() error {
	if ret := r.lib.Shutdown(); ret != nvml.SUCCESS {
		return fmt.Errorf("NVML does not stop: %w", ret)
	}
	return nil
}

// Devices reads all that can be used, with how they do now. A GPU that fails is
// left out; the error names those, and there can be devices beside it.
func (r *Reader) Devices() ([]Device, error) {
	n, ret := r.lib.DeviceGetCount()
	if ret != nvml.SUCCESS {
		return nil, fmt.Errorf("count GPUs: %w", ret)
	}
	var all []Device
	var errs []error
	for i := range n {
		devices, err := r.gpu(i)
		if err != nil {
			errs = append(errs, fmt.Errorf("GPU %d: %w", i, err))
		}
		all = append(all, devices...)
	}
	return all, errors.Join(errs...)
}

// gpu reads a GPU, or its parts if it is in MIG mode.
func (r *Reader) gpu(index int) ([]Device, error) {
	handle, ret := r.lib.DeviceGetHandleByIndex(index)
	if ret != nvml.SUCCESS {
		return nil, ret
	}
	whole, err := read(handle, index)
	if err != nil {
		return nil, err
	}
	handles, divided := r.parts(handle)
	if !divided {
		if rates, ret := handle.GetUtilizationRates(); ret == nvml.SUCCESS {
			whole.Utilization = new(float64(rates.Gpu) / 100)
		}
		return []Device{whole}, nil
	}
	var parts []Device
	var errs []error
	for _, h := range handles {
		part, err := read(h, index)
		if err != nil {
			errs = append(errs, fmt.Errorf("a part of it: %w", err))
			continue
		}
		part.Part, part.Temperature = true, whole.Temperature
		parts = append(parts, part)
	}
	return parts, errors.Join(errs...)
}

// parts are the parts of a GPU that is in MIG mode.
func (r *Reader) parts(handle nvml.Device) (parts []nvml.Device, divided bool) {
	if !r.mig {
		return nil, false
	}
	if mode, _, ret := handle.GetMigMode(); ret != nvml.SUCCESS || mode != nvml.DEVICE_MIG_ENABLE {
		return nil, false
	}
	most, ret := handle.GetMaxMigDeviceCount()
	if ret != nvml.SUCCESS {
		return nil, true
	}
	for i := range most {
		if part, ret := handle.GetMigDeviceHandleByIndex(i); ret == nvml.SUCCESS {
			parts = append(parts, part)
		}
	}
	return parts, true
}

// unknown is what NVML answers where it does not know how much memory a process
// has.
const unknown = ^uint64(0)

// read reads what GPUs and their parts both have. Only the UUID must be there.
func read(handle nvml.Device, index int) (Device, error) {
	d := Device{Index: index}
	var ret nvml.Return
	if d.UUID, ret = handle.GetUUID(); ret != nvml.SUCCESS {
		return d, ret
	}
	if name, ret := handle.GetName(); ret == nvml.SUCCESS {
		d.Name = name
	}
	if memory, ret := handle.GetMemoryInfo(); ret == nvml.SUCCESS {
		d.MemoryTotal, d.MemoryUsed = memory.Total, memory.Used
	}
	if degrees, ret := handle.GetTemperature(nvml.TEMPERATURE_GPU); ret == nvml.SUCCESS {
		d.Temperature = new(float64(degrees))
	}
	if processes, ret := handle.GetComputeRunningProcesses(); ret == nvml.SUCCESS {
		for _, p := range processes {
			d.Processes = append(d.Processes, processOf(p))
		}
	}
	return d, nil
}

func processOf(p nvml.ProcessInfo) Process {
	if p.UsedGpuMemory == unknown {
		return Process{PID: int(p.Pid)}
	}
	return Process{PID: int(p.Pid), Memory: p.UsedGpuMemory}
}

package ekiben

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"runtime"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ekiben/ekiben/internal/gpu"
	"github.com/ekiben/ekiben/internal/machine"
	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/worker/placement"
)

// hardware is what this process has to run on.
type hardware struct {
	machine placement.Machine

	// cpusFrom says where the number of cores comes from.
	cpusFrom string

	// monitor reads the GPUs; nil where there are none.
	monitor *gpu.Monitor
}

// lookAtHardware finds out what there is. The caller closes it. A driver that does
// not work is a machine without GPUs: a runner that asks for one says so.
func lookAtHardware(ctx context.Context, log *slog.Logger) hardware {
	cpus := machine.Find(os.DirFS("/"), runtime.NumCPU())
	h := hardware{machine: placement.Machine{CPUs: cpus.Count}, cpusFrom: cpus.From}
	reader, err := gpu.Open()
	if err != nil {
		level := slog.LevelDebug
		if !errors.Is(err, gpu.ErrNoLibrary) && !errors.Is(err, gpu.ErrNotBuilt) {
			level = slog.LevelWarn
		}
		log.Log(ctx, level, "no NVIDIA GPUs", "reason", err)
		h.machine.NoGPUs, h.machine.Unseen = err.Error(), errors.Is(err, gpu.ErrNotBuilt)
		return h
	}
	devices, err := reader.Devices()
	if err != nil {
		log.WarnContext(ctx, "some NVIDIA GPUs cannot be used", "err", err)
		h.machine.NoGPUs = err.Error()
	}
	h.monitor = gpu.NewMonitor(reader)
	h.machine.GPUs = placeable(devices)
	if visible, set := os.LookupEnv("CUDA_VISIBLE_DEVICES"); set {
		h.machine = h.machine.Seeing(visible)
	}
	return h
}

// placeable are the devices as placement knows them.
func placeable(devices []gpu.Device) []placement.GPU {
	gpus := make([]placement.GPU, len(devices))
	for i, d := range devices {
		gpus[i] = placement.WholeGPU(d.Index, d.UUID, d.Name, d.MemoryTotal)
		if d.Part {
			gpus[i] = placement.PartOfGPU(d.Index, d.UUID, d.Name, d.MemoryTotal)
		}
		gpus[i].Used, gpus[i].Processes = d.MemoryUsed, len(d.Processes)
	}
	return gpus
}

// devices are the GPUs as they are now, as heartbeats have them.
func (h hardware) devices() []queue.Device {
	if h.monitor == nil {
		return nil
	}
	var all []queue.Device
	for _, d := range h.monitor.Devices() {
		device := queue.Device{
			ID: strconv.Itoa(d.Index), UUID: d.UUID, Name: d.Name, MemoryTotal: d.MemoryTotal, MemoryUsed: d.MemoryUsed,
			Utilization: d.Utilization, Temperature: d.Temperature,
		}
		if d.Part {
			device.ID = d.UUID
		}
		for _, p := range d.Processes {
			device.Processes = append(device.Processes, queue.DeviceProcess(p))
		}
		all = append(all, device)
	}
	return all
}

// register adds the metrics of the GPUs, if there are any.
func (h hardware) register(metrics prometheus.Registerer) error {
	if h.monitor == nil {
		return nil
	}
	return metrics.Register(h.monitor)
}

// close ends the use of the driver.
func (h hardware) close() error {
	if h.monitor == nil {
		return nil
	}
	return h.monitor.Close()
}

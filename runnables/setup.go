package runnables

import (
	"log/slog"
	"maps"
	"strconv"
	"strings"
)

// Setup is what a [Kind] makes an instance of.
type Setup struct {
	// Runner has the options, with their defaults.
	Runner Runner

	// Instance is the instance's number within its worker, from 0.
	Instance int

	// Place is where it runs.
	Place Place

	// Log is the runner's log. Never nil when a worker asks.
	Log *slog.Logger
}

// Place is where an instance runs, decided before it is made.
type Place struct {
	// Devices are its NVIDIA GPUs, by index or UUID. None means that it runs on the
	// CPU and is to see no GPU.
	Devices []string

	// Indices are the indices of the devices, as NVML and nvidia-smi count; -1 where
	// that is not known, and for parts of a GPU. Placement fills them in.
	Indices []int

	// Threads is how many threads it should compute with. 0 means that nobody
	// decided.
	Threads int

	// Env are more environment variables of an instance that is a process, from
	// strategies for other hardware.
	Env map[string]string
}

// threadVariables tell numerical libraries how many threads to have.
func threadVariables() []string {
	return []string{
		"EKIBEN_NUM_THREADS", "BENTOML_NUM_THREAD", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
		"VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS", "RAYON_RS_NUM_CPUS", "TF_NUM_INTEROP_THREADS", "TF_NUM_INTRAOP_THREADS",
	}
}

// visibleDevices names the devices that CUDA sees.
const visibleDevices = "CUDA_VISIBLE_DEVICES"

// noDevice is what makes CUDA see no device.
const noDevice = "-1"

// Environment is what a process must have in its environment, before it loads
// anything, to stay in its place: CUDA_VISIBLE_DEVICES, the variables by which
// numerical libraries are told how many threads to have, and Env, which wins.
func (p Place) Environment() map[string]string {
	env := map[string]string{visibleDevices: noDevice}
	if len(p.Devices) > 0 {
		env[visibleDevices] = strings.Join(p.Devices, ",")
		// Indices are those that NVML and nvidia-smi count, not by speed.
		env["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
	}
	if p.Threads > 0 {
		for _, name := range threadVariables() {
			env[name] = strconv.Itoa(p.Threads)
		}
	}
	maps.Copy(env, p.Env)
	return env
}

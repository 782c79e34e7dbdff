//go:build cgo && linux

package gpu_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/dgxa100"

	"github.com/ekiben/ekiben/internal/gpu"
)

// dgx is a machine with eight GPUs that are warm and busy.
func dgx(t *testing.T) (*dgxa100.Server, []*dgxa100.Device) {
	t.Helper()
	server := dgxa100.New()
	var devices []*dgxa100.Device
	for i, d := range server.Devices {
		device, ok := d.(*dgxa100.Device)
		if !ok {
			t.Fatalf("device %d is a %T", i, d)
		}
		device.MemoryInfo.Used = uint64(i) << 30
		device.GetUtilizationRatesFunc = func() (nvml.Utilization, nvml.Return) {
			return nvml.Utilization{Gpu: uint32(10 * i)}, nvml.SUCCESS
		}
		device.GetTemperatureFunc = func(nvml.TemperatureSensors) (uint32, nvml.Return) { return uint32(40 + i), nvml.SUCCESS }
		device.GetComputeRunningProcessesFunc = func() ([]nvml.ProcessInfo, nvml.Return) {
			return []nvml.ProcessInfo{{Pid: uint32(100 + i), UsedGpuMemory: 1 << 20}, {Pid: 7, UsedGpuMemory: ^uint64(0)}}, nvml.SUCCESS
		}
		devices = append(devices, device)
	}
	return server, devices
}

func open(t *testing.T, server *dgxa100.Server) *gpu.Reader {
	t.Helper()
	r, err := gpu.On(server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func TestAllThatGPUsTellIsRead(t *testing.T) {
	t.Parallel()
	server, mocked := dgx(t)
	all, err := open(t, server).Devices()
	if err != nil || len(all) != 8 {
		t.Fatalf("%d devices, %v", len(all), err)
	}
	d := all[3]
	if d.Index != 3 || d.UUID != mocked[3].UUID || d.Part || d.Name != "Mock NVIDIA A100-SXM4-40GB" || d.MemoryTotal != 40<<30 || d.MemoryUsed != 3<<30 {
		t.Errorf("%+v", d)
	}
	if d.Utilization == nil || *d.Utilization != 0.3 || d.Temperature == nil || *d.Temperature != 43 {
		t.Errorf("utilization %v, temperature %v", d.Utilization, d.Temperature)
	}
	if len(d.Processes) != 2 || d.Processes[0] != (gpu.Process{PID: 103, Memory: 1 << 20}) || d.Processes[1] != (gpu.Process{PID: 7}) {
		t.Errorf("processes %v", d.Processes)
	}
}

func TestPartsOfAGPUTakeItsPlace(t *testing.T) {
	t.Parallel()
	server, mocked := dgx(t)
	divide(t, mocked[1], "MIG-a", "", "MIG-b")
	divide(t, mocked[2]) // in MIG mode, but nobody has made parts
	all, err := open(t, server).Devices()
	if err != nil || len(all) != 8 {
		t.Fatalf("%d devices, %v", len(all), err)
	}
	for i, want := range map[int]string{0: mocked[0].UUID, 1: "MIG-a", 2: "MIG-b", 3: mocked[3].UUID} {
		if all[i].UUID != want || all[i].Part != strings.HasPrefix(want, "MIG-") {
			t.Errorf("device %d is %+v, want %s", i, all[i], want)
		}
	}
	part := all[2]
	if part.Index != 1 || part.MemoryTotal != 5<<30 || part.Utilization != nil || part.Temperature == nil || *part.Temperature != 41 {
		t.Errorf("%+v", part)
	}
}

// divide puts a GPU into MIG mode, with these parts; "" is a gap.
func divide(t *testing.T, d *dgxa100.Device, uuids ...string) {
	t.Helper()
	d.MigMode = nvml.DEVICE_MIG_ENABLE
	d.GetMaxMigDeviceCountFunc = func() (int, nvml.Return) { return 7, nvml.SUCCESS }
	d.GetMigDeviceHandleByIndexFunc = func(i int) (nvml.Device, nvml.Return) {
		if i >= len(uuids) || uuids[i] == "" {
			return nil, nvml.ERROR_NOT_FOUND
		}
		return &mock.Device{
			GetUUIDFunc:        func() (string, nvml.Return) { return uuids[i], nvml.SUCCESS },
			GetNameFunc:        func() (string, nvml.Return) { return "Mock MIG 1g.5gb", nvml.SUCCESS },
			GetMemoryInfoFunc:  func() (nvml.Memory, nvml.Return) { return nvml.Memory{Total: 5 << 30}, nvml.SUCCESS },
			GetTemperatureFunc: func(nvml.TemperatureSensors) (uint32, nvml.Return) { return 0, nvml.ERROR_NOT_SUPPORTED },
			GetComputeRunningProcessesFunc: func() ([]nvml.ProcessInfo, nvml.Return) {
				return nil, nvml.ERROR_NOT_SUPPORTED
			},
		}, nvml.SUCCESS
	}
}

func TestWhatAGPUCannotTellIsLeftOut(t *testing.T) {
	t.Parallel()
	server, mocked := dgx(t)
	d := mocked[0]
	d.GetNameFunc = func() (string, nvml.Return) { return "", nvml.ERROR_UNKNOWN }
	d.GetMemoryInfoFunc = func() (nvml.Memory, nvml.Return) { return nvml.Memory{}, nvml.ERROR_NOT_SUPPORTED }
	d.GetUtilizationRatesFunc = func() (nvml.Utilization, nvml.Return) { return nvml.Utilization{}, nvml.ERROR_NOT_SUPPORTED }
	d.GetTemperatureFunc = func(nvml.TemperatureSensors) (uint32, nvml.Return) { return 0, nvml.ERROR_NOT_SUPPORTED }
	d.GetComputeRunningProcessesFunc = func() ([]nvml.ProcessInfo, nvml.Return) { return nil, nvml.ERROR_NO_PERMISSION }
	d.GetMigModeFunc = func() (int, int, nvml.Return) { return 0, 0, nvml.ERROR_NOT_SUPPORTED }
	all, err := open(t, server).Devices()
	if err != nil || len(all) != 8 {
		t.Fatalf("%d devices, %v", len(all), err)
	}
	if got := all[0]; got.UUID != d.UUID || got.MemoryTotal != 0 || got.Utilization != nil || got.Temperature != nil || got.Processes != nil {
		t.Errorf("%+v", got)
	}
}

func TestAGPUThatFailsDoesNotHideTheOthers(t *testing.T) {
	t.Parallel()
	server, mocked := dgx(t)
	mocked[5].GetUUIDFunc = func() (string, nvml.Return) { return "", nvml.ERROR_GPU_IS_LOST }
	all, err := open(t, server).Devices()
	if len(all) != 7 || all[5].Index != 6 || !errors.Is(err, nvml.ERROR_GPU_IS_LOST) || !strings.Contains(err.Error(), "GPU 5") {
		t.Errorf("%d devices, %v", len(all), err)
	}
	server.DeviceGetCountFunc = func() (int, nvml.Return) { return 0, nvml.ERROR_UNKNOWN }
	if all, err := open(t, server).Devices(); len(all) > 0 || !errors.Is(err, nvml.ERROR_UNKNOWN) {
		t.Errorf("%d devices, %v", len(all), err)
	}
}

func TestDriversThatDoNotKnowMIGAreNotAskedForIt(t *testing.T) {
	t.Parallel()
	server, mocked := dgx(t)
	server.LookupSymbolFunc = func(symbol string) error {
		if strings.Contains(symbol, "Mig") {
			return errors.New("undefined symbol")
		}
		return nil
	}
	mocked[0].GetMigModeFunc = func() (int, int, nvml.Return) { t.Error("asked"); return 0, 0, nvml.SUCCESS }
	if all, err := open(t, server).Devices(); err != nil || len(all) != 8 {
		t.Errorf("%d devices, %v", len(all), err)
	}
}

func TestNoLibraryIsToldApartFromOneThatFails(t *testing.T) {
	t.Parallel()
	for ret, want := range map[nvml.Return]error{
		nvml.ERROR_LIBRARY_NOT_FOUND:       gpu.ErrNoLibrary,
		nvml.ERROR_LIB_RM_VERSION_MISMATCH: nvml.ERROR_LIB_RM_VERSION_MISMATCH,
		nvml.ERROR_DRIVER_NOT_LOADED:       nvml.ERROR_DRIVER_NOT_LOADED,
	} {
		server := dgxa100.New()
		server.InitFunc = func() nvml.Return { return ret }
		if _, err := gpu.On(server); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	server := dgxa100.New()
	server.ShutdownFunc = func() nvml.Return { return nvml.ERROR_UNINITIALIZED }
	r, err := gpu.On(server)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); !errors.Is(err, nvml.ERROR_UNINITIALIZED) {
		t.Errorf("closed with %v", err)
	}
}

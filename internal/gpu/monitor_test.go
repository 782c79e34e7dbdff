package gpu_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/ekiben/ekiben/internal/gpu"
)

// fakeGPUs is a driver with one GPU whose temperature is how often it was asked.
type fakeGPUs struct {
	asked  atomic.Int64
	takes  time.Duration
	err    error
	closed bool
}

func (f *fakeGPUs) Devices() ([]gpu.Device, error) {
	n := f.asked.Add(1)
	time.Sleep(f.takes)
	if f.err != nil {
		return nil, f.err
	}
	return []gpu.Device{{UUID: "GPU-a", Temperature: new(float64(n))}}, nil
}

func (f *fakeGPUs) Close() error {
	f.closed = true
	return nil
}

func TestAMonitorAsksTheDriverOnceASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		driver := &fakeGPUs{}
		m := gpu.NewMonitor(driver)
		for range 10 {
			if got := m.Devices(); len(got) != 1 {
				t.Fatal(got)
			}
			time.Sleep(300 * time.Millisecond)
		}
		if n := driver.asked.Load(); n != 3 {
			t.Errorf("asked %d times in 3 seconds", n)
		}
		if err := m.Close(); err != nil || !driver.closed {
			t.Error("not closed", err)
		}
	})
}

func TestADriverThatHangsHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		driver := &fakeGPUs{}
		m := gpu.NewMonitor(driver)
		m.Devices()
		time.Sleep(2 * time.Second)
		driver.takes = time.Minute
		began := time.Now()
		if got := m.Devices(); len(got) != 1 || time.Since(began) != 500*time.Millisecond {
			t.Errorf("%v after %s, want the latest reading after half a second", got, time.Since(began))
		}
		time.Sleep(20 * time.Second)
		if got := m.Devices(); got != nil || driver.asked.Load() != 2 {
			t.Errorf("%v after %d questions, want none: it is old, and one question is on its way", got, driver.asked.Load())
		}
		if err := m.Close(); err != nil || driver.closed {
			t.Error("closed while it is asked", err)
		}
		time.Sleep(time.Minute)
	})
}

func TestADriverThatFailsHasNoDevices(t *testing.T) {
	t.Parallel()
	if got := gpu.NewMonitor(&fakeGPUs{err: errors.New("gone")}).Devices(); got != nil {
		t.Error(got)
	}
}

// still is a driver whose readings never change.
type still []gpu.Device

func (s still) Devices() ([]gpu.Device, error) { return s, nil }
func (still) Close() error                     { return nil }

func TestMetricsHaveWhatIsKnown(t *testing.T) {
	t.Parallel()
	m := gpu.NewMonitor(still{
		{
			Index: 0, UUID: "GPU-a", MemoryTotal: 40, MemoryUsed: 10, Utilization: new(0.5), Temperature: new(61.0),
			Processes: []gpu.Process{{PID: 1}, {PID: 2}},
		},
		{Index: 1, UUID: "MIG-b", Part: true},
	})
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(m)
	err := testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP ekiben_gpu_memory_bytes Memory of the GPU: used, and in total.
# TYPE ekiben_gpu_memory_bytes gauge
ekiben_gpu_memory_bytes{gpu="0",kind="total",uuid="GPU-a"} 40
ekiben_gpu_memory_bytes{gpu="0",kind="used",uuid="GPU-a"} 10
# HELP ekiben_gpu_processes Processes that compute on the GPU.
# TYPE ekiben_gpu_processes gauge
ekiben_gpu_processes{gpu="0",uuid="GPU-a"} 2
ekiben_gpu_processes{gpu="1",uuid="MIG-b"} 0
# HELP ekiben_gpu_temperature_celsius Temperature of the GPU.
# TYPE ekiben_gpu_temperature_celsius gauge
ekiben_gpu_temperature_celsius{gpu="0",uuid="GPU-a"} 61
# HELP ekiben_gpu_utilization_ratio For what part of the latest fraction of a second the GPU computed.
# TYPE ekiben_gpu_utilization_ratio gauge
ekiben_gpu_utilization_ratio{gpu="0",uuid="GPU-a"} 0.5
`))
	if err != nil {
		t.Error(err)
	}
}

package ekiben_test

import (
	"reflect"
	"testing"

	"github.com/ekiben/ekiben"
	"github.com/ekiben/ekiben/internal/gpu"
	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/worker/placement"
)

// twoGPUs is a driver with a GPU that is used, and a part of another one.
type twoGPUs struct{ utilization, temperature float64 }

func (d *twoGPUs) Devices() ([]gpu.Device, error) {
	return []gpu.Device{
		{
			Index: 0, UUID: "GPU-a", Name: "NVIDIA A100", MemoryTotal: 40 << 30, MemoryUsed: 3 << 30,
			Utilization: &d.utilization, Temperature: &d.temperature, Processes: []gpu.Process{{PID: 17, Memory: 2 << 30}},
		},
		{Index: 1, UUID: "MIG-b", Part: true, Name: "NVIDIA A100 MIG 1g.5gb", MemoryTotal: 5 << 30},
	}, nil
}

func (*twoGPUs) Close() error { return nil }

func TestGPUsAreToldAndPlacedAsTheDriverKnowsThem(t *testing.T) {
	t.Parallel()
	driver := &twoGPUs{0.25, 61}
	told, placed, err := ekiben.DevicesOf(driver)
	if err != nil {
		t.Fatal(err)
	}
	wantTold := []queue.Device{
		{
			ID: "0", UUID: "GPU-a", Name: "NVIDIA A100", MemoryTotal: 40 << 30, MemoryUsed: 3 << 30,
			Utilization: &driver.utilization, Temperature: &driver.temperature, Processes: []queue.DeviceProcess{{PID: 17, Memory: 2 << 30}},
		},
		{ID: "MIG-b", UUID: "MIG-b", Name: "NVIDIA A100 MIG 1g.5gb", MemoryTotal: 5 << 30},
	}
	if !reflect.DeepEqual(told, wantTold) {
		t.Errorf("told %+v, want %+v", told, wantTold)
	}
	wantPlaced := []placement.GPU{
		placement.WholeGPU(0, "GPU-a", "NVIDIA A100", 40<<30), placement.PartOfGPU(1, "MIG-b", "NVIDIA A100 MIG 1g.5gb", 5<<30),
	}
	wantPlaced[0].Used, wantPlaced[0].Processes = 3<<30, 1
	if !reflect.DeepEqual(placed, wantPlaced) {
		t.Errorf("placed %+v, want %+v", placed, wantPlaced)
	}
}

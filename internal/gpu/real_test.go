//go:build gputest

package gpu_test

import (
	"strings"
	"testing"

	"github.com/ekiben/ekiben/internal/gpu"
)

// Run by make gpu-test.
func TestOnARealGPUItIsRead(t *testing.T) {
	t.Parallel()
	r, err := gpu.Open()
	if err != nil {
		t.Skip(err)
	}
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	devices, err := r.Devices()
	if err != nil {
		t.Fatal(err)
	}
	if len(devices) == 0 {
		t.Skip("there is an NVIDIA driver, but no GPU")
	}
	for _, d := range devices {
		t.Logf("%+v", d)
		if !strings.HasPrefix(d.UUID, "GPU-") && !strings.HasPrefix(d.UUID, "MIG-") || d.Name == "" || d.MemoryUsed > d.MemoryTotal {
			t.Errorf("%+v", d)
		}
		if d.Utilization != nil && !(*d.Utilization >= 0 && *d.Utilization <= 1) {
			t.Errorf("utilization %v", *d.Utilization)
		}
		if d.Temperature != nil && !(*d.Temperature > 0 && *d.Temperature < 150) {
			t.Errorf("temperature %v", *d.Temperature)
		}
	}
}

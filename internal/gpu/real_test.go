//go:build gputest

package gpu_test

import (
	"strings"
	"testing"

	"github.com/ekiben/ekiben/internal/gputest"
)

// Run by make gpu-test.
func TestOnARealGPUItIsRead(t *testing.T) {
	t.Parallel()
	for _, d := range gputest.Need(t) {
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

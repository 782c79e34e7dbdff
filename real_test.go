//go:build gputest

package ekiben_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/ekiben/ekiben/internal/gpu"
	"github.com/ekiben/ekiben/internal/gputest"
)

// Run by make gpu-test.
func TestOnARealGPUInstancesArePlacedOnIt(t *testing.T) {
	t.Setenv("CUDA_VISIBLE_DEVICES", gputest.Need(t)[0].UUID)
	devices := gputest.Need(t)
	out, err := plan(t, `runners: [{name: a, runnable: "python:m:Class", nvidia_gpu: 1}]`, "-o", "json")
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Machine struct {
			GPUs []struct {
				ID, UUID    string
				MemoryBytes uint64 `json:"memory_bytes"`
			}
		}
		Runners []struct {
			Instances []struct {
				Devices     []string
				Environment map[string]string
			}
		}
	}
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Machine.GPUs) != 1 || len(v.Runners) != 1 || len(v.Runners[0].Instances) != 1 {
		t.Fatal(out)
	}
	seen, placed := v.Machine.GPUs[0], v.Runners[0].Instances[0]
	known := slices.ContainsFunc(devices, func(d gpu.Device) bool { return d.UUID == seen.UUID && d.MemoryTotal == seen.MemoryBytes })
	if !known || !slices.Equal(placed.Devices, []string{seen.UUID}) || placed.Environment["CUDA_VISIBLE_DEVICES"] != seen.UUID {
		t.Errorf("placed on %+v of %+v", placed, seen)
	}
}

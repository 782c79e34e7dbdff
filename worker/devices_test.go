package worker_test

import (
	"context"
	"log/slog"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/worker"
)

// on is a place with these devices.
func on(devices ...string) runnables.Place { return runnables.Place{Devices: devices} }

// playOn runs a worker whose instances are at these places until its first
// heartbeats, and returns it with the devices of the last one.
func playOn(t *testing.T, devices func() []queue.Device, places ...runnables.Place) (*stage, []queue.Device) {
	t.Helper()
	q := newFakeQueue()
	s := &stage{t: t, queue: q, metrics: prometheus.NewRegistry(), done: make(chan error, 1)}
	var err error
	s.worker, err = worker.New(worker.Config{ID: "w", DrainTimeout: time.Second}, q, runnables.Kinds{"fake": kindOf(double("run", nil))},
		[]worker.Deployment{{Runner: options(), Places: places}},
		worker.Telemetry{Log: slog.New(slog.DiscardHandler), Metrics: s.metrics, Devices: devices})
	if err != nil {
		t.Fatal(err)
	}
	var ctx context.Context
	ctx, s.stop = context.WithCancel(t.Context())
	go func() { s.done <- s.worker.Run(ctx) }()
	time.Sleep(5 * time.Second)
	return s, q.lastBeat().Devices
}

func TestHeartbeatsTellOfTheDevicesThatInstancesHave(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		busy := 0.5
		machine := []queue.Device{
			{ID: "0", UUID: "GPU-a", Name: "A100", MemoryTotal: 40, MemoryUsed: 30, Utilization: &busy, Processes: make([]queue.DeviceProcess, 20)},
			{ID: "1", UUID: "GPU-b", Name: "A100"},
			{ID: "2", UUID: "GPU-c", Name: "T4"},
		}
		s, got := playOn(t, func() []queue.Device { return slices.Clone(machine) }, on("0"), on("0", "7"), on("GPU-c"), on())
		want := []queue.Device{
			{ID: "0", Instances: 2, UUID: "GPU-a", Name: "A100", MemoryTotal: 40, MemoryUsed: 30, Utilization: &busy, Processes: make([]queue.DeviceProcess, 16)},
			{ID: "7", Instances: 1},
			{ID: "GPU-c", Instances: 1, UUID: "GPU-c", Name: "T4"},
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, want %+v", got, want)
		}
		wantMetric(t, s, `ekiben_device_instances{device="0",runner="fake"} 2`)
		wantMetric(t, s, `ekiben_device_instances{device="7",runner="fake"} 1`)
		wantMetric(t, s, `ekiben_device_instances{device="cpu",runner="fake"} 1`)
		s.end()
	})
}

func TestHeartbeatsOfInstancesOnTheCPUHaveNoDevices(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		asked := func() []queue.Device { t.Error("asked for devices that nobody has"); return nil }
		s, got := playOn(t, asked, on(), on())
		if got != nil {
			t.Errorf("%+v", got)
		}
		wantMetric(t, s, `ekiben_device_instances{device="cpu",runner="fake"} 2`)
		s.end()
	})
}

func TestDevicesAreNamedEvenIfNobodyKnowsThem(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		s, got := playOn(t, nil, on("MIG-x"))
		if !reflect.DeepEqual(got, []queue.Device{{ID: "MIG-x", Instances: 1}}) {
			t.Errorf("%+v", got)
		}
		s.end()
	})
}

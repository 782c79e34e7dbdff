package ekiben

import (
	"github.com/ekiben/ekiben/internal/gpu"
	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/worker/placement"
)

// Driver is what devices are read from.
type Driver interface {
	Devices() ([]gpu.Device, error)
	Close() error
}

// DevicesOf are the devices of a driver as heartbeats have them, and as placement
// knows them.
func DevicesOf(d Driver) ([]queue.Device, []placement.GPU, error) {
	h := hardware{monitor: gpu.NewMonitor(d)}
	all, err := d.Devices()
	if err != nil {
		return nil, nil, err
	}
	return h.devices(), placeable(all), h.close()
}

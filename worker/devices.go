package worker

import (
	"cmp"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ekiben/ekiben/queue"
)

// mostProcesses is how many processes of a device a heartbeat has.
const mostProcesses = 16

// placed are the devices that the runner's instances have, with how they do where
// that is known.
func (r *runner) placed() []queue.Device {
	counts := r.instancesByDevice()
	delete(counts, onCPU)
	if len(counts) == 0 {
		return nil
	}
	var known []queue.Device
	if r.devices != nil {
		known = r.devices()
	}
	var all []queue.Device
	for id, n := range counts {
		d := queue.Device{ID: id}
		if at := slices.IndexFunc(known, func(d queue.Device) bool { return d.ID == id || d.UUID == id }); at >= 0 {
			d = known[at]
			d.Processes = d.Processes[:min(len(d.Processes), mostProcesses)]
		}
		d.ID, d.Instances = id, n
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b queue.Device) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// onCPU is the device of instances that have none.
const onCPU = "cpu"

// instancesByDevice counts instances by their devices. One that has several counts
// for each.
func (r *runner) instancesByDevice() map[string]int {
	counts := map[string]int{}
	for _, p := range r.places {
		for _, id := range p.Devices {
			counts[id]++
		}
		if len(p.Devices) == 0 {
			counts[onCPU]++
		}
	}
	return counts
}

// deviceInstances counts instances by where they are, when it is asked.
type deviceInstances struct{ runners []*runner }

func deviceInstancesDesc() *prometheus.Desc {
	return prometheus.NewDesc("ekiben_device_instances",
		"Instances by the device that they run on: cpu, or the index or UUID of a GPU. One with several devices counts for each.",
		[]string{"runner", "device"}, nil)
}

// Describe implements prometheus.Collector.
func (deviceInstances) Describe(out chan<- *prometheus.Desc) { out <- deviceInstancesDesc() }

// Collect implements prometheus.Collector.
func (c deviceInstances) Collect(out chan<- prometheus.Metric) {
	for _, r := range c.runners {
		for device, n := range r.instancesByDevice() {
			out <- prometheus.MustNewConstMetric(deviceInstancesDesc(), prometheus.GaugeValue, float64(n), r.options.Name, device)
		}
	}
}

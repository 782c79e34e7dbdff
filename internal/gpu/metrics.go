package gpu

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// descs are the metrics of a monitor. Names are those of the project, the values
// those of NVIDIA's DCGM exporter: FB_USED, GPU_UTIL and GPU_TEMP.
type descs struct{ memory, utilization, temperature, processes *prometheus.Desc }

func metrics() descs {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("ekiben_gpu_"+name, help, append([]string{"gpu", "uuid"}, labels...), nil)
	}
	return descs{
		memory:      desc("memory_bytes", "Memory of the GPU: used, and in total.", "kind"),
		utilization: desc("utilization_ratio", "For what part of the latest fraction of a second the GPU computed."),
		temperature: desc("temperature_celsius", "Temperature of the GPU."),
		processes:   desc("processes", "Processes that compute on the GPU."),
	}
}

// Describe implements prometheus.Collector.
func (*Monitor) Describe(out chan<- *prometheus.Desc) {
	d := metrics()
	out <- d.memory
	out <- d.utilization
	out <- d.temperature
	out <- d.processes
}

// Collect implements prometheus.Collector.
func (m *Monitor) Collect(out chan<- prometheus.Metric) {
	d := metrics()
	for _, gpu := range m.Devices() {
		gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
			out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, append([]string{strconv.Itoa(gpu.Index), gpu.UUID}, labels...)...)
		}
		if gpu.MemoryTotal > 0 {
			gauge(d.memory, float64(gpu.MemoryTotal), "total")
			gauge(d.memory, float64(gpu.MemoryUsed), "used")
		}
		if gpu.Utilization != nil {
			gauge(d.utilization, *gpu.Utilization)
		}
		if gpu.Temperature != nil {
			gauge(d.temperature, *gpu.Temperature)
		}
		gauge(d.processes, float64(len(gpu.Processes)))
	}
}

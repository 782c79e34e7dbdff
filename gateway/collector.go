package gateway

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ekiben/ekiben/queue"
)

// runnerCollector makes gauges of the latest stats of the known runners, when
// they are asked for. Runners that are gone have no series.
type runnerCollector struct {
	roster *roster
	gauges []runnerGauge
}

// runnerGauge is one gauge and where it comes from.
type runnerGauge struct {
	desc  *prometheus.Desc
	value func(queue.Stats) float64
	lane  string // the lane it is of, or nothing
}

func newRunnerCollector(r *roster) runnerCollector {
	c := runnerCollector{roster: r}
	add := func(name, help string, value func(queue.Stats) float64) {
		c.gauges = append(c.gauges, runnerGauge{desc: prometheus.NewDesc(name, help, []string{"runner"}, nil), value: value})
	}
	lanes := prometheus.NewDesc("ekiben_queue_waiting_calls", "Calls that wait, by lane.", []string{"runner", "lane"}, nil)
	for i, lane := range []string{"high", "normal", "low"} {
		c.gauges = append(c.gauges, runnerGauge{lanes, func(s queue.Stats) float64 { return float64(s.Lanes[i].Calls) }, lane})
	}
	add("ekiben_queue_depth", "Calls that are queued or running.", func(s queue.Stats) float64 { return float64(s.Depth) })
	add("ekiben_queue_waiting_rows", "Rows of the calls that wait.", func(s queue.Stats) float64 { return float64(s.WaitingRows) })
	add("ekiben_queue_bytes", "Size of the calls that are queued or running.", func(s queue.Stats) float64 { return float64(s.Bytes) })
	add("ekiben_queue_oldest_seconds", "How long the oldest waiting call has waited.", func(s queue.Stats) float64 { return s.Oldest.Seconds() })
	add("ekiben_workers", "Workers that are alive.", func(s queue.Stats) float64 { return float64(s.Workers) })
	add("ekiben_dead_letters", "Calls that were given up and are kept.", func(s queue.Stats) float64 { return float64(s.DeadLetters) })
	add("ekiben_queue_callers", "Callers that have calls queued or running.", func(s queue.Stats) float64 { return float64(s.Callers) })
	add("ekiben_result_bytes", "What is kept of ended jobs.", func(s queue.Stats) float64 { return float64(s.ResultBytes) })
	add("ekiben_errands_due", "Webhooks and delayed jobs whose time has come and that no process of tasks has taken up.",
		func(s queue.Stats) float64 { return float64(s.Errands.Due) })
	add("ekiben_errands_oldest_seconds", "For how long the oldest of them has been due.",
		func(s queue.Stats) float64 { return s.Errands.Oldest.Seconds() })
	add("ekiben_runner_degraded", "1 while a runner crashes in a loop.", func(s queue.Stats) float64 { return indicator(s.Degraded) })
	add("ekiben_queue_paused", "1 while the queue gives nothing to workers.", func(s queue.Stats) float64 { return indicator(s.Gate == queue.GatePaused) })
	return c
}

func indicator(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// Describe sends what Collect will send.
func (c runnerCollector) Describe(to chan<- *prometheus.Desc) {
	for _, g := range c.gauges {
		to <- g.desc
	}
}

// Collect sends the gauges of all runners with stats.
func (c runnerCollector) Collect(to chan<- prometheus.Metric) {
	for name, r := range c.roster.runners() {
		samples := r.watch.history()
		if len(samples) == 0 {
			continue
		}
		latest := samples[len(samples)-1]
		for _, g := range c.gauges {
			labels := []string{name}
			if g.lane != "" {
				labels = append(labels, g.lane)
			}
			to <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, g.value(latest), labels...)
		}
	}
}

package schedule

import "github.com/prometheus/client_golang/prometheus"

// What comes of ticks, as metrics know it.
const (
	fired   = "fired"
	missed  = "missed"
	refused = "refused"
)

// newTicks makes the counter of ticks.
func newTicks() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "ekiben_schedule_ticks_total",
		Help: "Ticks of schedules by what came of them: fired became a job, missed ones were not run, refused ones had a wrong call.",
	}, []string{"runner", "result"})
}

// Metrics are those of the loop, to be registered once. A tick is counted by the
// process that moves its schedule past it, so the sum over all processes has each
// once; a process that dies in that moment does not count it.
func (l *Loop) Metrics() prometheus.Collector { return l.ticks }

// count counts ticks of a runner's schedule.
func (l *Loop) count(runner, result string, n int) {
	l.ticks.WithLabelValues(runner, result).Add(float64(n))
}

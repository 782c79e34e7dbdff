package worker

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ekiben/ekiben/batching"
	"github.com/ekiben/ekiben/queue"
)

// meters are a worker's metrics.
type meters struct {
	batches    *prometheus.CounterVec
	batchRows  *prometheus.HistogramVec
	batchWait  *prometheus.HistogramVec
	execute    *prometheus.HistogramVec
	callWait   *prometheus.HistogramVec
	finished   *prometheus.CounterVec
	bisections *prometheus.CounterVec
	panics     *prometheus.CounterVec
	lostLeases *prometheus.CounterVec
	crashes    *prometheus.CounterVec
}

// newMeters makes the metrics and registers them.
func newMeters(reg prometheus.Registerer) (*meters, error) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ekiben_" + name, Help: help}, append([]string{"runner"}, labels...))
	}
	histogram := func(name, help string, buckets []float64) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "ekiben_" + name, Help: help, Buckets: buckets}, []string{"runner", "method"})
	}
	waits := prometheus.ExponentialBuckets(100e-6, 2, 20) // 100µs to 52s
	m := &meters{
		batches:    counter("batches_total", "Batches executed, by the reason why each went when it did.", "method", "reason"),
		batchRows:  histogram("batch_rows", "Rows of a batch.", prometheus.ExponentialBuckets(1, 2, 11)),
		batchWait:  histogram("batch_wait_seconds", "Time from the acceptance of a batch's oldest call to its execution.", waits),
		execute:    histogram("batch_execute_seconds", "Time that the execution of a batch took, bisection included.", waits),
		callWait:   histogram("call_wait_seconds", "Time from the acceptance of a call until its batch was cut.", waits),
		finished:   counter("calls_finished_total", "Calls ended: succeeded, failed, expired, canceled; and lost, those among them that had no effect because another worker or the client ended them first.", "method", "outcome"),
		bisections: counter("bisections_total", "Failed batches that were run again in two halves.", "method"),
		panics:     counter("panics_total", "Panics of the runnable.", "method"),
		lostLeases: counter("lost_leases_total", "Calls that were given to another worker while this one ran them."),
		crashes:    counter("crashes_total", "Executions during which the process of the instance died, or hung and was killed."),
	}
	var errs []error
	for _, c := range []prometheus.Collector{
		m.batches, m.batchRows, m.batchWait, m.execute, m.callWait, m.finished, m.bisections, m.panics, m.lostLeases, m.crashes,
	} {
		errs = append(errs, reg.Register(c))
	}
	return m, errors.Join(errs...)
}

// methodMeters are the metrics of one method of one runner, with their labels
// resolved.
type methodMeters struct {
	endings

	batches              [batching.Drain + 1]prometheus.Counter
	batchRows, batchWait prometheus.Observer
	execute, callWait    prometheus.Observer
	bisections, panics   prometheus.Counter
}

// endings count the calls of a method that have ended.
type endings struct {
	succeeded, failed, expired, canceled, lost prometheus.Counter
}

// unknownMethod is the label of calls of methods that a runner does not have.
const unknownMethod = "unknown"

func (m *meters) endings(runner, method string) endings {
	return endings{
		succeeded: m.finished.WithLabelValues(runner, method, "succeeded"),
		failed:    m.finished.WithLabelValues(runner, method, "failed"),
		expired:   m.finished.WithLabelValues(runner, method, "expired"),
		canceled:  m.finished.WithLabelValues(runner, method, "canceled"),
		lost:      m.finished.WithLabelValues(runner, method, "lost"),
	}
}

func (m *meters) method(runner, method string) *methodMeters {
	r := &methodMeters{
		endings:    m.endings(runner, method),
		batchRows:  m.batchRows.WithLabelValues(runner, method),
		batchWait:  m.batchWait.WithLabelValues(runner, method),
		execute:    m.execute.WithLabelValues(runner, method),
		callWait:   m.callWait.WithLabelValues(runner, method),
		bisections: m.bisections.WithLabelValues(runner, method),
		panics:     m.panics.WithLabelValues(runner, method),
	}
	for reason := range r.batches {
		r.batches[reason] = m.batches.WithLabelValues(runner, method, batching.Reason(reason).String())
	}
	return r
}

// batch counts a batch that was executed.
func (m *methodMeters) batch(l *load, b batch, reason batching.Reason, began time.Time, took time.Duration) {
	oldest := time.Duration(0)
	for i := range b.items {
		waited := b.items[i].delivery.Waited
		m.callWait.Observe(waited.Seconds())
		oldest = max(oldest, waited)
	}
	m.batches[reason].Inc()
	m.batchRows.Observe(float64(b.rows))
	m.batchWait.Observe((oldest + began.Sub(l.asked)).Seconds())
	m.execute.Observe(took.Seconds())
}

// finish counts calls that have ended, and answers how many failed or expired.
func (m endings) finish(outcomes []queue.Outcome, finished queue.Finished) int {
	failed, expired, canceled := 0, 0, 0
	for i := range outcomes {
		switch err := outcomes[i].Reply.Err; {
		case err == nil:
		case err.Code == queue.CodeDeadline:
			expired++
		case err.Code == queue.CodeCanceled:
			canceled++
		default:
			failed++
		}
	}
	m.succeeded.Add(float64(len(outcomes) - failed - expired - canceled))
	m.failed.Add(float64(failed))
	m.expired.Add(float64(expired))
	m.canceled.Add(float64(canceled))
	m.lost.Add(float64(finished.Lost))
	return failed + expired
}

// instances counts instances by what they do, when it is asked.
type instances struct{ runners []*runner }

func instancesDesc() *prometheus.Desc {
	return prometheus.NewDesc("ekiben_instances", "Instances: starting, idle or busy.", []string{"runner", "state"}, nil)
}

// Describe implements prometheus.Collector.
func (instances) Describe(out chan<- *prometheus.Desc) { out <- instancesDesc() }

// Collect implements prometheus.Collector.
func (c instances) Collect(out chan<- prometheus.Metric) {
	for _, r := range c.runners {
		live, busy := r.live.Load(), r.busy.Load()
		starting := int64(len(r.consumers)) - live
		if r.draining.Load() {
			starting = 0
		}
		for state, n := range map[string]int64{"starting": starting, "idle": max(live-busy, 0), "busy": busy} {
			out <- prometheus.MustNewConstMetric(instancesDesc(), prometheus.GaugeValue, float64(n), r.options.Name, state)
		}
	}
}

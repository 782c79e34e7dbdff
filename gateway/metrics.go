package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ekiben/ekiben/queue"
)

// metrics are what a gateway counts. The label runner is the name of a known
// runner, or "" for requests that have none, so that clients cannot make
// series.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	inFlight prometheus.Gauge
	refused  *prometheus.CounterVec

	queueSeconds, executeSeconds, batchRows *prometheus.HistogramVec
}

// runnerMetrics are the series of the run route of one runner, found once.
type runnerMetrics struct {
	name    string
	ok      prometheus.Counter
	seconds prometheus.Observer

	queueSeconds, executeSeconds, batchRows prometheus.Observer
}

// secondsBuckets are 250µs to 65s in steps of 2.
func secondsBuckets() []float64 { return prometheus.ExponentialBuckets(0.00025, 2, 19) }

func newMetrics(registry prometheus.Registerer) (*metrics, error) {
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
	}
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ekiben_requests_total", Help: "Requests answered, by status; 499 is a client that went away.",
		}, []string{"route", "code", "runner"}),
		seconds: histogram("ekiben_request_seconds", "Time from the header of a request to its answer.", secondsBuckets(), "route", "runner"),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "ekiben_requests_in_flight", Help: "Requests that are worked on, from the end of their body; health and metrics are not counted.",
		}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ekiben_refused_total", Help: "Requests refused for reasons that pass, by reason: a limit, or the code of the problem.",
		}, []string{"reason", "runner"}),
		queueSeconds:   histogram("ekiben_call_queue_seconds", "Time that answered calls waited in the queue.", secondsBuckets(), "runner"),
		executeSeconds: histogram("ekiben_call_execute_seconds", "Time that the batches of answered calls ran.", secondsBuckets(), "runner"),
		batchRows:      histogram("ekiben_call_batch_rows", "Rows of the batches that answered calls ran in.", prometheus.ExponentialBuckets(1, 2, 12), "runner"),
	}
	var errs []error
	for _, c := range []prometheus.Collector{m.requests, m.seconds, m.inFlight, m.refused, m.queueSeconds, m.executeSeconds, m.batchRows} {
		errs = append(errs, registry.Register(c))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return m, nil
}

func (m *metrics) forRunner(name string) *runnerMetrics {
	return &runnerMetrics{
		name:           name,
		ok:             m.requests.WithLabelValues(routeRun, "200", name),
		seconds:        m.seconds.WithLabelValues(routeRun, name),
		queueSeconds:   m.queueSeconds.WithLabelValues(name),
		executeSeconds: m.executeSeconds.WithLabelValues(name),
		batchRows:      m.batchRows.WithLabelValues(name),
	}
}

// answered counts a request. r is nil where it has no known runner.
func (m *metrics) answered(route string, status int, r *runner, took time.Duration) {
	name := ""
	if r != nil {
		series := r.watch.metrics
		if route == routeRun && status == http.StatusOK {
			series.ok.Inc()
			series.seconds.Observe(took.Seconds())
			return
		}
		name = series.name
	}
	m.requests.WithLabelValues(route, strconv.Itoa(status), name).Inc()
	m.seconds.WithLabelValues(route, name).Observe(took.Seconds())
}

// turnedAway counts a request that was refused, and may well pass later. r is nil
// where it has no known runner.
func (m *metrics) turnedAway(reason string, r *runner) {
	name := ""
	if r != nil {
		name = r.spec.Runner
	}
	m.refused.WithLabelValues(reason, name).Inc()
}

// timed counts where the time of an answered call went.
func (m *runnerMetrics) timed(t queue.Timing) {
	m.queueSeconds.Observe(t.Queue.Seconds())
	m.executeSeconds.Observe(t.Execute.Seconds())
	m.batchRows.Observe(float64(t.Rows))
}

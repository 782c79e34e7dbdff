package gateway

import (
	"net/http"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/runnables"
)

// runnerView is a runner as clients see it.
type runnerView struct {
	Name     string       `json:"name"`
	Runnable string       `json:"runnable"`
	Methods  []methodView `json:"methods"`
	Limits   limitsView   `json:"limits"`

	// Queue is left out until it has been looked at.
	Queue *queueView `json:"queue,omitempty"`

	// Workers are processes that live, instances the copies of the runnable that
	// they have, busy those that work.
	Workers   int `json:"workers"`
	Instances int `json:"instances"`
	Busy      int `json:"busy"`

	// Devices are what the instances run on, where that is not the CPU.
	Devices []deviceView `json:"devices,omitempty"`
}

// deviceView is a device of a worker.
type deviceView struct {
	Worker string `json:"worker"`
	queue.Device
}

// methodView is a method: its signature, batch limits, and how to call it.
type methodView struct {
	runnables.MethodSpec

	URL     string   `json:"url"`
	Accepts []string `json:"accepts"`
	Offers  []string `json:"offers"`
}

// limitsView is what the queue of a runner takes.
type limitsView struct {
	MaxQueue      int   `json:"max_queue"`
	MaxQueueBytes int64 `json:"max_queue_bytes"`
	FromZero      bool  `json:"from_zero"`
}

// queueView is what the queue of a runner looks like.
type queueView struct {
	Depth         int     `json:"depth"`
	Waiting       int     `json:"waiting"`
	WaitingRows   int     `json:"waiting_rows"`
	Bytes         int64   `json:"bytes"`
	OldestSeconds float64 `json:"oldest_seconds"`
	DeadLetters   int     `json:"dead_letters"`
}

// view describes a runner; known is false if its workers were never read.
func (r *runner) view() (v runnerView, known bool) {
	spec := &r.spec
	v = runnerView{
		Name: spec.Runner, Runnable: spec.Runnable, Methods: make([]methodView, 0, len(spec.Methods)),
		Limits: limitsView{spec.MaxQueue, spec.MaxQueueBytes, spec.FromZero},
	}
	for _, s := range spec.Methods {
		m := r.methods[s.Name]
		v.Methods = append(v.Methods, methodView{s, m.url(), m.accepts, m.offers})
	}
	if samples := r.watch.history(); len(samples) > 0 {
		s := samples[len(samples)-1]
		v.Queue = &queueView{s.Depth, s.Waiting, s.WaitingRows, s.Bytes, s.Oldest.Seconds(), s.DeadLetters}
	}
	workers, _, known := r.watch.crew()
	v.Workers = len(workers)
	for _, w := range workers {
		v.Instances += w.Instances
		v.Busy += w.Busy
		for _, d := range w.Devices {
			v.Devices = append(v.Devices, deviceView{w.Worker, d})
		}
	}
	return v, known
}

// url is the path that the method is called at.
func (m *method) url() string { return "/v1/runners/" + m.runner.spec.Runner + "/" + m.Name }

// getRunners answers GET /v1/runners. While the queue is away it answers with
// what is known.
func (g *Gateway) getRunners(r *request) error {
	views := []runnerView{}
	all := g.roster.callable()
	err := g.roster.look(r.Request().Context(), all)
	for _, found := range all {
		v, known := found.view()
		if !known {
			return err
		}
		views = append(views, v)
	}
	r.Response().Header()["Cache-Control"] = g.headers.noStore
	return r.JSON(http.StatusOK, map[string]any{"runners": views})
}

// getRunner answers GET /v1/runners/{runner}.
func (g *Gateway) getRunner(r *request) error {
	found, err := g.runnerNamed(r)
	if err != nil {
		return err
	}
	err = g.roster.look(r.Request().Context(), []*runner{found})
	v, known := found.view()
	if !known {
		return err
	}
	r.Response().Header()["Cache-Control"] = g.headers.noStore
	return r.JSON(http.StatusOK, v)
}

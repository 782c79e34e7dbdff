package gateway

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/runnables"
)

// runner is what a gateway knows of a runner. Spec and methods never change: a
// new spec is a new runner, which takes over the rest.
type runner struct {
	spec    runnables.Spec
	raw     string
	methods map[string]*method
	watch   *watch
}

// method is one method of a runner, with what each call needs prepared.
type method struct {
	runnables.MethodSpec

	runner *runner
	// single is the one argument of a method that has one, or that needs one; nil of
	// others. A body that does not name its arguments is this one.
	single *runnables.ValueSpec
	// output is the one output of a method that has one, or has declared none; nil of
	// others.
	output *runnables.ValueSpec
	// accepts and offers are the types that its bodies and results may have.
	accepts, offers []string
}

// watch is what changes about a runner while it is watched.
type watch struct {
	metrics *runnerMetrics

	mu sync.Mutex
	// samples are the latest stats, the oldest first. Guarded by mu.
	samples []queue.Stats
	// drain is how fast the queue empties. Guarded by mu.
	drain drain

	// workers are the living ones, read at workersAt. Guarded by mu.
	workers   []queue.Heartbeat
	workersAt time.Time

	// estimate is how fast it works, learnt from all that. Written by learn, nil
	// before.
	estimate atomic.Pointer[estimate]

	// inFlight counts its awaited calls.
	inFlight atomic.Int64
}

// maxSamples is how many stats of a runner are kept, one a second.
const maxSamples = 30

// newRunner reads a published spec.
func newRunner(raw []byte, w *watch) (*runner, error) {
	r := &runner{raw: string(raw), methods: map[string]*method{}, watch: w}
	if err := json.Unmarshal(raw, &r.spec); err != nil {
		return nil, fmt.Errorf("spec: %w", err)
	}
	defaults := runnables.DefaultRunner()
	if r.spec.MaxQueue <= 0 {
		r.spec.MaxQueue = defaults.MaxQueue
	}
	if r.spec.MaxQueueBytes <= 0 {
		r.spec.MaxQueueBytes = defaults.MaxQueueBytes
	}
	for _, m := range r.spec.Methods {
		if err := m.Validate(); err != nil {
			return nil, fmt.Errorf("spec: %w", err)
		}
		prepared := &method{MethodSpec: m, runner: r}
		prepared.single = singleOf(prepared.Inputs)
		if specs := prepared.OutputSpecs(1); len(specs) == 1 {
			prepared.output = &specs[0]
		}
		prepared.accepts = acceptedTypes(prepared)
		prepared.offers = offeredTypes(prepared)
		r.methods[m.Name] = prepared
	}
	return r, nil
}

// singleOf is the only argument, or the only one that may not be left out; nil if
// there is none.
func singleOf(inputs []runnables.ValueSpec) *runnables.ValueSpec {
	if len(inputs) == 1 {
		return &inputs[0]
	}
	var single *runnables.ValueSpec
	for i := range inputs {
		if inputs[i].Optional {
			continue
		}
		if single != nil {
			return nil
		}
		single = &inputs[i]
	}
	return single
}

// unknownMethod is one that nothing is known of, such as that of a job whose runner
// is gone. Its result is opaque, and can be had in every form that it turns out to
// fit.
func unknownMethod() *method {
	return &method{offers: []string{mediaJSON, mediaText, mediaOctets, mediaNPY}}
}

func (m *method) known() bool { return m.runner != nil }

// specsOf are the specs of so many outputs, none of an unknown method.
func (m *method) specsOf(outputs int) []runnables.ValueSpec {
	if !m.known() {
		return nil
	}
	return m.OutputSpecs(outputs)
}

// method finds a method by its name.
func (r *runner) method(name string) (*method, error) {
	if m := r.methods[name]; m != nil {
		return m, nil
	}
	names := r.methodNames()
	return nil, &Problem{
		Code:    CodeNotFound,
		Detail:  fmt.Sprintf("runner %q has no method %s, it has %s", r.spec.Runner, quote(name), list(names)),
		Methods: names,
	}
}

// methodNames are the names of the methods in the order of the spec.
func (r *runner) methodNames() []string {
	names := make([]string, len(r.spec.Methods))
	for i, m := range r.spec.Methods {
		names[i] = m.Name
	}
	return names
}

// sample adds the latest stats.
func (w *watch) sample(s queue.Stats) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.drain.observe(s)
	if len(w.samples) == maxSamples {
		w.samples = append(w.samples[:0], w.samples[1:]...)
	}
	w.samples = append(w.samples, s)
}

// history is a copy of the stats that are kept, the oldest first.
func (w *watch) history() []queue.Stats {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.samples)
}

// learn makes an estimate of what is known.
func (r *runner) learn() {
	w := r.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	e := estimateOf(&r.spec, w.samples, w.workers)
	w.estimate.Store(&e)
}

// estimate is the latest.
func (r *runner) estimate() estimate {
	if e := r.watch.estimate.Load(); e != nil {
		return *e
	}
	return estimate{}
}

// expectedWait is how long a call waits that has so many before it; ok is false if
// that is not known.
func (r *runner) expectedWait(ahead int) (wait time.Duration, ok bool) {
	return r.estimate().wait(ahead)
}

// meet takes the workers that live.
func (w *watch) meet(workers []queue.Heartbeat) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.workers, w.workersAt = workers, time.Now()
}

// crew are the workers that lived when they were last read, as old as they are
// now, and how long ago that was; known is false if they never were.
func (w *watch) crew() (workers []queue.Heartbeat, since time.Duration, known bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.workersAt.IsZero() {
		return nil, 0, false
	}
	since = time.Since(w.workersAt)
	workers = slices.Clone(w.workers)
	for i := range workers {
		workers[i].Age += since
	}
	return workers, since, true
}

// retryAfter is when a client that met the full queue should come back; chance
// spreads clients, see [drain.retryAfter].
func (w *watch) retryAfter(chance float64) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.drain.retryAfter(chance)
}

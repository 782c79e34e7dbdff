package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/ekiben/ekiben/batching"
	"github.com/ekiben/ekiben/runnables"
)

// instance is one copy of a runner's runnable, with a pipeline of its own.
type instance struct {
	runner   *runner
	number   int
	runnable runnables.Runnable
	methods  methods
	former   *batching.Former
	began    time.Time // to be made
}

// makeInstances makes, checks and warms up all instances. With an error it
// returns those that it made.
func (r *runner) makeInstances(ctx context.Context) ([]*instance, error) {
	var all []*instance
	for n, place := range r.places {
		var runnable runnables.Runnable
		began := time.Now()
		err := r.guarded(func() (err error) {
			runnable, err = r.kind.New(ctx, runnables.Setup{
				Runner: r.options, Instance: n, Place: place, Log: r.log.With("instance", n),
			})
			return err
		})
		if err != nil {
			return all, fmt.Errorf("make instance %d of runnable %q: %w", n, r.options.Runnable, err)
		}
		i := &instance{runner: r, number: n, runnable: runnable, began: began}
		all = append(all, i)
		if err := r.guarded(func() error { return i.prepare(ctx) }); err != nil {
			return all, fmt.Errorf("instance %d of runnable %q: %w", n, r.options.Runnable, err)
		}
		r.live.Add(1)
	}
	return all, nil
}

// guarded turns a panic of a runnable outside of calls into an error: other runners
// of the process do not end with it.
func (r *runner) guarded(do func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			r.log.Error("runnable panicked", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			err = fmt.Errorf("it panicked: %v", v)
		}
	}()
	return do()
}

// prepare checks the runnable, warms it up, and makes what serves it.
func (i *instance) prepare(ctx context.Context) error {
	if err := runnables.Validate(i.runnable); err != nil {
		return err
	}
	ms := i.runnable.Methods()
	names := make([]string, len(ms))
	for k, m := range ms {
		names[k] = m.Name
	}
	if err := i.runner.options.CheckMethods(names); err != nil {
		return err
	}
	spec, err := json.Marshal(specOf(i.runner.options, ms))
	if err != nil {
		return fmt.Errorf("spec: %w", err)
	}
	if first := i.runner.spec.Load(); first != nil && !sameSignatures(*first, spec) {
		return fmt.Errorf("its methods differ from those of instance 0")
	}
	if i.former, err = newFormer(i.runner.options, ms); err != nil {
		return err
	}
	if w, ok := i.runnable.(runnables.Warmer); ok {
		if err := w.Warmup(ctx); err != nil {
			return fmt.Errorf("warm up: %w", err)
		}
	}
	_, supervised := i.runnable.(runnables.Supervised)
	i.methods = methods{}
	for _, m := range ms {
		most, _ := i.runner.options.Limits(m.Name)
		i.methods[m.Name] = &method{
			Method: m, maxRows: most, log: i.runner.log, options: i.runner.options, stoppable: supervised, started: time.Since(i.began),
			meters: i.runner.meters.method(i.runner.options.Name, m.Name),
		}
	}
	if i.number == 0 {
		i.runner.spec.Store(&spec)
	}
	return nil
}

// newFormer makes the former of an instance. The queue does not tell methods
// apart, so a cut may have as many rows as the method with the largest batches
// takes, and waits no longer than the method with the least patience.
func newFormer(options runnables.Runner, ms []runnables.Method) (*batching.Former, error) {
	limits := batching.Limits{Rows: 1}
	found := false
	for _, m := range ms {
		if !m.Batchable {
			continue
		}
		most, wait := options.Limits(m.Name)
		limits.Rows = max(limits.Rows, most)
		if !found || wait < limits.Wait {
			limits.Wait = wait
		}
		found = true
	}
	policy, err := batching.ParsePolicy(string(options.Batching))
	if err != nil {
		return nil, err
	}
	return batching.NewFormer(limits, policy)
}

// serve runs the pipeline until pull is done and all that was taken has ended.
func (i *instance) serve(pull, work, io context.Context) {
	r, consumer, claims := i.runner, i.runner.consumers[i.number], i.runner.claims[i.number]
	defer claims.close()
	present := attendanceOf(r, i.runnable)
	loads := make(chan *load, 1)
	done := make(chan []span, 1)
	ended := make(chan ending)
	p := puller{
		runner: r, claims: claims, source: consumer, former: i.former, methods: i.methods,
		loads: loads, done: done, cost: &r.costs[i.number], present: present,
	}
	e := executor{
		runner: r, claims: claims, loads: loads, done: done, ended: ended, present: present,
		cost: &r.costs[i.number], unknown: r.meters.endings(r.options.Name, unknownMethod),
	}
	f := finisher{runner: r, sink: consumer, lease: r.queue.Lease(), ended: ended}
	var stages sync.WaitGroup
	stages.Go(func() { p.run(pull, io) })
	stages.Go(func() { e.run(pull, work) })
	stages.Go(func() { f.run(pull, io) })
	stages.Wait()
}

// closeInstances frees what the instances hold. Those that are processes are given
// a while to end, all at the same time.
func (r *runner) closeInstances(all []*instance) {
	r.live.Store(0)
	var closing sync.WaitGroup
	defer closing.Wait()
	for _, i := range all {
		end := func() {
			if err := r.guarded(i.runnable.Close); err != nil {
				r.log.Warn("instance did not close", "instance", i.number, "err", err)
			}
		}
		if _, supervised := i.runnable.(runnables.Supervised); supervised {
			closing.Go(end)
		} else {
			end()
		}
	}
}

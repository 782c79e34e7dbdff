package gateway

import (
	"context"
	"fmt"
	"time"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

// Calls is the one way for calls into the queue, for HTTP routes and for
// services. It is safe for concurrent use.
type Calls struct {
	roster   *roster
	producer producer
	jobs     jobs
	later    slowPath
	// timeout is [Config.Timeout], and so on.
	timeout, maxTimeout time.Duration
	maxRows             int
	maxBody             int64
	// share is [Config.CallerShare].
	share float64
}

// origin is where a call comes from.
type origin struct {
	caller string
	trace  string
}

// originKey is the key of an origin in the context of a service.
type originKey struct{}

// Run runs a method and waits for its reply. inputs are in any order. It returns
// the method's spec too, which says what the outputs are. A call that the
// runnable failed is an error here, a *[queue.CallError].
//
// Other errors: a *[Problem] for an unknown runner or method and for a call
// beyond the limits, [runnables.ErrInput] for inputs that do not fit, those of
// the queue, and ctx's.
func (c *Calls) Run(ctx context.Context, runner, method string, inputs []tensor.Named) (queue.Reply, runnables.MethodSpec, error) {
	m, err := c.method(ctx, runner, method)
	if err != nil {
		return queue.Reply{}, runnables.MethodSpec{}, err
	}
	from, _ := ctx.Value(originKey{}).(origin)
	call, err := c.call(ctx, m, inputs, from)
	if err != nil {
		return queue.Reply{}, runnables.MethodSpec{}, err
	}
	reply, err := c.do(ctx, m, call)
	return reply, m.MethodSpec, err
}

// Submit queues a call as a job and returns once it is accepted. Errors are
// those of [Calls.Run] that come before the queue, and the queue's.
func (c *Calls) Submit(ctx context.Context, runner, method string, inputs []tensor.Named) (queue.Job, error) {
	m, err := c.method(ctx, runner, method)
	if err != nil {
		return queue.Job{}, err
	}
	from, _ := ctx.Value(originKey{}).(origin)
	call, err := c.call(ctx, m, inputs, from)
	if err != nil {
		return queue.Job{}, err
	}
	return c.producer.Submit(ctx, call)
}

// method finds a method that calls may name. Those of services are not: they are
// called by their routes.
func (c *Calls) method(ctx context.Context, runner, method string) (*method, error) {
	if isService(runner) {
		return nil, unknownRunner(runner)
	}
	return c.roster.method(ctx, runner, method)
}

// do sends an awaited call: one that needs a living worker, unless the runner
// starts from zero.
func (c *Calls) do(ctx context.Context, m *method, call queue.Call) (queue.Reply, error) {
	call.Admission.NeedWorker = !m.runner.spec.FromZero
	if err := m.runner.enter(); err != nil {
		return queue.Reply{}, err
	}
	defer m.runner.leave()
	reply, err := c.producer.Do(ctx, call)
	if err == nil && reply.Err != nil {
		err = reply.Err
	}
	return reply, err
}

// enter makes a call one of those that are awaited here, or refuses it if the
// runner has as many as it may. What was let in must leave.
func (r *runner) enter() error {
	most := r.spec.MaxConcurrency
	if inFlight := r.watch.inFlight.Add(1); most > 0 && inFlight > int64(most) {
		r.leave()
		return refuse(CodeOverloaded, refusedConcurrency,
			fmt.Sprintf("the runner has as many calls in flight here as it may, %d", most))
	}
	return nil
}

// leave gives the place back.
func (r *runner) leave() { r.watch.inFlight.Add(-1) }

// call checks inputs against the method and makes a call of them.
func (c *Calls) call(ctx context.Context, m *method, inputs []tensor.Named, from origin) (queue.Call, error) {
	ordered, rows, err := runnables.CheckInputs(m.Signature, inputs)
	if err != nil {
		return queue.Call{}, err
	}
	if rows > c.maxRows {
		return queue.Call{}, &Problem{Code: CodeTooLarge, Detail: fmt.Sprintf("the call has %d rows, at most %d are taken", rows, c.maxRows)}
	}
	args := make([]tensor.Named, 0, len(ordered))
	for i, t := range ordered {
		if t.DType().Valid() { // not left out
			args = append(args, tensor.Named{Name: m.Inputs[i].Name, Tensor: t})
		}
	}
	spec := &m.runner.spec
	if size := int64(tensor.NamedSize(args)); size > spec.MaxQueueBytes {
		return queue.Call{}, &Problem{Code: CodeTooLarge, Detail: fmt.Sprintf("the call has %d bytes, the runner's queue takes %d", size, spec.MaxQueueBytes)}
	}
	return queue.Call{
		ID:        queue.NewID(spec.Runner),
		Runner:    spec.Runner,
		Method:    m.Name,
		Rows:      rows,
		Group:     runnables.Group(m.Signature, ordered),
		Inputs:    args,
		Timeout:   c.timeoutOf(ctx),
		Caller:    from.caller,
		Trace:     from.trace,
		Admission: c.admission(m.runner),
	}, nil
}

// admission are the bounds that every call of a runner is held against.
func (c *Calls) admission(r *runner) queue.Admission {
	return queue.Admission{
		MaxCalls: r.spec.MaxQueue, MaxBytes: r.spec.MaxQueueBytes,
		CallerShare: c.share, RowTime: r.estimate().admitted,
	}
}

// timeoutOf is the time that a call has: what is configured, or less where its
// context ends sooner.
func (c *Calls) timeoutOf(ctx context.Context) time.Duration {
	if until, ok := ctx.Deadline(); ok {
		return min(c.timeout, max(time.Until(until), time.Millisecond))
	}
	return c.timeout
}

package worker

import (
	"context"
	"errors"
	"time"

	"github.com/ekiben/ekiben/batching"
	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

// execution is one batch on its way to an outcome for each of its calls. It
// belongs to the executing goroutine.
type execution struct {
	method *method
	claims *claims
	cost   *batching.Cost // of a batch, as far as is known; may be nil
	asked  time.Time

	// timing is that of the last attempt, rows that of the first; 0 if there was
	// none because every call was too late or gone.
	timing  queue.Timing
	rows    int
	failed  bool // an attempt did, or was stopped
	stopped bool // because no call of it was wanted

	outcomes []queue.Outcome
	// back are calls whose execution was cut short by the end of the worker.
	back []queue.Delivery
	// lost are calls that others execute, or may.
	lost []queue.Delivery
	// crashes are those of the instance, each with the calls of an attempt, which are
	// to run again alone. hung are those whose call has ended.
	crashes, hung []crash
	// releases give back the memory of outputs, once the outcomes are written.
	releases []func()
	// err is the first error that was not a client's fault, for the log.
	err error
}

// run executes the calls together. If that fails it runs both halves by
// themselves, and so on until whoever is to blame fails alone: with n calls, one
// of them at fault, at most 1 + 2·log2(n) executions. ctx stops it; what is not
// ended then goes back.
func (x *execution) run(ctx context.Context, items []item) {
	items = x.sift(items, time.Now())
	if len(items) == 0 {
		return
	}
	err := ctx.Err()
	if err == nil {
		err = x.attempt(ctx, items)
	}
	if err == nil {
		return
	}
	x.failed = true
	switch {
	case ctx.Err() != nil:
		x.back = appendDeliveries(x.back, items)
	case errors.Is(err, errUnwanted):
		x.stopped = true
		x.lost = appendDeliveries(x.lost, x.sift(items, time.Now()))
	case errors.Is(err, runnables.ErrCrashed):
		x.crashes = append(x.crashes, crash{appendDeliveries(nil, items), err})
	case errors.Is(err, runnables.ErrHung):
		x.hang(items, err)
	case len(items) == 1:
		x.fail(&items[0], err)
	default:
		x.method.meters.bisections.Inc()
		half := len(items) / 2
		x.run(ctx, items[:half])
		x.run(ctx, items[half:])
	}
}

// sift ends the calls that are not to be executed, and returns the others.
func (x *execution) sift(items []item, now time.Time) []item {
	fates := x.claims.fates(items)
	n := 0
	for n < len(items) && (fates == nil || fates[n] == held) && items[n].late(now) == nil {
		n++
	}
	if n == len(items) {
		return items
	}
	stay := append([]item(nil), items[:n]...)
	for i := n; i < len(items); i++ {
		it, f := &items[i], held
		if fates != nil {
			f = fates[i]
		}
		late := it.late(now)
		switch {
		case f == lost:
			x.lost = append(x.lost, *it.delivery)
		case late != nil:
			x.end(it, queue.Reply{Err: late})
		case f == canceled:
			x.end(it, queue.Reply{Err: unwanted()})
		default:
			stay = append(stay, *it)
		}
	}
	return stay
}

func appendDeliveries(ds []queue.Delivery, items []item) []queue.Delivery {
	for i := range items {
		ds = append(ds, *items[i].delivery)
	}
	return ds
}

// attempt executes the calls once. If it returns an error none of them has
// ended; it is errUnwanted if none of them was wanted any more.
func (x *execution) attempt(ctx context.Context, items []item) error {
	parts, rows := x.parts(items)
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	ctx, cancel := context.WithDeadline(ctx, x.limit(items, rows))
	defer cancel()
	defer x.watch(ctx, items)()
	for i := range items {
		items[i].begun = true
	}
	began := time.Now()
	x.claims.begin(items, stop)
	a, err := x.method.compute(ctx, parts, rows)
	x.claims.end()
	if x.rows == 0 {
		x.rows = rows
	}
	x.timing = queue.Timing{Batch: began.Sub(x.asked), Execute: time.Since(began), Rows: rows}
	if err != nil && errors.Is(context.Cause(ctx), errUnwanted) {
		return errUnwanted
	}
	if err != nil {
		return err
	}
	x.method.longest = max(x.method.longest, x.timing.Execute)
	if a.release != nil {
		x.releases = append(x.releases, a.release)
	}
	return x.share(items, a.outputs, a.failed)
}

// parts are the arguments of the calls: parts[a][c] is argument a of call c.
func (x *execution) parts(items []item) (parts [][]tensor.Tensor, rows int) {
	width := len(items)
	all := make([]tensor.Tensor, width*len(x.method.Inputs))
	parts = make([][]tensor.Tensor, len(x.method.Inputs))
	for a := range parts {
		parts[a] = all[a*width : (a+1)*width : (a+1)*width]
		for i := range items {
			parts[a][i] = items[i].inputs[a]
		}
	}
	for i := range items {
		rows += items[i].rows
	}
	return parts, rows
}

// share gives each call its rows of the outputs, or the error of its first row
// that failed.
func (x *execution) share(items []item, outputs []tensor.Tensor, failed runnables.RowErrors) error {
	width := len(outputs)
	names := runnables.OutputNames(x.method.Signature, width)
	named := make([]tensor.Named, len(items)*width)
	sizes := make([]int, len(items))
	for i := range items {
		sizes[i] = items[i].rows
	}
	for o, t := range outputs {
		parts := []tensor.Tensor{t}
		if len(items) > 1 {
			var err error
			if parts, err = tensor.Split(t, x.method.BatchDim.Out, sizes); err != nil {
				return err
			}
		}
		for i := range items {
			named[i*width+o] = tensor.Named{Name: names[o], Tensor: parts[i]}
		}
	}
	row := 0
	for i := range items {
		it := &items[i]
		reply := queue.Reply{Timing: x.timing}
		if err := firstError(failed, row, row+it.rows); err != nil {
			reply.Err = callError(err)
			x.note(err)
		} else {
			reply.Outputs = named[i*width : (i+1)*width : (i+1)*width]
		}
		x.end(it, reply)
		row += it.rows
	}
	return nil
}

// firstError is the error of the first failed row in [from, to).
func firstError(failed runnables.RowErrors, from, to int) error {
	if len(failed) == 0 {
		return nil
	}
	for row := from; row < to; row++ {
		if err := failed[row]; err != nil {
			return err
		}
	}
	return nil
}

// fail ends a call that failed alone.
func (x *execution) fail(it *item, err error) {
	reply := queue.Reply{Timing: x.timing}
	if errors.Is(err, context.DeadlineExceeded) && !time.Now().Before(it.deadline) {
		reply.Err = expired(tooSlow)
	} else {
		reply.Err = callError(err)
		x.note(err)
	}
	x.end(it, reply)
}

func (x *execution) end(it *item, reply queue.Reply) {
	reply.Timing.Queue = it.delivery.Waited
	x.outcomes = append(x.outcomes, queue.Outcome{Delivery: *it.delivery, Reply: reply})
}

// note remembers an error for the log, unless the client is to blame: such
// messages quote what the client sent.
func (x *execution) note(err error) {
	if x.err == nil && !errors.Is(err, runnables.ErrInput) {
		x.err = err
	}
}

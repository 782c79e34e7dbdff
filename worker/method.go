package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

// method is one method of one instance, with its limits.
type method struct {
	runnables.Method
	maxRows int
	meters  *methodMeters
	log     *slog.Logger

	options runnables.Runner

	// stoppable: an execution ends when its context does, because the instance is a
	// process, which is killed. That bounds the time of an execution itself.
	stoppable bool

	// started is how long the instance took to start, longest how long the longest
	// execution took that was not stopped. Only its executor uses that.
	started, longest time.Duration
}

// errPanicked stands for a panic; its stack is in the log and not for clients.
var errPanicked = errors.New("the runner panicked")

// answer is what a method answered: outputs, and the rows that failed.
type answer struct {
	outputs []tensor.Tensor
	failed  runnables.RowErrors

	// release gives the memory of the outputs back to the method, once nobody reads
	// them any more; nil if it is theirs.
	release func()
}

// done releases the outputs.
func (a answer) done() {
	if a.release != nil {
		a.release()
	}
}

// compute runs the method on calls of so many rows together, parts[a][c] is
// argument a of call c: at once, or, if one call has more than maxRows of them, in
// pieces whose outputs are joined again. Pieces belong to one call, which the
// first error fails.
func (m *method) compute(ctx context.Context, parts [][]tensor.Tensor, rows int) (answer, error) {
	if !m.Batchable || rows <= m.maxRows {
		return m.call(ctx, parts, rows)
	}
	pieces, sizes, err := m.split(parts, rows)
	if err != nil {
		return answer{}, err
	}
	var answers []answer
	defer func() {
		for _, a := range answers {
			a.done()
		}
	}()
	for i, piece := range pieces {
		if err := ctx.Err(); err != nil {
			return answer{}, fmt.Errorf("after %d of %d rows: %w", i*m.maxRows, rows, err)
		}
		a, err := m.call(ctx, piece, sizes[i])
		if err == nil {
			answers = append(answers, a)
			err = a.failed.In(0, sizes[i])
		}
		if err != nil {
			return answer{}, err
		}
	}
	outputs, err := m.rejoin(answers)
	return answer{outputs: outputs}, err
}

// split cuts the arguments of one call into pieces of at most maxRows rows.
func (m *method) split(parts [][]tensor.Tensor, rows int) (pieces [][][]tensor.Tensor, sizes []int, err error) {
	for left := rows; left > 0; left -= m.maxRows {
		sizes = append(sizes, min(left, m.maxRows))
	}
	pieces = make([][][]tensor.Tensor, len(sizes))
	for _, part := range parts {
		ts := make([]tensor.Tensor, len(sizes)) // zero for an argument that is left out
		if part[0].DType().Valid() {
			if ts, err = tensor.Split(part[0], m.BatchDim.In, sizes); err != nil {
				return nil, nil, err
			}
		}
		for i := range ts {
			pieces[i] = append(pieces[i], ts[i:i+1])
		}
	}
	return pieces, sizes, nil
}

// rejoin joins what was answered to the pieces of a call, of which there are two
// at least: the outputs are copies.
func (m *method) rejoin(answers []answer) ([]tensor.Tensor, error) {
	outputs := make([]tensor.Tensor, len(answers[0].outputs))
	ts := make([]tensor.Tensor, len(answers))
	for o := range outputs {
		for i, a := range answers {
			if len(a.outputs) != len(outputs) {
				return nil, fmt.Errorf("%w: pieces of a call have %d and %d outputs", runnables.ErrOutput, len(outputs), len(a.outputs))
			}
			ts[i] = a.outputs[o]
		}
		var err error
		if outputs[o], err = tensor.Concat(m.BatchDim.Out, ts); err != nil {
			return nil, fmt.Errorf("%w: pieces of output %d: %w", runnables.ErrOutput, o, err)
		}
	}
	return outputs, nil
}

// call runs the method once and checks what it answers.
func (m *method) call(ctx context.Context, parts [][]tensor.Tensor, rows int) (answer, error) {
	if !m.stoppable {
		var cancel context.CancelFunc
		ctx, cancel = m.options.Limited(ctx)
		defer cancel()
	}
	out, err := m.protected(ctx, parts)
	a := answer{outputs: out.Tensors, release: out.Release}
	failed, single := errors.AsType[runnables.RowErrors](err)
	if err == nil || single {
		a.failed, err = failed, m.check(out.Tensors, failed, rows)
	} else if cause := context.Cause(ctx); errors.Is(cause, runnables.ErrOverlong) {
		err = cause
	}
	if err != nil {
		a.done()
		return answer{}, err
	}
	return a, nil
}

// check says what is wrong with an answer to so many rows.
func (m *method) check(outputs []tensor.Tensor, failed runnables.RowErrors, rows int) error {
	for row := range failed {
		if row < 0 || row >= rows {
			return fmt.Errorf("%w: method %q failed row %d of %d", runnables.ErrOutput, m.Name, row, rows)
		}
	}
	err := runnables.CheckOutputs(m.Signature, outputs, rows)
	if err != nil && len(failed) > 0 {
		err = fmt.Errorf("%w, beside %w", err, failed)
	}
	return err
}

// protected turns a panic of the method into an error.
func (m *method) protected(ctx context.Context, parts [][]tensor.Tensor) (out runnables.Outputs, err error) {
	defer func() {
		if v := recover(); v != nil {
			m.meters.panics.Inc()
			m.log.ErrorContext(ctx, "runnable panicked", "method", m.Name, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			out, err = runnables.Outputs{}, errPanicked
		}
	}()
	if m.RunParts != nil {
		return m.RunParts(ctx, parts)
	}
	inputs, err := m.join(parts)
	if err != nil {
		return runnables.Outputs{}, err
	}
	out.Tensors, err = m.Run(ctx, inputs)
	return out, err
}

// join concatenates the arguments of the calls, each once.
func (m *method) join(parts [][]tensor.Tensor) ([]tensor.Tensor, error) {
	inputs := make([]tensor.Tensor, len(parts))
	for a, ts := range parts {
		if len(ts) == 1 || !ts[0].DType().Valid() { // alone, or left out by all
			inputs[a] = ts[0]
			continue
		}
		var err error
		if inputs[a], err = tensor.Concat(m.BatchDim.In, ts); err != nil {
			return nil, err
		}
	}
	return inputs, nil
}

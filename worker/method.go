package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

// method is one method of one instance, with its limits.
type method struct {
	runnables.Method
	maxRows int
	meters  *methodMeters
	log     *slog.Logger
}

// errPanicked stands for a panic; its stack is in the log and not for clients.
var errPanicked = errors.New("the runner panicked")

// compute runs the method on inputs of so many rows: at once, or, if one call has
// more than maxRows of them, in pieces whose outputs are joined again. Pieces
// belong to one call, which the first error fails.
func (m *method) compute(ctx context.Context, inputs []tensor.Tensor, rows int) ([]tensor.Tensor, runnables.RowErrors, error) {
	if !m.Batchable || rows <= m.maxRows {
		return m.call(ctx, inputs, rows)
	}
	pieces, sizes, err := m.split(inputs, rows)
	if err != nil {
		return nil, nil, err
	}
	parts := make([][]tensor.Tensor, len(m.Outputs))
	for i, piece := range pieces {
		if err := ctx.Err(); err != nil {
			return nil, nil, fmt.Errorf("after %d of %d rows: %w", i*m.maxRows, rows, err)
		}
		outputs, failed, err := m.call(ctx, piece, sizes[i])
		if err == nil {
			err = failed.In(0, sizes[i])
		}
		if err != nil {
			return nil, nil, err
		}
		for o := range parts {
			parts[o] = append(parts[o], outputs[o])
		}
	}
	outputs := make([]tensor.Tensor, len(parts))
	for o, ts := range parts {
		if outputs[o], err = tensor.Concat(m.BatchDim.Out, ts); err != nil {
			return nil, nil, fmt.Errorf("%w: pieces of output %q: %w", runnables.ErrOutput, m.Outputs[o].Name, err)
		}
	}
	return outputs, nil, nil
}

// split cuts inputs into pieces of at most maxRows rows.
func (m *method) split(inputs []tensor.Tensor, rows int) (pieces [][]tensor.Tensor, sizes []int, err error) {
	for left := rows; left > 0; left -= m.maxRows {
		sizes = append(sizes, min(left, m.maxRows))
	}
	pieces = make([][]tensor.Tensor, len(sizes))
	for _, in := range inputs {
		ts, err := tensor.Split(in, m.BatchDim.In, sizes)
		if err != nil {
			return nil, nil, err
		}
		for i, t := range ts {
			pieces[i] = append(pieces[i], t)
		}
	}
	return pieces, sizes, nil
}

// call runs the method once and checks what it answers.
func (m *method) call(ctx context.Context, inputs []tensor.Tensor, rows int) ([]tensor.Tensor, runnables.RowErrors, error) {
	outputs, err := m.protected(ctx, inputs)
	failed, single := errors.AsType[runnables.RowErrors](err)
	if err != nil && !single {
		return nil, nil, err
	}
	for row := range failed {
		if row < 0 || row >= rows {
			return nil, nil, fmt.Errorf("%w: method %q failed row %d of %d", runnables.ErrOutput, m.Name, row, rows)
		}
	}
	if err := runnables.CheckOutputs(m.Signature, outputs, rows); err != nil {
		if len(failed) > 0 {
			err = fmt.Errorf("%w, beside %w", err, failed)
		}
		return nil, nil, err
	}
	return outputs, failed, nil
}

// protected turns a panic of the method into an error.
func (m *method) protected(ctx context.Context, inputs []tensor.Tensor) (outputs []tensor.Tensor, err error) {
	defer func() {
		if v := recover(); v != nil {
			m.meters.panics.Inc()
			m.log.ErrorContext(ctx, "runnable panicked", "method", m.Name, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			outputs, err = nil, errPanicked
		}
	}()
	return m.Run(ctx, inputs)
}

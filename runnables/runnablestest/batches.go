package runnablestest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ekiben/ekiben/tensor"
)

// fewestRows is how many rows a batch has at least: samples are repeated.
const fewestRows = 5

func (s subject) batchesGiveWhatTheirCallsGive(ctx context.Context) error {
	return s.with(ctx, func(in instance) error {
		calls, err := in.calls(s.samples)
		if err != nil {
			return err
		}
		groups := map[string][]call{}
		var order []string
		for _, c := range calls {
			group := c.groupOf()
			if group != "" && groups[group] == nil {
				order = append(order, group)
			}
			groups[group] = append(groups[group], c)
		}
		var errs []error
		for _, group := range order {
			if err := checkGroup(ctx, groups[group]); err != nil {
				errs = append(errs, fmt.Errorf("method %q: %w", groups[group][0].Method, err))
			}
		}
		return errors.Join(errs...)
	})
}

// checkGroup runs calls of one group alone and in batches.
func checkGroup(ctx context.Context, calls []call) error {
	want := make([][]tensor.Tensor, len(calls))
	var err error
	for i, c := range calls {
		if want[i], err = c.run(ctx); err != nil {
			return err
		}
	}
	single, singleWant, err := rowByRow(calls, want)
	if err != nil {
		return err
	}
	for i, c := range single {
		got, err := c.run(ctx)
		if err == nil {
			err = c.compare(got, singleWant[i])
		}
		if err != nil {
			return fmt.Errorf("a batch of one row differs from that row in its sample: %w", err)
		}
	}
	for len(single) < fewestRows {
		single, singleWant = append(single, single...), append(singleWant, singleWant...)
	}
	if err := runTogether(ctx, calls, want); err != nil {
		return fmt.Errorf("samples in one batch differ from samples alone: %w", err)
	}
	if err := runTogether(ctx, single, singleWant); err != nil {
		return fmt.Errorf("a batch of %d rows differs from its rows alone: %w", len(single), err)
	}
	slices.Reverse(single)
	slices.Reverse(singleWant)
	if err := runTogether(ctx, single, singleWant); err != nil {
		return fmt.Errorf("a batch of %d rows in reverse order differs from its rows alone: %w", len(single), err)
	}
	return nil
}

// rowByRow cuts calls and their outputs into single rows.
func rowByRow(calls []call, want [][]tensor.Tensor) (rows []call, wantRows [][]tensor.Tensor, err error) {
	for i, c := range calls {
		ones := slices.Repeat([]int{1}, c.rows)
		inputs, err := splitAll(c.inputs, c.method.BatchDim.In, ones)
		if err != nil {
			return nil, nil, err
		}
		outputs, err := splitAll(want[i], c.method.BatchDim.Out, ones)
		if err != nil {
			return nil, nil, err
		}
		for row := range c.rows {
			one := c
			one.inputs, one.rows = inputs[row], 1
			rows, wantRows = append(rows, one), append(wantRows, outputs[row])
		}
	}
	return rows, wantRows, nil
}

// splitAll cuts all values into parts of the given sizes, and returns the values
// of each part.
func splitAll(values []tensor.Tensor, dim int, sizes []int) ([][]tensor.Tensor, error) {
	parts := make([][]tensor.Tensor, len(sizes))
	for _, v := range values {
		pieces := make([]tensor.Tensor, len(sizes)) // of an argument that is left out
		if v.DType().Valid() {
			var err error
			if pieces, err = tensor.Split(v, dim, sizes); err != nil {
				return nil, err
			}
		}
		for i, piece := range pieces {
			parts[i] = append(parts[i], piece)
		}
	}
	return parts, nil
}

// runTogether runs calls as one batch and compares each one's share.
func runTogether(ctx context.Context, calls []call, want [][]tensor.Tensor) error {
	batch := calls[0]
	batch.rows = 0
	batch.inputs = make([]tensor.Tensor, len(batch.method.Inputs))
	sizes := make([]int, len(calls))
	for i, c := range calls {
		sizes[i] = c.rows
		batch.rows += c.rows
	}
	for arg := range batch.inputs {
		parts := make([]tensor.Tensor, len(calls))
		for i, c := range calls {
			parts[i] = c.inputs[arg]
		}
		if !parts[0].DType().Valid() {
			continue // all of a group leave it out
		}
		joined, err := tensor.Concat(batch.method.BatchDim.In, parts)
		if err != nil {
			return err
		}
		batch.inputs[arg] = joined
	}
	outputs, err := batch.run(ctx)
	if err != nil {
		return err
	}
	shares, err := splitAll(outputs, batch.method.BatchDim.Out, sizes)
	if err != nil {
		return err
	}
	for i, c := range calls {
		if err := c.compare(shares[i], want[i]); err != nil {
			return fmt.Errorf("share %d: %w", i, err)
		}
	}
	return nil
}

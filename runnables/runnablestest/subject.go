package runnablestest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

// subject is the kind of runnable that is checked.
type subject struct {
	kind    runnables.Kind
	init    runnables.Init
	samples []Sample
}

// with makes an instance, warms it up, calls use and closes it.
func (s subject) with(ctx context.Context, use func(instance) error) (err error) {
	in, err := s.start(ctx)
	if err != nil {
		return err
	}
	return errors.Join(use(in), in.close())
}

func (s subject) start(ctx context.Context) (in instance, err error) {
	err = guard("New", func() error {
		in.Runnable, err = s.kind.New(ctx, runnables.Setup{Runner: runnables.Runner{Init: s.init}.WithDefaults(), Log: slog.New(slog.DiscardHandler)})
		return err
	})
	if err != nil {
		return in, err
	}
	if err := runnables.Validate(in.Runnable); err != nil {
		return in, errors.Join(err, in.close())
	}
	in.methods = in.Methods()
	if w, ok := in.Runnable.(runnables.Warmer); ok {
		if err := guard("Warmup", func() error { return w.Warmup(ctx) }); err != nil {
			return in, errors.Join(err, in.close())
		}
	}
	return in, nil
}

// instance is a warm instance with its methods.
type instance struct {
	runnables.Runnable
	methods []runnables.Method
}

func (in instance) close() error {
	if in.Runnable == nil {
		return nil
	}
	return guard("Close", in.Close)
}

// call is a sample that fits its method.
type call struct {
	Sample
	method runnables.Method
	inputs []tensor.Tensor // in the order of the signature
	rows   int
}

// calls makes calls of samples, and says which methods have none.
func (in instance) calls(samples []Sample) ([]call, error) {
	var calls []call
	var errs []error
	seen := map[string]bool{}
	for i, s := range samples {
		at := slices.IndexFunc(in.methods, func(m runnables.Method) bool { return m.Name == s.Method })
		if at < 0 {
			errs = append(errs, fmt.Errorf("sample %d: there is no method %q", i, s.Method))
			continue
		}
		m := in.methods[at]
		seen[m.Name] = true
		inputs, rows, err := runnables.CheckInputs(m.Signature, s.Inputs)
		if err != nil {
			errs = append(errs, fmt.Errorf("sample %d of %q: %w", i, s.Method, err))
			continue
		}
		calls = append(calls, call{Sample: s, method: m, inputs: inputs, rows: rows})
	}
	for _, m := range in.methods {
		if !seen[m.Name] {
			errs = append(errs, fmt.Errorf("method %q has no sample", m.Name))
		}
	}
	return calls, errors.Join(errs...)
}

// run executes the call and checks the outputs against the signature.
func (c call) run(ctx context.Context) (outputs []tensor.Tensor, err error) {
	before := make([][]byte, len(c.inputs))
	for i, t := range c.inputs {
		before[i] = bytes.Clone(t.Data())
	}
	err = guard("method "+c.method.Name, func() error {
		outputs, err = c.method.Run(ctx, slices.Clone(c.inputs))
		return err
	})
	if err != nil {
		return nil, err
	}
	for i, t := range c.inputs {
		if !bytes.Equal(before[i], t.Data()) {
			return nil, fmt.Errorf("method %q changed its argument %q", c.method.Name, c.method.Inputs[i].Name)
		}
	}
	return outputs, runnables.CheckOutputs(c.method.Signature, outputs, c.rows)
}

// guard calls f and makes an error of a panic.
func guard(what string, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s panics: %v\n%s", what, p, debug.Stack())
		}
	}()
	if err := f(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

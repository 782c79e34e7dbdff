package runnablestest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

func (s subject) methodsAreValid(ctx context.Context) error {
	return s.with(ctx, func(in instance) error {
		_, err := in.calls(s.samples)
		return errors.Join(err, s.named(ctx, in))
	})
}

// named checks the methods that the kind knows without an instance.
func (s subject) named(ctx context.Context, in instance) error {
	resources := s.kind.Resources
	if s.kind.Describe != nil {
		var err error
		if resources, err = s.kind.Describe(ctx, runnables.Runner{Init: s.init}); err != nil {
			return fmt.Errorf("describe: %w", err)
		}
	}
	names := make([]string, len(in.methods))
	for i, m := range in.methods {
		names[i] = m.Name
	}
	if said := resources.Methods; len(said) > 0 && !slices.Equal(said, names) {
		return fmt.Errorf("the kind says that the methods are %v, an instance has %v", said, names)
	}
	return nil
}

func (s subject) samplesGiveWhatTheyShould(ctx context.Context) error {
	return s.each(ctx, func(c call) error {
		got, err := c.run(ctx)
		if err != nil {
			return err
		}
		return c.compareWanted(got)
	})
}

// each calls use with every call on one instance.
func (s subject) each(ctx context.Context, use func(call) error) error {
	return s.with(ctx, func(in instance) error {
		calls, err := in.calls(s.samples)
		errs := []error{err}
		for i, c := range calls {
			if err := use(c); err != nil {
				errs = append(errs, fmt.Errorf("sample %d of %q: %w", i, c.Method, err))
			}
		}
		return errors.Join(errs...)
	})
}

// compareWanted compares outputs with what the sample wants, if it says so.
func (c call) compareWanted(got []tensor.Tensor) error {
	if c.Want == nil {
		return nil
	}
	if len(c.Want) != len(got) {
		return fmt.Errorf("the sample wants %d outputs, the method has %d", len(c.Want), len(got))
	}
	want := make([]tensor.Tensor, len(got))
	for i, spec := range c.method.OutputSpecs(len(got)) {
		at := slices.IndexFunc(c.Want, func(w tensor.Named) bool { return w.Name == spec.Name })
		if at < 0 {
			return fmt.Errorf("the sample does not say what it wants of output %q", spec.Name)
		}
		want[i] = c.Want[at].Tensor
	}
	return c.compare(got, want)
}

func (c call) compare(got, want []tensor.Tensor) error {
	if len(got) != len(want) { // which a method that has not declared them may do
		return fmt.Errorf("got %d outputs, want %d", len(got), len(want))
	}
	for i, spec := range c.method.OutputSpecs(len(got)) {
		if err := compare(spec, got[i], want[i], c.tolerance()); err != nil {
			return fmt.Errorf("output %q: %w", spec.Name, err)
		}
	}
	return nil
}

func (c call) tolerance() float64 {
	if c.Tolerance == 0 {
		return DefaultTolerance
	}
	return c.Tolerance
}

func (s subject) methodsReturn(ctx context.Context) error {
	return s.each(ctx, func(c call) error {
		want, err := c.run(ctx)
		if err != nil {
			return err
		}
		canceled, cancel := context.WithCancel(ctx)
		cancel()
		if err := c.endsSoon(canceled); err != nil {
			return fmt.Errorf("its context was done before: %w", err)
		}
		short, cancel := context.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		if err := c.endsSoon(short); err != nil {
			return fmt.Errorf("its context ended after a millisecond: %w", err)
		}
		got, err := c.run(ctx)
		if err != nil {
			return fmt.Errorf("after a call whose context ended: %w", err)
		}
		if err := c.compare(got, want); err != nil {
			return fmt.Errorf("after a call whose context ended: %w", err)
		}
		return nil
	})
}

// endsSoon runs the call, whatever it gives, and fails when it is still running
// Soon after its context is done.
func (c call) endsSoon(ctx context.Context) error {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = c.run(ctx) // an error is as good as an answer
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
	}
	timer := time.NewTimer(Soon)
	defer timer.Stop()
	select {
	case <-ended:
		return nil
	case <-timer.C:
		return fmt.Errorf("the method is still running after %v", Soon)
	}
}

func (s subject) instancesAreIndependent(ctx context.Context) error {
	return s.each(ctx, func(c call) error {
		want, err := c.run(ctx)
		if err != nil {
			return err
		}
		err = s.with(ctx, func(other instance) error {
			calls, err := other.calls([]Sample{c.Sample})
			if len(calls) == 0 {
				return err // another instance has other methods
			}
			got, err := calls[0].run(ctx)
			if err != nil {
				return err
			}
			return c.compare(got, want)
		})
		if err != nil {
			return fmt.Errorf("in a second instance: %w", err)
		}
		got, err := c.run(ctx)
		if err == nil {
			err = c.compare(got, want)
		}
		if err != nil {
			return fmt.Errorf("after a second instance was closed: %w", err)
		}
		return nil
	})
}

// callers is how many goroutines call an instance at once.
const callers = 8

func (s subject) concurrentCallsGiveTheSame(ctx context.Context) error {
	if !s.kind.Resources.Concurrent {
		return nil
	}
	return s.with(ctx, func(in instance) error {
		calls, err := in.calls(s.samples)
		if err != nil {
			return err
		}
		want := make([][]tensor.Tensor, len(calls))
		for i, c := range calls {
			if want[i], err = c.run(ctx); err != nil {
				return err
			}
		}
		errs := make([]error, callers)
		start := make(chan struct{})
		var wg sync.WaitGroup
		for g := range callers {
			wg.Go(func() {
				<-start
				errs[g] = runAll(ctx, calls, want, g)
			})
		}
		close(start)
		wg.Wait()
		return errors.Join(errs...)
	})
}

// runAll runs the calls several times, from another one on for each caller.
func runAll(ctx context.Context, calls []call, want [][]tensor.Tensor, caller int) error {
	for i := range 4 * len(calls) {
		i = (i + caller) % len(calls)
		got, err := calls[i].run(ctx)
		if err == nil {
			err = calls[i].compare(got, want[i])
		}
		if err != nil {
			return fmt.Errorf("sample of %q: %w", calls[i].Method, err)
		}
	}
	return nil
}

// groupOf is the group of a call, or nothing for a method that is not
// batchable.
func (c call) groupOf() string { return runnables.Group(c.method.Signature, c.inputs) }

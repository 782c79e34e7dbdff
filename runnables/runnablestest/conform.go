// Package runnablestest checks that a runnable keeps the contract of package
// runnables. Call [Conform] in a test of your own:
//
//	func TestConform(t *testing.T) {
//		runnablestest.Conform(t, mymodel.Kind(), nil,
//			runnablestest.Sample{
//				Method: "lengths",
//				Inputs: []tensor.Named{runnablestest.Strings("texts", []int{2}, "a", "bcd")},
//				Want:   []tensor.Named{runnablestest.Values("result", []int{2}, int64(1), int64(3))},
//			})
//	}
package runnablestest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

// Sample is a call that the runnable must be able to run.
type Sample struct {
	Method string

	// Inputs are the arguments, in any order.
	Inputs []tensor.Named

	// Want are the expected outputs, in any order. Without it outputs must fit
	// the signature, and be the same whenever the sample is run.
	Want []tensor.Named

	// Tolerance is how far a float, or a number in JSON, may be from what it is
	// compared with: at most Tolerance times that number, or Tolerance where that
	// is less than 1. 0 means [DefaultTolerance].
	Tolerance float64
}

// DefaultTolerance allows for what FP32 loses when a sum is taken in another
// order.
const DefaultTolerance = 1e-5

// Soon is how long a method may go on after its context is done.
const Soon = 2 * time.Second

// Conform checks a kind of runnable with the given parameters, one subtest a
// promise:
//
//   - New makes an instance whose methods are valid, each with a sample, and those
//     that the kind names, if it does;
//   - warm-up and close succeed;
//   - samples give what they should, and change none of their inputs;
//   - samples of a batchable method give the same alone, together in either
//     order, and row by row;
//   - a method returns within [Soon] when its context is done, and works
//     afterwards;
//   - an instance works on when another one is closed;
//   - an instance whose Resources say Concurrent gives the same when it is called
//     by many goroutines; run the test with -race for the rest.
//
// The runnable must give the same outputs for the same inputs: a model that
// draws random numbers needs a seed in its parameters.
func Conform(t *testing.T, kind runnables.Kind, init runnables.Init, samples ...Sample) {
	t.Helper()
	s := subject{kind: kind, init: init, samples: samples}
	for _, c := range checks() {
		t.Run(c.name, func(t *testing.T) {
			if err := c.run(s, t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// Check is [Conform] outside of a test: it returns everything that is wrong.
func Check(ctx context.Context, kind runnables.Kind, init runnables.Init, samples ...Sample) error {
	s := subject{kind: kind, init: init, samples: samples}
	var errs []error
	for _, c := range checks() {
		if err := c.run(s, ctx); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", c.name, err))
		}
	}
	return errors.Join(errs...)
}

// check is one promise.
type check struct {
	name string
	run  func(s subject, ctx context.Context) error
}

func checks() []check {
	return []check{
		{"methods are valid", subject.methodsAreValid},
		{"samples give what they should", subject.samplesGiveWhatTheyShould},
		{"batches give what their calls give", subject.batchesGiveWhatTheirCallsGive},
		{"methods return when their context is done", subject.methodsReturn},
		{"instances are independent", subject.instancesAreIndependent},
		{"concurrent calls give the same", subject.concurrentCallsGiveTheSame},
	}
}

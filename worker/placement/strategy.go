package placement

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ekiben/ekiben/runnables"
)

// Strategy places the instances of runners.
type Strategy interface {
	// Place decides where the instances of one runner are to be. The machine has
	// what earlier runners were given in the loads of its GPUs. An error says what
	// was asked for and what there is; the worker does not start then.
	Place(q Request, m Machine) (Plan, error)
}

// Func is a function that is a [Strategy].
type Func func(q Request, m Machine) (Plan, error)

// Place implements Strategy.
func (f Func) Place(q Request, m Machine) (Plan, error) { return f(q, m) }

// Request is one runner to be placed.
type Request struct {
	// Runner has the options, with their defaults.
	Runner runnables.Runner

	// Resources say what its runnable can use.
	Resources runnables.Resources
}

// Plan is where the instances of one runner are.
type Plan struct {
	// Places has one for each instance, at least one.
	Places []runnables.Place

	// Why are sentences that explain it.
	Why []string

	// Warnings are sentences about what is not as it was asked for.
	Warnings []string
}

// Strategies are those that runners can name, beside the default one.
type Strategies map[string]Strategy

// defaultName is the name of the default strategy.
const defaultName = "default"

// ErrStrategy is wrapped by errors about strategies that there are not.
var ErrStrategy = errors.New("unknown strategy")

// Check reports that there is no strategy with a name, or nil.
func (s Strategies) Check(name string) error {
	_, err := s.named(name)
	return err
}

// named finds a strategy; "" and "default" are [Default] unless there is another
// one with that name.
func (s Strategies) named(name string) (Strategy, error) {
	name = cmp.Or(name, defaultName)
	if found := s[name]; found != nil {
		return found, nil
	}
	if name == defaultName {
		return Default{}, nil
	}
	known := slices.Sorted(maps.Keys(s))
	if !slices.Contains(known, defaultName) {
		known = append([]string{defaultName}, known...)
	}
	return nil, fmt.Errorf("%w %q; this binary has: %s", ErrStrategy, name, strings.Join(known, ", "))
}

package batching

import (
	"errors"
	"fmt"
	"time"
)

// MaxIdle is the longest an instance waits for the bell before it asks again, whatever the policy. It is what a lost
// bell can cost.
const MaxIdle = time.Second

// ErrLimits is wrapped by every error about limits or a policy that cannot be followed.
var ErrLimits = errors.New("batching: limits cannot be followed")

// Limits bound a batch.
type Limits struct {
	// Rows is the largest batch, in rows; at least 1. A single call with more rows goes alone.
	Rows int

	// Wait is the longest a call may wait for company, counted from its accept. 0 means that nothing ever waits for
	// company. It bounds waiting and nothing else: no call is dropped or refused because of it.
	Wait time.Duration
}

// Policy says how long rows wait for company at a free instance.
type Policy uint8

const (
	// None takes what is there.
	None Policy = iota

	// Fixed fills the batch for up to Limits.Wait.
	Fixed

	// Adaptive waits only while the next row is expected to pay for the wait.
	Adaptive
)

// String is the policy's name as written in configuration.
func (p Policy) String() string {
	switch p {
	case None:
		return "none"
	case Fixed:
		return "fixed"
	case Adaptive:
		return "adaptive"
	default:
		return fmt.Sprintf("policy(%d)", uint8(p))
	}
}

// ParsePolicy is the inverse of [Policy.String]. The error wraps [ErrLimits].
func ParsePolicy(name string) (Policy, error) {
	for p := None; p <= Adaptive; p++ {
		if p.String() == name {
			return p, nil
		}
	}
	return None, fmt.Errorf("%w: policy %q is not none, fixed or adaptive", ErrLimits, name)
}

// validate reports every fault at once.
func (l Limits) validate(p Policy) error {
	var faults []error
	if l.Rows < 1 {
		faults = append(faults, fmt.Errorf("%w: rows is %d, want at least 1", ErrLimits, l.Rows))
	}
	if l.Wait < 0 {
		faults = append(faults, fmt.Errorf("%w: wait is %v, want 0 or more", ErrLimits, l.Wait))
	}
	if p > Adaptive {
		faults = append(faults, fmt.Errorf("%w: there is no %v", ErrLimits, p))
	}
	return errors.Join(faults...)
}

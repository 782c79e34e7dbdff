package simulate

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/ekiben/ekiben/batching"
)

// ErrScenario is wrapped by every error about a scenario that cannot be played.
var ErrScenario = errors.New("simulate: scenario cannot be played")

// Process is how calls arrive.
type Process uint8

const (
	// Constant is one call every 1/Rate.
	Constant Process = iota

	// Poisson is independent calls, exponential gaps with mean 1/Rate.
	Poisson

	// Burst is Burst calls spread evenly over Spread, from the first moment on and so often that the mean rate is Rate.
	Burst
)

// Arrivals describe the calls that come.
type Arrivals struct {
	Process Process

	// Rate is the mean number of calls per second.
	Rate float64

	// Burst and Spread are used by the process Burst: how many calls come together, and within how long.
	Burst  int
	Spread time.Duration

	// Rows are the sizes of the calls, in turn. None means 1.
	Rows []int

	// Groups is how many groups the calls belong to in turn; 0 means 1. Those of one batch run one after the other.
	Groups int

	// Deadline is how long after its accept a call may still be started; 0 is for ever.
	Deadline time.Duration
}

// Scenario is all that a simulation depends on.
type Scenario struct {
	Arrivals Arrivals

	// Cost is what a batch takes, and Noise how far a duration may be off, as a part of it: 0.1 is ±10 %, uniform.
	Cost  batching.Cost
	Noise float64

	// Instances share the queue; each executes one batch at a time. None means 1.
	Instances int

	Limits batching.Limits
	Policy batching.Policy

	// Depth is how many calls may wait or run; those beyond are refused. 0 is unbounded.
	Depth int

	// RoundTrip is what one question to the queue takes.
	RoundTrip time.Duration

	// Length is how long calls arrive. All that were accepted are then served.
	Length time.Duration

	// Seed makes a run repeatable.
	Seed uint64

	// Watch, if not nil, sees every batch when it is taken out of the queue.
	Watch func(Batch)
}

// Batch is what the queue gave to an instance.
type Batch struct {
	// At is when, since the start.
	At time.Duration

	// Calls are the numbers of its calls, counted from 0 in the order of accept; Rows and Groups are theirs.
	Calls  []int
	Rows   []int
	Groups []int

	// Waited is how long the oldest of them had waited, and Idle since when the instance asking had nothing to do.
	Waited time.Duration
	Idle   time.Duration

	Reason batching.Reason
}

// Capacity is how many rows per second the instances execute in full batches.
func (s Scenario) Capacity() float64 {
	full := s.Cost.Of(s.Limits.Rows) + s.RoundTrip
	return float64(max(s.Instances, 1)*s.Limits.Rows) / full.Seconds()
}

func (s Scenario) validate() error {
	faults := s.Arrivals.faults()
	if s.Cost.PerRow < 0 || s.Cost.Fixed < 0 || s.Cost.Of(1) <= 0 || s.Noise < 0 || s.Noise >= 1 {
		faults = append(faults, fault("a batch takes %v and %v a row, noise %v", s.Cost.Fixed, s.Cost.PerRow, s.Noise))
	}
	if s.Instances < 0 || s.Depth < 0 || s.RoundTrip < 0 {
		faults = append(faults, fault("instances, depth and round trip cannot be negative"))
	}
	if s.Length <= 0 || s.Length > time.Hour {
		faults = append(faults, fault("length is %v, want more than 0 and at most an hour", s.Length))
	}
	return errors.Join(faults...)
}

func (a Arrivals) faults() (faults []error) {
	if math.IsNaN(a.Rate) || a.Rate <= 0 || a.Rate > 1e6 {
		faults = append(faults, fault("rate is %v a second, want more than 0 and at most a million", a.Rate))
	}
	if a.Process > Burst {
		faults = append(faults, fault("there is no process %d", a.Process))
	}
	if a.Process == Burst && (a.Burst < 1 || a.Spread < 0) {
		faults = append(faults, fault("a burst of %d calls within %v", a.Burst, a.Spread))
	}
	for _, rows := range a.Rows {
		if rows < 1 {
			faults = append(faults, fault("a call of %d rows", rows))
		}
	}
	if a.Groups < 0 || a.Deadline < 0 {
		faults = append(faults, fault("groups and deadline cannot be negative"))
	}
	return faults
}

func fault(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrScenario, fmt.Sprintf(format, args...))
}

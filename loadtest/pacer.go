package loadtest

import (
	"iter"
	"math/rand/v2"
	"time"
)

// Pacer is an arrival process. It is pure: it has no clock, and the same pacer
// gives the same instants every time it is asked.
type Pacer interface {
	// Due gives the instants at which requests are due, counted from the start
	// of the run, never decreasing, without end.
	Due() iter.Seq[time.Duration]
}

// Constant sends evenly: request n is due at n/Rate.
type Constant struct {
	// Rate is in requests per second, above 0.
	Rate float64
}

// Due implements [Pacer].
func (c Constant) Due() iter.Seq[time.Duration] {
	return func(yield func(time.Duration) bool) {
		// Counted by multiplication: a sum of rounded gaps would drift.
		for n := 0.0; yield(seconds(n / c.Rate)); n++ {
		}
	}
}

// Poisson sends as many independent clients do: the gaps between requests are
// exponentially distributed with mean 1/Rate.
type Poisson struct {
	// Rate is in requests per second, above 0.
	Rate float64

	// Seed selects one sequence of gaps.
	Seed uint64
}

// Due implements [Pacer].
func (p Poisson) Due() iter.Seq[time.Duration] {
	return func(yield func(time.Duration) bool) {
		random := rand.New(rand.NewPCG(p.Seed, 0))
		at := random.ExpFloat64() / p.Rate
		for yield(seconds(at)) {
			at += random.ExpFloat64() / p.Rate
		}
	}
}

// Burst sends Size requests at once, every Every.
type Burst struct {
	// Size is at least 1.
	Size int

	// Every is above 0.
	Every time.Duration
}

// Due implements [Pacer].
func (b Burst) Due() iter.Seq[time.Duration] {
	return func(yield func(time.Duration) bool) {
		for at := time.Duration(0); ; at += b.Every {
			for range b.Size {
				if !yield(at) {
					return
				}
			}
		}
	}
}

func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second))
}

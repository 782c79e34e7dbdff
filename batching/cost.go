package batching

import (
	"math"
	"time"
)

// Cost is what a batch is expected to take: PerRow times its rows, plus Fixed.
type Cost struct {
	PerRow time.Duration
	Fixed  time.Duration
}

// Of is the duration expected of a batch of that many rows.
func (c Cost) Of(rows int) time.Duration {
	return c.Fixed + time.Duration(rows)*c.PerRow
}

const (
	// noise is how far a single duration is taken to lie beside the line, as a part of it, and resolution the least
	// that is assumed, in seconds.
	noise      = 0.1
	resolution = 20e-6

	// drift and sway are how much a machine may change between two batches: how fast it is as a whole, and how the
	// time divides into a fixed part and a part per row. The division is only forgotten as far as sizes vary enough to
	// learn it anew.
	drift = 0.03
	sway  = 0.04

	// far is how many standard deviations off a duration is when it counts as an outlier.
	far = 3

	// Surprise adds up (miss/deviation)² of each batch, 1 on average if the line is right, less calm; an outlier
	// counts as far. At change the machine is another one: after two outliers together, or six misses of 2 deviations.
	calm   = 2
	change = 12

	leastPerRow = 1e-9 // seconds
)

// costs learns a Cost from what batches took: recursive least squares for duration = perRow·rows + fixed, with its
// uncertainty carried along (a Kalman filter of two states; Åström and Wittenmark, Adaptive Control, chapter 2).
//
// Three things go beyond the textbook. What is forgotten is forgotten in proportion: a machine that slows down is
// taken to be slower in both parts, so that batches of a single size move the level and keep the division. A duration
// far off the line counts as one standard deviation off, until surprises have become the rule and are believed. And
// both parts are kept above 0 by conditioning on the bound that was crossed.
type costs struct {
	batches  int
	surprise float64

	size          float64 // mean rows lately
	perRow, fixed float64 // seconds
	pp, pf, ff    float64 // their covariance
}

// add learns that a batch of rows took d.
func (c *costs) add(rows int, d time.Duration) {
	if rows < 1 || d <= 0 {
		return
	}
	x, y := float64(rows), d.Seconds()
	c.batches++
	if c.batches == 1 {
		// One size tells nothing about the division. Half and half is safe: enough is fixed to try company, which
		// makes sizes differ, and enough is per row to expect much of a larger batch when a deadline is near. The
		// first execution is often the slowest, so that this level is no more than a hint.
		c.size, c.perRow, c.fixed = x, y/(2*x), y/2
		c.pp, c.pf, c.ff = c.perRow*c.perRow, 0, c.fixed*c.fixed
		return
	}
	c.forget(x)
	miss, spread := c.compare(x, y)
	c.surprise = max(c.surprise+min(sq(miss)/spread, sq(far))-calm, 0)
	switch deviation := math.Sqrt(spread); {
	case c.surprise > change:
		c.surprise = 0
		c.doubt(x, miss)
		_, spread = c.compare(x, y)
	case math.Abs(miss) > far*deviation:
		miss = math.Copysign(deviation, miss)
	}
	c.correct(x, miss, spread)
	c.bound()
}

// compare tells how far a duration is off the line and the variance that was to be expected of that.
func (c *costs) compare(x, y float64) (miss, spread float64) {
	expected := c.perRow*x + c.fixed
	beside := noise*expected + resolution
	return y - expected, c.pp*x*x + 2*c.pf*x + c.ff + sq(beside)
}

// forget lets the uncertainty grow by what may have changed since the last batch. Of the division it grows no further
// than to knowing nothing, and not at all while all batches have the same size.
func (c *costs) forget(x float64) {
	vary := math.Abs(x-c.size) / max(x, c.size)
	c.size += (x - c.size) / 8

	whole := c.perRow*x + c.fixed
	c.pp += drift * drift * c.perRow * c.perRow
	c.pf += drift * drift * c.perRow * c.fixed
	c.ff += drift * drift * c.fixed * c.fixed
	if c.pp < sq(whole/x) {
		c.pp += sq(sway * vary * whole / x)
	}
	if c.ff < sq(whole) {
		c.ff += sq(sway * vary * whole)
	}
}

// doubt forgets so much that the miss is no surprise: most of it as a change of speed, some as another division.
func (c *costs) doubt(x, miss float64) {
	speed := miss / (c.perRow*x + c.fixed)
	c.pp += sq(speed*c.perRow) + sq(miss/(2*x))
	c.pf += sq(speed) * c.perRow * c.fixed
	c.ff += sq(speed*c.fixed) + sq(miss/2)
}

// correct moves the line and makes it surer.
func (c *costs) correct(x, miss, spread float64) {
	p, f := c.pp*x+c.pf, c.pf*x+c.ff
	c.perRow += p / spread * miss
	c.fixed += f / spread * miss
	c.pp -= p * p / spread
	c.pf -= p * f / spread
	c.ff -= f * f / spread
}

// bound keeps both parts where they can be: one that left is put on its bound, and the other follows as far as the two
// are tied.
func (c *costs) bound() {
	if c.fixed < 0 {
		c.perRow -= c.pf / c.ff * c.fixed
		c.fixed = 0
	}
	if c.perRow < leastPerRow {
		c.fixed = max(c.fixed+c.pf/c.pp*(leastPerRow-c.perRow), 0)
		c.perRow = leastPerRow
	}
}

func (c *costs) cost() (Cost, bool) {
	return Cost{PerRow: seconds(c.perRow), Fixed: seconds(c.fixed)}, c.batches > 0
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func sq(x float64) float64 { return x * x }

package batching

import "time"

// Cost is what a batch is expected to take: PerRow times its rows, plus Fixed.
type Cost struct {
	PerRow time.Duration
	Fixed  time.Duration
}

// Of is the duration expected of a batch of that many rows.
func (c Cost) Of(rows int) time.Duration {
	return c.Fixed + time.Duration(rows)*c.PerRow
}

// costs learns a Cost by least squares with forgetting.
type costs struct {
	weight, x, y, xx, xy float64
}

const memory = 0.9

func (c *costs) add(rows int, d time.Duration) {
	x, y := float64(rows), float64(d)
	c.weight = memory*c.weight + 1
	c.x = memory*c.x + x
	c.y = memory*c.y + y
	c.xx = memory*c.xx + x*x
	c.xy = memory*c.xy + x*y
}

func (c *costs) cost() (Cost, bool) {
	if c.weight == 0 {
		return Cost{}, false
	}
	det := c.weight*c.xx - c.x*c.x
	perRow := c.y / c.x
	if det > 1e-3*c.x*c.x {
		perRow = min(max((c.weight*c.xy-c.x*c.y)/det, 1), perRow)
	}
	return Cost{PerRow: time.Duration(perRow), Fixed: time.Duration((c.y - perRow*c.x) / c.weight)}, true
}

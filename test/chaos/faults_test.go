package chaos_test

import (
	"math/rand/v2"
	"syscall"
	"time"
)

// fault is a harm that can be done to a cluster.
type fault struct {
	name string

	// weight is how often it is drawn, relative to others.
	weight int

	// apply does it. lasts is how long, 0 if it is over at once; undo may be nil.
	apply func(c *cluster, r *rand.Rand) (lasts time.Duration, undo func())
}

func oneOf(r *rand.Rand, slots []*slot) *slot { return slots[r.IntN(len(slots))] }

// between draws a time from a to b.
func between(r *rand.Rand, a, b time.Duration) time.Duration {
	return a + time.Duration(r.Int64N(int64(b-a)))
}

func killWorker(weight int) fault {
	return fault{"kill -9 worker", weight, func(c *cluster, r *rand.Rand) (time.Duration, func()) {
		oneOf(r, c.workers).now().Signal(syscall.SIGKILL)
		return 0, nil
	}}
}

func killGateway(weight int) fault {
	return fault{"kill -9 gateway", weight, func(c *cluster, r *rand.Rand) (time.Duration, func()) {
		oneOf(r, c.gateways).now().Signal(syscall.SIGKILL)
		return 0, nil
	}}
}

func killRedis(weight int) fault {
	return fault{"kill -9 redis", weight, func(c *cluster, r *rand.Rand) (time.Duration, func()) {
		c.redis.Kill()
		return between(r, 0, 500*time.Millisecond), c.redis.Restart
	}}
}

// draw picks one by weight.
func draw(r *rand.Rand, faults []fault) fault {
	sum := 0
	for _, f := range faults {
		sum += f.weight
	}
	at := r.IntN(sum)
	for _, f := range faults {
		if at < f.weight {
			return f
		}
		at -= f.weight
	}
	panic("weights do not add up")
}

package chaos_test

import (
	"math/rand/v2"
	"time"

	"github.com/ekiben/ekiben/test/chaos/history"
	"github.com/ekiben/ekiben/test/chaos/order"
)

// mix is what calls are made of. Shares are of all calls, from 0 to 1.
type mix struct {
	jobs                        float64
	poison, fail, short, cancel float64
	long                        float64       // take 1.2 to 2 leases
	work                        time.Duration // others take up to so long
	even                        bool          // and no less
	stale                       bool          // and fail if their process stood still meanwhile
	timeout                     time.Duration // of all calls; 0 is that of the gateways

	// Of the jobs so many are delayed, fail once or twice before they succeed, and
	// are told of, each independent of the others.
	delayed, again, told float64
}

// usual is what most scenarios send.
var usual = mix{jobs: 0.5, poison: 0.005, fail: 0.02, short: 0.03, cancel: 0.03, long: 0.003, work: 20 * time.Millisecond}

// harmless is the usual without what takes its worker down, or long.
var harmless = mix{jobs: 0.5, fail: 0.02, short: 0.03, cancel: 0.03, work: 200 * time.Millisecond}

// slowPath are jobs that need what takes a job.
var slowPath = mix{jobs: 1, fail: 0.02, cancel: 0.03, work: 20 * time.Millisecond, delayed: 1. / 3, again: 1. / 3, told: 1. / 3}

// Every tenth call is so large that its input is kept beside the queue.
const largeEvery, largePadding = 10, 20 << 10

// planner draws calls, one after the other.
type planner struct {
	rand  *rand.Rand
	mix   mix
	lease time.Duration
	next  int
}

// draw makes the next call.
func (p *planner) draw() (int, history.Plan) {
	n := p.next
	p.next++
	o := order.Order{Call: n, Do: order.Answer, Value: p.rand.Uint64(), Sleep: time.Duration(p.rand.Int64N(int64(p.mix.work) + 1)).Truncate(time.Microsecond)}
	if n%largeEvery == 0 {
		o.Padding = largePadding
	}
	if p.mix.even {
		o.Sleep = p.mix.work
	}
	if p.mix.stale {
		o.Do = order.Stale
	}
	plan := history.Plan{Job: p.rand.Float64() < p.mix.jobs, Timeout: p.mix.timeout}
	kind, extent := p.rand.Float64(), p.rand.Float64()
	for _, k := range []struct {
		share float64
		set   func()
	}{
		{p.mix.poison, func() { o.Do, plan.Poison = order.Poison, true }},
		{p.mix.fail, func() { o.Do = order.Fail }},
		{p.mix.short, func() { plan.Timeout = 800 * time.Millisecond }},
		{p.mix.cancel, func() {
			plan.Job, plan.Cancel = true, time.Millisecond+time.Duration(extent*float64(30*time.Millisecond))
		}},
		{p.mix.long, func() {
			plan.Long = true
			o.Sleep = time.Duration((1.2 + 0.8*extent) * float64(p.lease)).Truncate(time.Microsecond)
		}},
	} {
		if kind < k.share {
			k.set()
			break
		}
		kind -= k.share
	}
	p.later(&o, &plan)
	plan.Row = o.String()
	if o.Do == order.Answer || o.Do == order.Stale || o.Do == order.Again {
		plan.Want = o.Answer()
	}
	return n, plan
}

// later draws what takes a job.
func (p *planner) later(o *order.Order, plan *history.Plan) {
	if p.mix.delayed+p.mix.again+p.mix.told == 0 {
		return // others draw no more than they did
	}
	delay := between(p.rand, 200*time.Millisecond, 3*time.Second).Truncate(time.Millisecond)
	fails := 1 + p.rand.IntN(2)
	if p.rand.Float64() < p.mix.delayed {
		plan.Delay = delay
	}
	if p.rand.Float64() < p.mix.again && o.Do == order.Answer {
		o.Do, o.Fails = order.Again, fails
		plan.Retries, plan.Fails = 3, fails
	}
	plan.Webhook = p.rand.Float64() < p.mix.told
}

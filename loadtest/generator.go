package loadtest

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Plan says what to send, how and for how long.
type Plan struct {
	// Targets are base URLs of servers that share the load in turn.
	Targets []string

	// Kinds of requests, mixed by their weights.
	Kinds []Kind

	// Pacer makes the run an open loop; nil makes it a closed one.
	Pacer Pacer

	// Connections is the number of closed-loop clients. In open loop it bounds
	// the requests in flight: one that finds no room is sent late, which the
	// report shows.
	Connections int

	// Warmup is how long requests are sent before the window begins; they are
	// not reported.
	Warmup time.Duration

	// Duration is the length of the window.
	Duration time.Duration

	// Seed selects the random choices of kinds.
	Seed uint64
}

// Run carries out a plan and waits for every answer. When ctx ends, the client
// is closed, and what was found until then is returned with the cause.
func Run(ctx context.Context, plan Plan, client Client) (Report, error) {
	m, err := newMix(plan.Targets, plan.Kinds, plan.Seed)
	if err != nil {
		return Report{}, err
	}
	if len(plan.Targets) == 0 || len(plan.Kinds) == 0 || plan.Connections < 1 || plan.Duration <= 0 {
		return Report{}, fmt.Errorf("a plan needs targets, kinds, connections and a duration")
	}
	stop := context.AfterFunc(ctx, client.Close)
	defer stop()

	g := &generator{
		client: client,
		start:  time.Now(),
		end:    plan.Warmup + plan.Duration,
		rec:    newRecorder(plan.Warmup, plan.Warmup+plan.Duration),
	}
	if plan.Pacer != nil {
		g.open(ctx, plan.Pacer, m, plan.Connections)
	} else {
		g.closed(ctx, m, plan.Connections)
	}
	return g.rec.result(), context.Cause(ctx)
}

type generator struct {
	client Client
	start  time.Time
	end    time.Duration // from start
	rec    *recorder
}

// order is a request with the instant that it is due.
type order struct {
	request *Request
	due     time.Duration
}

// open sends each request when it is due. A sender that is free takes it, else
// a new one is made, up to limit.
func (g *generator) open(ctx context.Context, pacer Pacer, m *mix, limit int) {
	orders := make(chan order)
	var senders sync.WaitGroup
	defer senders.Wait()
	defer close(orders)

	made := 0
	for due := range pacer.Due() {
		if due >= g.end || !g.sleepUntil(ctx, due) {
			return
		}
		o := order{m.next(), due}
		select {
		case orders <- o:
			continue
		default:
		}
		if made < limit {
			made++
			senders.Go(func() {
				g.send(ctx, o)
				for o := range orders {
					g.send(ctx, o)
				}
			})
			continue
		}
		select {
		case orders <- o:
		case <-ctx.Done():
			return
		}
	}
}

// closed lets each of n clients send its next request when it has the answer to
// the last.
func (g *generator) closed(ctx context.Context, m *mix, n int) {
	var clients sync.WaitGroup
	defer clients.Wait()
	for i := range n {
		own := m.fork(i)
		clients.Go(func() {
			for ctx.Err() == nil {
				now := time.Since(g.start)
				if now >= g.end {
					return
				}
				g.send(ctx, order{own.next(), now})
			}
		})
	}
}

func (g *generator) send(ctx context.Context, o order) {
	sent := time.Since(g.start)
	reply, err := g.client.Do(ctx, o.request)
	g.rec.add(sample{request: o.request, due: o.due, sent: sent, done: time.Since(g.start), reply: reply, err: err})
}

// sleepUntil waits for an instant of the run, and returns whether it came
// before the end of ctx.
func (g *generator) sleepUntil(ctx context.Context, at time.Duration) bool {
	wait := at - time.Since(g.start)
	if wait <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

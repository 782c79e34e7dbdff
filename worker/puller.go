package worker

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/ekiben/ekiben/batching"
	"github.com/ekiben/ekiben/queue"
)

// puller asks the queue for batches. Its run method is the only goroutine that
// touches the former and asks.
type puller struct {
	runner  *runner
	claims  *claims
	source  source
	former  *batching.Former
	methods methods
	loads   chan<- *load  // holds one: the load that is cut ahead
	done    <-chan []span // one for each load, when it has run
	present attendance
	cost    *atomic.Pointer[batching.Cost]

	// lead is about how long it takes to cut and decode a batch, 0 until known.
	lead  time.Duration
	pause backoff
}

// run pulls until pull is done. io is for talking to the queue, and outlives it:
// a question whose answer nobody reads would leave calls behind.
func (p *puller) run(pull, io context.Context) {
	defer close(p.loads)
	defer p.ringAtEnd(pull, io)()
	for running := p.pull(pull, io, batching.Decision{Ask: p.former.Ask()}); running != nil; {
		p.loads <- running
		next, then := p.ahead(pull, io, running)
		for next != nil {
			next, then = p.ahead(pull, io, next)
		}
		running = p.pull(pull, io, then)
	}
}

// ahead waits until the running load is done. It answers the load that was cut
// ahead while it ran, which is then in the hands of the executor; or, if there is
// none, what to do next.
func (p *puller) ahead(pull, io context.Context, running *load) (*load, batching.Decision) {
	wait, worth := p.untilAhead(running)
	if !worth {
		p.learn(<-p.done)
		return nil, p.after(running)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case spans := <-p.done:
		p.learn(spans)
		return nil, p.after(running)
	case <-timer.C:
	}
	// The executor may still hold the load before the running one, while the
	// finisher is slow: there is one ahead already then.
	if pull.Err() != nil || len(p.loads) > 0 {
		p.learn(<-p.done)
		return nil, p.after(running)
	}
	next, facts, err := p.ask(io, p.former.Ask())
	if next != nil {
		p.loads <- next
	}
	p.learn(<-p.done)
	switch {
	case next != nil:
		return next, batching.Decision{}
	case err != nil:
		return nil, batching.Decision{Ask: p.former.Ask()}
	default:
		return nil, p.former.Decide(facts)
	}
}

// after is what to do after a load. If it left nothing behind that is to wait for
// the bell, which has rung if any calls have come since: a question about nothing
// would get into the way of the replies that are being written.
func (p *puller) after(l *load) batching.Decision {
	if l.more {
		return batching.Decision{Ask: p.former.Ask()}
	}
	return p.former.Decide(batching.Facts{Now: l.now, Arrived: l.arrived})
}

// untilAhead is how long to wait before asking for the next load while this one
// runs, and whether to ask at all: not while costs are unknown, and not for a
// load that is over before an answer would be here unless more calls wait for
// certain.
func (p *puller) untilAhead(running *load) (time.Duration, bool) {
	cost, known := p.former.Cost()
	if !known || p.lead == 0 {
		return 0, false
	}
	wait := -p.lead
	for _, b := range running.batches {
		wait += cost.Of(b.rows)
	}
	return wait, wait > 0 || running.more
}

// learn tells the former how long executions took.
func (p *puller) learn(spans []span) {
	for _, s := range spans {
		p.former.Executed(s.rows, s.took)
	}
	if cost, known := p.former.Cost(); known && len(spans) > 0 && p.cost.Swap(&cost) == nil {
		p.runner.beatSoon() // gateways refuse by it what would wait too long
	}
}

// pull waits and asks, as the former decides, until there is a load. It returns
// nil when pull is done. d is what the former decided last.
func (p *puller) pull(pull, io context.Context, d batching.Decision) *load {
	for first := true; pull.Err() == nil; first = false {
		began := time.Now()
		err := p.wait(pull, io, d.Wait)
		if !p.present.await(pull, func() { p.ring(io) }) {
			return nil
		}
		if first && d.Wait == batching.MaxIdle && time.Since(began) < minBell {
			d.Ask = p.former.Ask() // not idle at all: calls came while it was busy
		}
		var facts batching.Facts
		if err == nil && pull.Err() == nil {
			var l *load
			if l, facts, err = p.ask(io, d.Ask); l != nil {
				return l
			}
		}
		if err != nil {
			sleep(pull, p.pause.next())
			d = batching.Decision{Ask: p.former.Ask()}
		} else {
			d = p.former.Decide(facts)
		}
	}
	return nil
}

// ask asks for a load once, and answers the facts if there is none.
func (p *puller) ask(io context.Context, ask batching.Ask) (*load, batching.Facts, error) {
	asked := time.Now()
	cut, err := p.source.Cut(io, queue.Ask{Rows: ask.Rows, Enough: ask.Enough, Age: ask.Age, Need: p.need(ask.Rows)})
	p.runner.link.report(io, "cut", err)
	if err == nil {
		p.pause.reset()
	}
	if len(cut.Deliveries) == 0 {
		return nil, batching.Facts(cut.Facts), err
	}
	l := p.methods.plan(cut.Deliveries, asked)
	p.claims.hold(l)
	rows := 0
	for i := range cut.Deliveries {
		rows += cut.Deliveries[i].Rows
	}
	l.more, l.now, l.arrived = cut.More, cut.Now, cut.Arrived
	l.reason = p.former.Took(batching.Cut{
		Facts: batching.Facts(cut.Facts), Rows: rows, Calls: len(cut.Deliveries), More: cut.More, Asked: ask,
	})
	took := time.Since(asked)
	if p.lead == 0 {
		p.lead = took
	}
	p.lead += (took - p.lead) / 8
	return l, batching.Facts{}, nil
}

// need is how long it takes until a batch of so many rows has ended, with a little
// to spare; 0 if that is not known.
func (p *puller) need(rows int) time.Duration {
	cost, known := p.former.Cost()
	if !known {
		return 0
	}
	took := cost.Of(rows)
	return took + took/8 + 2*p.lead
}

// minBell is the shortest wait that the bell can time.
const minBell = time.Millisecond

// wait waits for the bell, for at most d. A token that is got after the end is
// passed on to another instance.
func (p *puller) wait(pull, io context.Context, d time.Duration) error {
	if d < minBell {
		sleep(pull, d)
		return nil
	}
	rung, err := p.source.Wait(io, d)
	p.runner.link.report(io, "wait", err)
	if rung && pull.Err() != nil {
		p.ring(io)
	}
	return err
}

// ringAtEnd rings the bell when pull is done, because who waits for it does not
// notice that. The function that it returns waits until that has happened, or
// prevents it.
func (p *puller) ringAtEnd(pull, io context.Context) (finish func()) {
	rang := make(chan struct{})
	cancel := context.AfterFunc(pull, func() {
		defer close(rang)
		p.ring(io)
	})
	return func() {
		if !cancel() {
			<-rang
		}
	}
}

func (p *puller) ring(io context.Context) {
	p.runner.link.report(io, "ring", p.source.Ring(io))
}

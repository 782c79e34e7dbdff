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
	source  source
	former  *batching.Former
	methods methods
	loads   chan<- *load  // holds one: the load that is cut ahead
	done    <-chan []span // one for each load, when it has run
	cost    *atomic.Pointer[batching.Cost]

	// lead is about how long it takes to cut and decode a batch, 0 until known.
	lead  time.Duration
	pause backoff
}

// run pulls until pull is done. io is for talking to the queue, and outlives it:
// a question whose answer nobody reads would leave calls behind.
func (p *puller) run(pull, io context.Context) {
	defer close(p.loads)
	more := true
	for running := p.pull(pull, io, more); running != nil; running = p.pull(pull, io, more) {
		p.loads <- running
		for next := running; next != nil; {
			running, next = next, p.ahead(pull, io, next)
		}
		more = running.more
	}
}

// ahead waits until the running load is done, and answers the load that was cut
// ahead while it ran, if any, which is then in the hands of the executor.
func (p *puller) ahead(pull, io context.Context, running *load) *load {
	wait, worth := p.untilAhead(running)
	if !worth {
		p.learn(<-p.done)
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case spans := <-p.done:
		p.learn(spans)
		return nil
	case <-timer.C:
	}
	var next *load
	// The executor may still hold the load before the running one, while the
	// finisher is slow: there is one ahead already then.
	if pull.Err() == nil && len(p.loads) == 0 {
		if next, _, _ = p.ask(io, p.former.Ask()); next != nil {
			p.loads <- next
		}
	}
	p.learn(<-p.done)
	return next
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
	if cost, known := p.former.Cost(); known && len(spans) > 0 {
		p.cost.Store(&cost)
	}
}

// pull asks and waits, as the former decides, until there is a load. It returns
// nil when pull is done. If no more calls waited when the last load was cut, the
// first thing is the bell, which has rung if any have come since: a question
// about nothing would get into the way of the replies that are being written.
func (p *puller) pull(pull, io context.Context, more bool) *load {
	if !more && pull.Err() == nil {
		if err := p.wait(pull, io, batching.MaxIdle); err != nil {
			sleep(pull, p.pause.next())
		}
	}
	ask := p.former.Ask()
	for pull.Err() == nil {
		l, facts, err := p.ask(io, ask)
		if l != nil {
			return l
		}
		if err == nil {
			d := p.former.Decide(facts)
			ask = d.Ask
			err = p.wait(pull, io, d.Wait)
		}
		if err != nil {
			sleep(pull, p.pause.next())
			ask = p.former.Ask()
		}
	}
	return nil
}

// ask asks for a load once, and answers the facts if there is none.
func (p *puller) ask(io context.Context, ask batching.Ask) (*load, batching.Facts, error) {
	asked := time.Now()
	cut, err := p.source.Cut(io, queue.Ask(ask))
	p.runner.link.report(io, "cut", err)
	if err == nil {
		p.pause.reset()
	}
	if len(cut.Deliveries) == 0 {
		return nil, batching.Facts(cut.Facts), err
	}
	l := p.methods.plan(cut.Deliveries, asked)
	rows := 0
	for i := range cut.Deliveries {
		rows += cut.Deliveries[i].Rows
	}
	l.more = cut.More
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
		err = p.source.Ring(io)
		p.runner.link.report(io, "ring", err)
	}
	return err
}

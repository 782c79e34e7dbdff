package simulate

import (
	"math/rand/v2"
	"time"

	"github.com/ekiben/ekiben/batching"
)

// Run plays a scenario to its end: calls arrive for Scenario.Length, and all that were accepted are served. The error
// wraps [ErrScenario], or what [batching.NewFormer] said about the limits.
func Run(s Scenario) (Result, error) {
	if err := s.validate(); err != nil {
		return Result{}, err
	}
	w := &world{
		Scenario: s,
		line:     &line{depth: s.Depth, want: 1},
		random:   rand.New(rand.NewPCG(s.Seed, 2)),
		source:   newSource(s.Arrivals, s.Seed),
	}
	w.line.rouse = w.rouse
	for range max(s.Instances, 1) {
		former, err := batching.NewFormer(s.Limits, s.Policy)
		if err != nil {
			return Result{}, err
		}
		i := &instance{former: former}
		w.ask(i, former.Ask())
	}
	w.arrive()
	for len(w.agenda) > 0 && !w.over() {
		e := w.agenda.pop()
		w.now = e.at
		e.do()
	}
	return w.result(), nil
}

// instance is one copy of the runnable.
type instance struct {
	former *batching.Former
	next   batching.Ask  // what to ask when the wait is over
	waits  int           // counts waits, so that a timer knows whether it is still meant
	idle   time.Duration // since when it has nothing to execute
}

// world is the state of a run. Its clock is that of the queue.
type world struct {
	Scenario
	now    time.Duration
	agenda agenda
	events int
	line   *line
	source *source
	random *rand.Rand
	ledger ledger
	closed bool // nothing arrives any more
}

// over is when nothing can happen any more but waiting.
func (w *world) over() bool { return w.closed && w.line.held == 0 }

// after puts something on the agenda.
func (w *world) after(d time.Duration, do func()) {
	w.events++
	w.agenda.push(event{at: w.now + d, order: w.events, do: do})
}

func (w *world) arrive() {
	c := w.source.draw()
	if c.at > w.Length {
		w.closed = true
		return
	}
	w.after(c.at-w.now, func() {
		w.ledger.offered++
		if !w.line.accept(c) {
			w.ledger.refused++
		}
		w.arrive()
	})
}

// ask sends a question; the queue sees it half a round trip later.
func (w *world) ask(i *instance, ask batching.Ask) {
	w.ledger.asks++
	w.after(w.RoundTrip/2, func() {
		batch, cut := w.line.ask(w.now, ask)
		at := w.now
		w.after(w.RoundTrip/2, func() {
			if len(batch) > 0 {
				w.execute(i, at, batch, cut)
				return
			}
			w.obey(i, i.former.Decide(cut.Facts))
		})
	})
}

func (w *world) obey(i *instance, d batching.Decision) {
	if d.Wait <= 0 {
		w.ask(i, d.Ask)
		return
	}
	i.next = d.Ask
	i.waits++
	wait := i.waits
	w.after(w.RoundTrip/2, func() {
		if !w.line.listen(i) {
			w.rouse(i)
		}
	})
	w.after(w.RoundTrip/2+d.Wait, func() {
		if i.waits == wait {
			w.line.deaf(i)
			w.rouse(i)
		}
	})
}

// rouse ends the wait of an instance; it hears of it half a round trip later.
func (w *world) rouse(i *instance) {
	i.waits++
	ask := i.next
	w.after(w.RoundTrip/2, func() { w.ask(i, ask) })
}

func (w *world) execute(i *instance, at time.Duration, batch []call, cut batching.Cut) {
	reason := i.former.Took(cut)
	w.ledger.batch(cut, reason)
	if w.Watch != nil {
		w.Watch(describe(at, i.idle, batch, reason))
	}
	var whole time.Duration
	for _, rows := range groups(batch) {
		d := w.Cost.Of(rows)
		d += time.Duration(float64(d) * w.Noise * (2*w.random.Float64() - 1))
		whole += d
		w.ledger.runs++
		w.after(whole, func() { i.former.Executed(rows, d) })
	}
	w.after(whole, func() {
		for _, c := range batch {
			w.ledger.served(w.now, c)
		}
		w.line.held -= len(batch)
		if w.now <= w.Length {
			w.ledger.inTime += cut.Rows
		}
		i.idle = w.now
		w.ask(i, i.former.Ask())
	})
}

// groups are the rows of each group of a batch, in the order in which the groups first appear.
func groups(batch []call) []int {
	var order, rows []int
	for _, c := range batch {
		at := 0
		for at < len(order) && order[at] != c.group {
			at++
		}
		if at == len(order) {
			order, rows = append(order, c.group), append(rows, 0)
		}
		rows[at] += c.rows
	}
	return rows
}

func describe(at, idle time.Duration, batch []call, reason batching.Reason) Batch {
	b := Batch{At: at, Waited: at - batch[0].at, Idle: idle, Reason: reason}
	for _, c := range batch {
		b.Calls = append(b.Calls, c.number)
		b.Rows = append(b.Rows, c.rows)
		b.Groups = append(b.Groups, c.group)
	}
	return b
}

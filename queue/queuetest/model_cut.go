package queuetest

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// ModelConsumer is an instance's end of a [Model].
type ModelConsumer struct {
	model        *Model
	runner, name string

	// held are the calls it believes to hold. Guarded by the model's mu.
	held map[string]*entry
}

// NewConsumer is [queue.Queue.NewConsumer].
func (m *Model) NewConsumer(runner, worker string, instance int) *ModelConsumer {
	return &ModelConsumer{model: m, runner: runner, name: consumerName(worker, instance), held: map[string]*entry{}}
}

// key tells the attempts of a call apart.
func key(c queue.Call) string { return fmt.Sprintf("%s %d", c.ID, c.Attempt) }

func consumerName(worker string, instance int) string { return fmt.Sprintf("%s/%d", worker, instance) }

// Cut is [queue.Consumer.Cut].
func (c *ModelConsumer) Cut(_ context.Context, ask queue.Ask) (queue.Cut, error) {
	m := c.model
	m.mu.Lock()
	defer m.mu.Unlock()
	s, t := m.shelf(c.runner), now()
	cut := queue.Cut{Facts: s.facts(t)}
	if cut.Calls == 0 {
		s.want, s.until = 1, 0
		s.hush()
		return cut, nil
	}
	if s.gate == queue.GatePaused {
		return s.holdBack(cut, never), nil
	}
	if t < s.loop.all {
		return s.holdBack(cut, s.loop.all), nil
	}
	if cut.Rows < ask.Enough && cut.Oldest < ask.Age {
		s.want, s.until = ask.Enough, t-cut.Oldest+ask.Age
		return cut, nil
	}
	batch, held, until := m.batch(s, t, ask)
	for _, e := range batch {
		c.take(e, t, &cut)
	}
	s.want, s.until = 1, 0
	_, left, _ := s.waiting()
	switch {
	case left > 0 && left <= held:
		s.want, s.until = math.MaxInt, until
		s.hush()
		if len(batch) == 0 {
			return s.holdBack(cut, until), nil
		}
	case left > 0:
		cut.More = true
		s.ring()
	default:
		s.hush()
	}
	return cut, nil
}

// never is a time that does not come.
const never = time.Duration(math.MaxInt64)

// holdBack makes a cut say that nothing waits, and lets nobody be woken before
// till.
func (s *shelf) holdBack(cut queue.Cut, till time.Duration) queue.Cut {
	s.want, s.until = math.MaxInt, till
	s.hush()
	cut.Calls, cut.Rows, cut.Oldest, cut.Newest, cut.Left = 0, 0, 0, 0, 0
	return cut
}

// take makes a delivery of a call.
func (c *ModelConsumer) take(e *entry, t time.Duration, cut *queue.Cut) {
	e.owner, e.seen = c.name, t
	if e.job != nil {
		e.job.State, e.job.Started = queue.Running, at(t)
	}
	c.held[key(e.call)] = e
	call := e.call
	call.Timeout = e.deadline - e.accepted
	cut.Deliveries = append(cut.Deliveries, queue.Delivery{
		Call: call, Waited: t - e.accepted, Left: e.deadline - t, StartLeft: e.begin() - t, Suspect: e.suspect(),
	})
}

func (s *shelf) facts(t time.Duration) queue.Facts {
	rows, calls, oldest := s.waiting()
	f := queue.Facts{Now: t, Rows: rows, Calls: calls, Oldest: t - min(oldest, t), Newest: t - s.newest, Arrived: s.arrived}
	s.each(func(e *entry) {
		if e.owner != "" {
			return
		}
		if left := max(e.begin()-t, time.Microsecond); f.Left == 0 || left < f.Left {
			f.Left = left
		}
	})
	return f
}

// batch picks what runs next: calls in order of lane and arrival, as long as
// they fit. What has no time left, or has ended, is dropped on the way; suspects
// that have to wait are passed over, and counted; until is when the first of them
// has waited.
func (m *Model) batch(s *shelf, t time.Duration, ask queue.Ask) (batch []*entry, held int, until time.Duration) {
	var dropped []*entry
	until = never
	rows, full := 0, false
	for _, lane := range s.order(t, m.config.Aging) {
		left := s.rowsIn(lane)
		for _, e := range s.lanes[lane] {
			if e.owner != "" || full {
				continue
			}
			if t >= e.hold {
				left -= e.call.Rows
			}
			alone := e.call.Group == "" || e.suspect()
			switch {
			case m.drops(s, e, t, ask.Need > 0 && e.deadline < t+ask.Need && left >= ask.Rows):
				dropped = append(dropped, e)
			case t < e.hold:
				held, until = held+1, min(until, e.hold)
			case len(batch) > 0 && (alone || rows+e.call.Rows > ask.Rows):
				full = true
			default:
				batch, rows = append(batch, e), rows+e.call.Rows
				full = alone || rows >= ask.Rows
			}
		}
	}
	for _, e := range dropped {
		s.remove(e)
	}
	return batch, held, until
}

// drops reports whether a call is not to be run any more. One that is too late
// expires.
func (m *Model) drops(s *shelf, e *entry, t time.Duration, late bool) bool {
	if e.begin() <= t || late {
		m.expire(s, e)
		return true
	}
	return e.job != nil && e.job.State.Terminal()
}

// rowsIn are the rows that wait in a lane.
func (s *shelf) rowsIn(lane int) (rows int) {
	for _, e := range s.lanes[lane] {
		if e.owner == "" {
			rows += e.call.Rows
		}
	}
	return rows
}

// order is that of the lanes: high, normal, low, but every fourth time the one
// first that has waited for too long behind others.
func (s *shelf) order(t, aging time.Duration) []int {
	aged, since := -1, never
	calls := [3]int{}
	for lane := range s.lanes {
		for _, e := range s.lanes[lane] {
			if e.owner != "" {
				continue
			}
			behind := lane > 0 && calls[0] > 0 || lane > 1 && calls[1] > 0
			if behind && calls[lane] == 0 && t-e.accepted >= aging && e.accepted < since {
				aged, since = lane, e.accepted
			}
			calls[lane]++
		}
	}
	if aged < 0 {
		return []int{0, 1, 2}
	}
	s.turn = (s.turn + 1) % 4
	if s.turn != 0 {
		return []int{0, 1, 2}
	}
	order := []int{aged}
	for lane := range s.lanes {
		if lane != aged {
			order = append(order, lane)
		}
	}
	return order
}

// Wait is [queue.Consumer.Wait].
func (c *ModelConsumer) Wait(_ context.Context, d time.Duration) (bool, error) {
	c.model.mu.Lock()
	bell := c.model.shelf(c.runner).bell
	c.model.mu.Unlock()
	over := time.NewTimer(min(d, time.Second))
	defer over.Stop()
	select {
	case <-bell:
		return true, nil
	case <-over.C:
		return false, nil
	}
}

// Ring is [queue.Consumer.Ring].
func (c *ModelConsumer) Ring(context.Context) error {
	c.model.mu.Lock()
	defer c.model.mu.Unlock()
	c.model.shelf(c.runner).ring()
	return nil
}

// Release is [queue.Consumer.Release].
func (c *ModelConsumer) Release(_ context.Context, ds []queue.Delivery) error {
	m := c.model
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range ds {
		if e := c.held[key(d.Call)]; e != nil && e.owner == c.name {
			m.release(m.shelf(c.runner), e)
		}
		delete(c.held, key(d.Call))
	}
	return nil
}

// release lets a call wait again, unless it has no time left or has ended.
func (m *Model) release(s *shelf, e *entry) (waits bool) {
	e.owner = ""
	switch {
	case e.job == nil && e.unwanted:
		s.counted.Canceled++
		s.remove(e)
	case e.begin() <= now():
		m.expire(s, e)
		s.remove(e)
	case e.job != nil && e.job.State.Terminal():
		s.remove(e)
	default:
		if e.job != nil {
			e.job.State, e.job.Started = queue.Queued, time.Time{}
		}
		s.ring()
		return true
	}
	return false
}

// Renew is [queue.Consumer.Renew].
func (c *ModelConsumer) Renew(context.Context) (queue.Renewal, error) {
	c.model.mu.Lock()
	defer c.model.mu.Unlock()
	var r queue.Renewal
	for k, e := range c.held {
		switch {
		case e.owner != c.name:
			delete(c.held, k)
			r.Lost = append(r.Lost, e.call.ID)
			continue
		case e.unwanted:
			r.Canceled = append(r.Canceled, e.call.ID)
		}
		e.seen = now()
	}
	return r, nil
}

// Leave is [queue.Consumer.Leave].
func (c *ModelConsumer) Leave(context.Context) error {
	m := c.model
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.shelf(c.runner)
	s.each(func(e *entry) {
		if e.owner == c.name {
			m.release(s, e)
		}
	})
	clear(c.held)
	return nil
}

// Abandon makes it look as if nothing had been heard of an instance for a lease.
func (m *Model) Abandon(worker string, instance int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.runners {
		s.each(func(e *entry) {
			if strings.HasPrefix(e.owner, consumerName(worker, instance)) {
				e.seen = now() - m.config.Lease
			}
		})
	}
}

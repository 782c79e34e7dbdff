package queuetest

import (
	"context"
	"fmt"
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
	if cut.Rows < ask.Enough && cut.Oldest < ask.Age {
		s.want, s.until = ask.Enough, t-cut.Oldest+ask.Age
		return cut, nil
	}
	for _, e := range m.batch(s, t, ask.Rows) {
		e.owner, e.seen = c.name, t
		if e.job != nil {
			e.job.State, e.job.Started = queue.Running, at(t)
		}
		c.held[e.call.ID] = e
		call := e.call
		call.Timeout = e.deadline - e.accepted
		cut.Deliveries = append(cut.Deliveries, queue.Delivery{
			Call: call, Waited: t - e.accepted, Left: e.deadline - t, Suspect: e.lost > 0,
		})
	}
	s.want, s.until = 1, 0
	if _, left, _ := s.waiting(); left > 0 {
		cut.More = true
		s.ring()
	} else {
		s.hush()
	}
	return cut, nil
}

func (s *shelf) facts(t time.Duration) queue.Facts {
	rows, calls, oldest := s.waiting()
	f := queue.Facts{Now: t, Rows: rows, Calls: calls, Oldest: t - min(oldest, t), Newest: t - s.newest, Arrived: s.arrived}
	s.each(func(e *entry) {
		if e.owner != "" {
			return
		}
		if left := max(e.deadline-t, time.Microsecond); f.Left == 0 || left < f.Left {
			f.Left = left
		}
	})
	return f
}

// batch picks what runs next: calls in order of lane and arrival, as long as
// they fit. What has no time left, or has ended, is dropped on the way.
func (m *Model) batch(s *shelf, t time.Duration, most int) []*entry {
	var batch, dropped []*entry
	rows, full := 0, false
	s.each(func(e *entry) {
		switch {
		case e.owner != "" || full:
		case e.deadline <= t:
			m.expire(s, e)
			dropped = append(dropped, e)
		case e.job != nil && e.job.State.Terminal():
			dropped = append(dropped, e)
		default:
			alone := e.call.Group == "" || e.lost > 0
			if len(batch) > 0 && (alone || rows+e.call.Rows > most) {
				full = true
				return
			}
			batch, rows = append(batch, e), rows+e.call.Rows
			full = alone || rows >= most
		}
	})
	for _, e := range dropped {
		s.remove(e)
	}
	return batch
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
		if e := c.held[d.ID]; e != nil && e.owner == c.name {
			m.release(m.shelf(c.runner), e)
		}
		delete(c.held, d.ID)
	}
	return nil
}

// release lets a call wait again, unless it has no time left or has ended.
func (m *Model) release(s *shelf, e *entry) (waits bool) {
	e.owner = ""
	switch {
	case e.deadline <= now():
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
func (c *ModelConsumer) Renew(context.Context) (lost []string, err error) {
	c.model.mu.Lock()
	defer c.model.mu.Unlock()
	for id, e := range c.held {
		if e.owner == c.name {
			e.seen = now()
			continue
		}
		delete(c.held, id)
		lost = append(lost, id)
	}
	return lost, nil
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

package worker_test

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// fakeConsumer is one instance's end of a fakeQueue.
type fakeConsumer struct {
	q    *fakeQueue
	held []queue.Delivery // guarded by q.mu
}

func (c *fakeConsumer) Cut(_ context.Context, ask queue.Ask) (queue.Cut, error) {
	time.Sleep(c.q.cutTakes)
	c.q.mu.Lock()
	defer c.q.mu.Unlock()
	if err := c.q.step("cut"); err != nil {
		return queue.Cut{}, err
	}
	if ask.Rows < 1 || ask.Enough < 1 {
		panic(fmt.Sprintf("asked for %+v", ask))
	}
	now := time.Since(c.q.start)
	cut := queue.Cut{Facts: queue.Facts{Now: now, Calls: len(c.q.waiting), Arrived: c.q.arrived}}
	for i, d := range c.q.waiting {
		cut.Rows += d.Rows
		cut.Newest = now - d.Waited
		if i == 0 {
			cut.Oldest = now - d.Waited
		}
	}
	q := c.q
	q.ringAt, q.until, q.bell = 1, 0, q.bell && cut.Calls > 0
	if cut.Calls == 0 {
		return cut, nil
	}
	if cut.Rows < ask.Enough && cut.Oldest < ask.Age {
		q.ringAt, q.until = ask.Enough, now-cut.Oldest+ask.Age
		return cut, nil
	}
	rows := 0
	for len(c.q.waiting) > 0 {
		d := c.q.waiting[0]
		alone := d.Group == "" || d.Suspect
		if len(cut.Deliveries) > 0 && (alone || rows+d.Rows > ask.Rows) {
			break
		}
		rows += d.Rows
		d.Waited = now - d.Waited
		d.Left -= d.Waited
		d.StartLeft -= d.Waited
		cut.Deliveries = append(cut.Deliveries, d)
		c.q.waiting = c.q.waiting[1:]
		if alone {
			break
		}
	}
	cut.More = len(c.q.waiting) > 0
	c.q.bell = cut.More
	c.held = append(c.held, cut.Deliveries...)
	q.mostHeld = max(q.mostHeld, len(c.held))
	return cut, nil
}

func (c *fakeConsumer) Wait(_ context.Context, d time.Duration) (bool, error) {
	for end := time.Now().Add(min(d, time.Second)); ; time.Sleep(time.Millisecond) {
		c.q.mu.Lock()
		rung, err := c.q.bell, error(nil)
		if c.q.down {
			rung, err = false, c.q.step("wait")
		}
		if rung {
			c.q.bell = false
		}
		c.q.mu.Unlock()
		if rung || err != nil || !time.Now().Before(end) {
			return rung, err
		}
	}
}

func (c *fakeConsumer) Ring(context.Context) error {
	c.q.mu.Lock()
	defer c.q.mu.Unlock()
	c.q.rings++
	err := c.q.step("ring")
	c.q.bell = c.q.bell || err == nil
	return err
}

func (c *fakeConsumer) Finish(_ context.Context, outcomes []queue.Outcome) (queue.Finished, error) {
	time.Sleep(c.q.finishing)
	c.q.mu.Lock()
	defer c.q.mu.Unlock()
	if err := c.q.step("finish"); err != nil {
		return queue.Finished{}, err
	}
	var ids []string
	done := queue.Finished{}
	for _, o := range outcomes {
		if _, twice := c.q.replies[o.Delivery.ID]; twice {
			c.q.doubled = append(c.q.doubled, o.Delivery.ID)
			done.Lost++
			continue
		}
		ids = append(ids, o.Delivery.ID)
		c.q.replies[o.Delivery.ID] = o.Reply
		c.letGo(o.Delivery.ID)
	}
	c.q.finished = append(c.q.finished, ids)
	return done, nil
}

func (c *fakeConsumer) letGo(id string) {
	c.held = slices.DeleteFunc(c.held, func(d queue.Delivery) bool { return d.ID == id })
}

func (c *fakeConsumer) Release(_ context.Context, ds []queue.Delivery) error {
	c.q.mu.Lock()
	defer c.q.mu.Unlock()
	if err := c.q.step("release"); err != nil {
		return err
	}
	for _, d := range ds {
		c.q.released = append(c.q.released, d.ID)
		c.letGo(d.ID)
	}
	return nil
}

func (c *fakeConsumer) Renew(context.Context) (queue.Renewal, error) {
	answer, err := c.renew()
	time.Sleep(c.q.renewing)
	return answer, err
}

func (c *fakeConsumer) renew() (queue.Renewal, error) {
	c.q.mu.Lock()
	defer c.q.mu.Unlock()
	if err := c.q.step("renew"); err != nil {
		return queue.Renewal{}, err
	}
	answer := queue.Renewal{Lost: c.q.lost}
	c.q.lost = nil
	for _, d := range c.held {
		if slices.Contains(c.q.canceled, d.ID) {
			answer.Canceled = append(answer.Canceled, d.ID)
		}
	}
	return answer, nil
}

func (c *fakeConsumer) Crashed(_ context.Context, ds []queue.Delivery, how queue.Crash) (int, error) {
	c.q.mu.Lock()
	defer c.q.mu.Unlock()
	if err := c.q.step("crashed"); err != nil {
		return 0, err
	}
	var ids []string
	for _, d := range ds {
		ids = append(ids, d.ID)
		c.letGo(d.ID)
		if _, ended := c.q.replies[d.ID]; !ended && !c.q.buries {
			d.Suspect, d.Waited = true, time.Since(c.q.start)
			c.q.waiting, c.q.bell = append(c.q.waiting, d), true
		}
	}
	c.q.crashed = append(c.q.crashed, ids)
	c.q.how = how
	if c.q.buries {
		return len(ds), nil
	}
	return 0, nil
}

func (c *fakeConsumer) Leave(context.Context) error {
	c.q.mu.Lock()
	defer c.q.mu.Unlock()
	if err := c.q.step("leave"); err != nil {
		return err
	}
	for _, d := range c.held {
		c.q.released = append(c.q.released, d.ID)
	}
	c.held = nil
	return nil
}

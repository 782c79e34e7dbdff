package chaos_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"time"

	"github.com/ekiben/ekiben/test/chaos/history"
	"github.com/ekiben/ekiben/test/chaos/order"
)

// until asks until the answer is yes or the patience is over, and returns the
// last answer.
func until(ctx context.Context, patience time.Duration, yes func() bool) bool {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline) && ctx.Err() == nil; pause(ctx, respond) {
		if yes() {
			return true
		}
	}
	return yes()
}

// final waits until the system is at rest, for as long as there is patience, and
// says what is left then.
func (c *cluster) final(l *load, events []history.Event) history.Final {
	c.t.Helper()
	ctx := c.t.Context()
	c.ready()
	f := history.Final{Jobs: map[int]history.Outcome{}}
	until(ctx, c.patience, func() bool {
		s, err := c.stats(ctx)
		if err != nil {
			return false
		}
		f.Accepted, f.Depth, f.Waiting, f.Bytes = int(s.Accepted), s.Depth, s.Waiting+s.WaitingRows, int(s.Bytes)
		f.Pending, f.Timeless, f.Unowned = c.ask(pendingScript), c.ask(timelessScript), c.ask(unownedScript)
		return f.Depth == 0 && f.Waiting == 0 && f.Bytes == 0 && f.Pending == 0 && f.Timeless == 0 && f.Unowned == 0
	})
	if c.receiver != nil {
		c.receiver.calmDown()
		missing := 0
		if !until(ctx, c.patience, func() bool { missing = c.receiver.missing(events); return missing == 0 }) {
			c.figure("of %d calls the receiver was not told", missing)
		}
	}
	for _, e := range events {
		if e.Kind == history.Accepted {
			f.Jobs[e.Call] = c.outcome(ctx, l, e)
		}
	}
	return f
}

// outcome is what became of a job.
func (c *cluster) outcome(ctx context.Context, l *load, accepted history.Event) history.Outcome {
	c.t.Helper()
	var seen, result history.Event
	if !until(ctx, c.patience, func() bool {
		var ok, ok2 bool
		seen, ok = l.look(ctx, 1, accepted.ID)
		result, ok2 = l.result(ctx, 1, accepted.ID)
		return ok && ok2
	}) {
		c.t.Errorf("job %s cannot be read", accepted.ID)
	}
	return history.Outcome{State: seen.State, Finished: seen.Finished, Again: seen.Again, Status: result.Status, Code: result.Code, Body: result.Body}
}

// executed reads what the probes noted.
func (c *cluster) executed() []history.Event {
	c.t.Helper()
	f, err := os.Open(c.executions)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var events []history.Event
	s := bufio.NewScanner(f)
	for s.Scan() {
		l, err := order.ParseLine(s.Text())
		if err != nil {
			c.t.Fatal(err)
		}
		kind := history.Began
		if l.Ended {
			kind = history.Ended
		}
		events = append(events, history.Event{At: l.At, Kind: kind, Call: l.Call, PID: l.PID})
	}
	if err := s.Err(); err != nil {
		c.t.Fatal(err)
	}
	return events
}

// baseline is what a process holds when it has started: goroutines and
// descriptors.
type baseline struct{ goroutines, descriptors float64 }

// A process may keep connections to Redis that it made under load, each with a
// descriptor. What it must not keep is something for each call.
const keptGoroutines, keptDescriptors = 50, 64

var (
	goroutinesMetric  = regexp.MustCompile(`(?m)^go_goroutines (\S+)$`)
	descriptorsMetric = regexp.MustCompile(`(?m)^process_open_fds (\S+)$`)
)

func holdings(ctx context.Context, s *slot) (baseline, error) {
	a, err := send(ctx, plainClient, message{method: http.MethodGet, url: "http://" + s.addr + "/metrics", timeout: readPatience})
	if err != nil {
		return baseline{}, err
	}
	number := func(metric *regexp.Regexp) float64 {
		m := metric.FindStringSubmatch(a.body)
		if m == nil {
			err = fmt.Errorf("no %s in the metrics of %s", metric, s.name)
			return 0
		}
		n, bad := strconv.ParseFloat(m[1], 64)
		err = errors.Join(err, bad)
		return n
	}
	b := baseline{number(goroutinesMetric), number(descriptorsMetric)}
	return b, err
}

// baselines are those of all slots.
func (c *cluster) baselines() []baseline {
	c.t.Helper()
	var all []baseline
	for _, s := range c.slots() {
		b, err := holdings(c.t.Context(), s)
		if err != nil {
			c.t.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

// leaks says which process has kept more than it had.
func (c *cluster) leaks(before []baseline) []string {
	c.t.Helper()
	var leaks []string
	for i, s := range c.slots() {
		var now baseline
		if !until(c.t.Context(), 15*time.Second, func() bool {
			var err error
			now, err = holdings(c.t.Context(), s)
			return err == nil && now.goroutines <= before[i].goroutines+keptGoroutines && now.descriptors <= before[i].descriptors+keptDescriptors
		}) {
			leaks = append(leaks, fmt.Sprintf("%s had %+v and has %+v", s.name, before[i], now))
		}
	}
	return leaks
}

package chaos_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ekiben/ekiben/test/chaos/history"
)

// scenario is one way to live dangerously.
type scenario struct {
	name  string
	setup setup

	// rate calls a second are sent for so long; 60 and the usual mix if there is
	// nothing else.
	rate float64
	mix  *mix
	long time.Duration

	// faults are drawn from, one after the other, with such pauses.
	faults   []fault
	from, to time.Duration

	// batches are submitted one after the other in the first half of the time.
	batches int

	// injectors do so many faults at a time; 1 if there is nothing else.
	injectors int

	// script, if set, takes the place of faults. It returns early or when ctx is
	// done.
	script func(ctx context.Context, c *cluster, r *rand.Rand)

	// mayLose: Redis may forget the last seconds before it is killed, as it is
	// configured. What that breaks is counted and does not fail the test.
	mayLose bool

	// after looks at the history, if set.
	after func(t *testing.T, events []history.Event)

	// patience is how long clients go on asking after that, and then again how long
	// the system may take to come to rest; usualPatience if there is nothing else.
	patience time.Duration

	// memory is what Redis may use, in bytes; usualMemory if there is nothing else.
	memory int64
}

// slack is how long after a deadline an execution may be noted: it is noted by a
// process that was let begin in time, and may have to wait for a processor.
const slack = 400 * time.Millisecond

// usualPatience is longer than any call has.
const usualPatience = 90 * time.Second

// usualMemory is far beyond what the usual load needs.
const usualMemory = 64 << 20

// play runs a scenario, reports what came of it, and fails the test if an
// invariant does not hold.
func (s scenario) play(t *testing.T, seed uint64) history.Report {
	t.Helper()
	report, events := s.run(t, seed)
	if s.mayLose {
		report.Violations = excuse(t, report.Violations)
	}
	judge(t, seed, report, events)
	if s.after != nil {
		s.after(t, events)
	}
	return report
}

// excuse reports what a Redis that forgets breaks, and returns the rest.
func excuse(t *testing.T, violations []history.Violation) []history.Violation {
	t.Helper()
	var rest []history.Violation
	forgotten := map[int]bool{}
	for _, v := range violations {
		switch v.Invariant {
		case "I1", "I4", "I5":
			forgotten[v.Call] = true
			t.Logf("forgotten by Redis: %s", v)
		default:
			rest = append(rest, v)
		}
	}
	t.Logf("Redis forgot something of %d calls", len(forgotten))
	return rest
}

// run runs a scenario and checks its history.
func (s scenario) run(t *testing.T, seed uint64) (history.Report, []history.Event) {
	t.Helper()
	if s.mix == nil {
		s.mix = &usual
	}
	s.rate, s.memory, s.patience = cmp.Or(s.rate, 60), cmp.Or(s.memory, usualMemory), cmp.Or(s.patience, usualPatience)
	c := start(t, s.setup)
	c.patience = s.patience
	before := c.baselines()
	l := newLoad(c.bases(), c.record, &planner{rand: rand.New(rand.NewPCG(seed, 1)), mix: *s.mix, lease: lease})

	if c.receiver != nil {
		l.hooks = c.receiver.url
	}

	sending, stop := context.WithTimeout(t.Context(), s.long)
	defer stop()
	calls, giveUp := context.WithTimeout(t.Context(), s.long+s.patience)
	defer giveUp()
	var memory int64
	l.calls.Go(func() { l.run(sending, calls, s.rate) })
	l.calls.Go(func() { memory = c.watchMemory(sending) })
	l.calls.Go(func() {
		l.bulk(calls, rand.New(rand.NewPCG(seed, 4)), s.batches, s.long/2)
	})
	for i := 1; i < s.injectors; i++ {
		l.calls.Go(func() { s.harm(sending, c, rand.New(rand.NewPCG(seed, uint64(2+i)))) })
	}
	s.harm(sending, c, rand.New(rand.NewPCG(seed, 2)))
	<-sending.Done()
	l.calls.Wait()
	l.client.CloseIdleConnections()

	final := c.final(l, c.record.Events())
	l.client.CloseIdleConnections()
	final.Leaks = c.leaks(before)
	final.Memory, final.MemoryBound = memory, s.memory
	events := append(c.record.Events(), c.executed()...)
	report := history.Check(events, final, history.Rules{Slack: slack, Lease: lease})
	for _, figure := range c.figures {
		t.Log(figure)
	}
	return report, events
}

// harm does one fault after the other until ctx is done. What is broken then is
// mended.
func (s scenario) harm(ctx context.Context, c *cluster, r *rand.Rand) {
	if s.script != nil {
		s.script(ctx, c, r)
		return
	}
	for len(s.faults) > 0 {
		pause(ctx, between(r, s.from, s.to))
		if ctx.Err() != nil {
			return
		}
		f := draw(r, s.faults)
		c.fault(f.name)
		lasts, undo := f.apply(c, r)
		pause(ctx, lasts)
		if undo != nil {
			undo()
		}
	}
}

// watchMemory returns the most that Redis used until ctx was done.
func (c *cluster) watchMemory(ctx context.Context) int64 {
	var most int64
	for ctx.Err() == nil {
		most = max(most, c.memory())
		pause(ctx, 250*time.Millisecond)
	}
	return most
}

// judge prints a report and fails the test if an invariant does not hold. The
// history is kept then.
func judge(t *testing.T, seed uint64, report history.Report, events []history.Event) {
	t.Helper()
	t.Logf("%s, seed %d\n%s", t.Name(), seed, report.Table(lease))
	if len(report.Violations) == 0 {
		return
	}
	path := filepath.Join(*outDir, fmt.Sprintf("ekiben-%s-%d.jsonl", strings.ReplaceAll(t.Name(), "/", "-"), seed))
	if err := history.Write(path, events); err != nil {
		t.Error(err)
	}
	const shown = 40
	for i, v := range report.Violations {
		if i == shown {
			t.Errorf("and %d more", len(report.Violations)-shown)
			break
		}
		t.Error(v)
	}
	t.Logf("the history is in %s; again with -seed %d", path, seed)
}

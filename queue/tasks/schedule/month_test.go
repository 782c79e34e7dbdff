package schedule_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ekiben/ekiben/internal/redistest"
	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/queue/tasks/schedule"
)

// deadly is a store and a queue on which a loop may die at every step: before it
// is done, or after, when nobody hears of it.
type deadly struct {
	schedule.Store

	submit func(ctx context.Context, s queue.Schedule, id string) (queue.Job, error)
	now    func() time.Time
	chance float64
	kill   context.CancelFunc
	deaths *atomic.Int64

	mu   sync.Mutex
	rand *rand.Rand // guarded by mu
}

// die ends the loop now and then.
func (d *deadly) die() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.rand.Float64() >= d.chance {
		return false
	}
	d.kill()
	d.deaths.Add(1)
	return true
}

func (d *deadly) Now(ctx context.Context) (time.Time, error) { return d.now(), ctx.Err() }

func (d *deadly) PutSchedule(ctx context.Context, s queue.Schedule) (queue.Schedule, error) {
	if d.die() {
		return s, errLost
	}
	put, err := d.Store.PutSchedule(ctx, s)
	if d.die() {
		return s, errLost
	}
	return put, err
}

func (d *deadly) SubmitTick(ctx context.Context, s queue.Schedule, id string) (queue.Job, error) {
	if d.die() {
		return queue.Job{}, errLost
	}
	job, err := d.submit(ctx, s, id)
	if d.die() {
		return queue.Job{}, errLost
	}
	return job, err
}

// month is a simulated month of several loops.
type month struct {
	store  schedule.Store
	submit func(ctx context.Context, s queue.Schedule, id string) (queue.Job, error)
	from   time.Time
	loops  int
	// step is the longest time between turns, chance that of a death at each step.
	step   time.Duration
	chance float64

	clock  atomic.Int64 // in Unix seconds
	deaths atomic.Int64
}

func (m *month) now() time.Time { return time.Unix(m.clock.Load(), 0).UTC() }

// run lets a month pass, in which the loops take their turns at the same time. All
// is done at its end.
func (m *month) run(t *testing.T, moved func(time.Time)) {
	t.Helper()
	const seed = 7
	random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // which step dies
	until := m.from.AddDate(0, 1, 0)
	for at := m.from; at.Before(until); {
		at = at.Add(time.Second + time.Duration(random.Int64N(int64(m.step))).Truncate(time.Second))
		if at.After(until) {
			at = until
		}
		m.clock.Store(at.Unix())
		moved(at)
		var turns sync.WaitGroup
		for range m.loops {
			source := rand.New(rand.NewPCG(random.Uint64(), seed)) //nolint:gosec // which step dies
			turns.Go(func() { m.turn(t, source) })
		}
		turns.Wait()
	}
	m.chance = 0
	m.turn(t, random)
}

// turn is one of a loop that was started anew.
func (m *month) turn(t *testing.T, random *rand.Rand) {
	t.Helper()
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	d := &deadly{Store: m.store, submit: m.submit, now: m.now, chance: m.chance, kill: kill, deaths: &m.deaths, rand: random}
	if err := schedule.NewLoop(d, d, slog.New(slog.DiscardHandler)).Turn(ctx); err != nil && ctx.Err() == nil {
		t.Error(err)
	}
}

// wanted are the ids of all ticks of some schedules in a month.
func wanted(t *testing.T, all []schedule.Definition, from time.Time) map[string]string {
	t.Helper()
	ids := map[string]string{}
	for _, d := range all {
		s := define(t, d)
		spec := parse(t, d.Cron, d.TimeZone)
		for at := spec.Next(from); !at.After(from.AddDate(0, 1, 0)); at = spec.Next(at) {
			ids[schedule.JobID(s, at)] = fmt.Sprint(d.Name, " ", at)
		}
	}
	return ids
}

// A month with a change of the clock, three loops that take turns at the same time
// and are killed at random: every tick has one job.
func TestEveryTickOfAMonthHasOneJobWhoeverDies(t *testing.T) {
	t.Parallel()
	for in, loops := range map[time.Month]int{time.March: 2, time.October: 3, time.November: 3} {
		t.Run(fmt.Sprint(in, loops), func(t *testing.T) {
			t.Parallel()
			from := time.Date(2026, in, 1, 0, 0, 0, 0, time.UTC)
			all := []schedule.Definition{
				{Name: "night", Cron: "30 2 * * *", TimeZone: "Europe/Berlin", Missed: "all"},
				{Name: "york", Cron: "*/20 1-3 * * *", TimeZone: "America/New_York", Missed: "all"},
				{Name: "quarter", Cron: "*/15 * * * *", TimeZone: "Europe/Berlin", Missed: "all"},
				{Name: "every", Cron: "@every 7m", Missed: "all"},
				{Name: "weekly", Cron: "@weekly", TimeZone: "Asia/Kolkata", Missed: "all"},
			}
			m := newMemory(from)
			for _, d := range all {
				put(t, m, d)
			}
			sim := &month{store: m, submit: m.SubmitTick, from: from, loops: loops, step: 10 * time.Minute, chance: 0.03}
			sim.run(t, m.set)
			ids := wanted(t, all, from)
			for id, tick := range ids {
				if _, made := m.jobs[id]; !made {
					t.Errorf("%s has no job", tick)
				}
			}
			if len(m.jobs) != len(ids) || sim.deaths.Load() < 500 {
				t.Errorf("%d jobs, want %d; %d deaths", len(m.jobs), len(ids), sim.deaths.Load())
			}
			for _, d := range all {
				if s := m.is(t, d.Name); s.MissedTicks != 0 || s.Refusal != "" {
					t.Errorf("%+v", s)
				}
			}
		})
	}
}

// The same on a real Redis, whose queue takes the jobs.
func TestEveryTickOfAMonthHasOneJobInRedis(t *testing.T) {
	t.Parallel()
	for _, loops := range []int{2, 3} {
		t.Run(fmt.Sprint(loops), func(t *testing.T) {
			t.Parallel()
			from := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
			all := []schedule.Definition{
				{Name: "night", Cron: "30 2 * * *", TimeZone: "Europe/Berlin", Missed: "all"},
				{Name: "york", Cron: "0 */2 * * *", TimeZone: "America/New_York", Missed: "all"},
				{Name: "every", Cron: "@every 3h", Missed: "all"},
			}
			q := open(t)
			sim := &month{store: clocked{q, func() time.Time { return from }}, from: from, loops: loops, step: 6 * time.Hour, chance: 0.1}
			for _, d := range all {
				put(t, sim.store, d)
			}
			sim.submit = producerOf(t, q)
			sim.run(t, func(time.Time) {})
			ids := wanted(t, all, from)
			for id, tick := range ids {
				if _, err := q.Job(t.Context(), id); err != nil {
					t.Errorf("%s: %v", tick, err)
				}
			}
			stats, err := q.Stats(t.Context(), "r")
			if err != nil || stats[0].Depth != len(ids) || sim.deaths.Load() < 50 {
				t.Errorf("%+v, %v; want %d jobs; %d deaths", stats, err, len(ids), sim.deaths.Load())
			}
		})
	}
}

// clocked is a queue at another time.
type clocked struct {
	*queue.Queue

	now func() time.Time
}

func (c clocked) Now(ctx context.Context) (time.Time, error) { return c.now(), ctx.Err() }

func open(t *testing.T) *queue.Queue {
	t.Helper()
	c := queue.DefaultConfig()
	c.URL, c.Prefix = redistest.URL(t), redistest.Prefix()
	q, err := queue.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	return q
}

// producerOf queues the jobs of ticks for runner r, which nobody serves.
func producerOf(t *testing.T, q *queue.Queue) func(context.Context, queue.Schedule, string) (queue.Job, error) {
	t.Helper()
	if err := q.Announce(t.Context(), "r", []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	p := q.NewProducer("test")
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return func(ctx context.Context, s queue.Schedule, id string) (queue.Job, error) {
		return p.Submit(ctx, queue.Call{
			ID: id, Runner: s.Runner, Method: s.Method, Rows: 1, Timeout: time.Hour,
			Admission: queue.Admission{MaxCalls: 1 << 20, MaxBytes: 1 << 30},
		})
	}
}

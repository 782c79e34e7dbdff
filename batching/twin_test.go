package batching_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ekiben/ekiben/batching"
)

// twin is a queue and its instances, as dumb as can be: time goes in ticks, a question takes no time, and everything
// is looked at in every tick. It knows the rules of a question and of the bell, and nothing about batching.
type twin struct {
	t      *rapid.T
	limits batching.Limits
	now    time.Duration

	waiting []twinCall
	arrived int64
	next    int // number of the next call to be accepted
	taken   int // number of the next call to be taken: FIFO means that there is only one

	want  int
	until time.Duration
	token bool
	deaf  float64 // how likely a ring is lost

	instances []*twinInstance
	random    *rand.Rand
	bound     time.Duration // the longest that a call may wait while an instance is free
}

type twinCall struct {
	number, rows int
	at           time.Duration
}

type twinInstance struct {
	former  *batching.Former
	cost    batching.Cost
	ask     batching.Ask
	wakes   time.Duration // when its wait or its execution is over
	listens bool
	busy    bool
	rows    int // of the batch in execution
	began   time.Duration
}

const tick = 250 * time.Microsecond

func (w *twin) ring() {
	w.token = w.random.Float64() >= w.deaf
}

func (w *twin) accept(rows int) {
	if len(w.waiting) >= 200 {
		return
	}
	w.waiting = append(w.waiting, twinCall{w.next, rows, w.now})
	w.next++
	w.arrived += int64(rows)
	if w.rows() >= w.want || w.now >= w.until {
		w.ring()
	}
}

func (w *twin) rows() (rows int) {
	for _, c := range w.waiting {
		rows += c.rows
	}
	return rows
}

func (w *twin) facts() batching.Facts {
	f := batching.Facts{Now: w.now, Rows: w.rows(), Calls: len(w.waiting), Arrived: w.arrived}
	if f.Calls > 0 {
		f.Oldest, f.Newest = w.now-w.waiting[0].at, w.now-w.waiting[len(w.waiting)-1].at
	}
	return f
}

// step lets an instance do what it has to do now. It reports whether it did anything.
func (w *twin) step(i *twinInstance) bool {
	if i.listens && w.token {
		w.token, i.listens, i.wakes = false, false, w.now
	}
	if w.now < i.wakes {
		return false
	}
	if i.busy {
		i.busy = false
		i.former.Executed(i.rows, w.now-i.began)
		i.ask = i.former.Ask()
	}
	i.listens = false
	facts := w.facts()
	if facts.Calls > 0 && (facts.Rows >= i.ask.Enough || facts.Oldest >= i.ask.Age) {
		w.cut(i, facts)
		return true
	}
	w.want, w.until = 1, 0
	if facts.Calls > 0 {
		w.want, w.until = i.ask.Enough, w.now-facts.Oldest+i.ask.Age
	} else {
		w.token = false
	}
	d := i.former.Decide(facts)
	if d.Wait < 0 || d.Wait > batching.MaxIdle {
		w.t.Fatalf("Decide(%+v) waits %v", facts, d.Wait)
	}
	i.ask, i.wakes, i.listens = d.Ask, w.now+d.Wait, d.Wait > 0
	return d.Wait == 0
}

func (w *twin) cut(i *twinInstance, facts batching.Facts) {
	if i.ask.Rows > w.limits.Rows {
		w.t.Fatalf("asked for %d rows, the limit is %d", i.ask.Rows, w.limits.Rows)
	}
	c := batching.Cut{Facts: facts, Asked: i.ask}
	for _, call := range w.waiting {
		if c.Calls > 0 && c.Rows+call.rows > i.ask.Rows {
			break
		}
		if call.number != w.taken {
			w.t.Fatalf("took call %d, want %d", call.number, w.taken)
		}
		w.taken++
		c.Calls++
		c.Rows += call.rows
	}
	if c.Rows > w.limits.Rows && c.Calls > 1 {
		w.t.Fatalf("%d calls of %d rows, the limit is %d", c.Calls, c.Rows, w.limits.Rows)
	}
	w.waiting = w.waiting[c.Calls:]
	c.More = len(w.waiting) > 0
	w.want, w.until, w.token = 1, 0, false
	if c.More {
		w.ring()
	}
	if r := i.former.Took(c); r > batching.Shape {
		w.t.Fatalf("Took(%+v) = %v", c, r)
	}
	i.busy, i.rows, i.began, i.wakes = true, c.Rows, w.now, w.now+i.cost.Of(c.Rows)
}

// settle lets all instances act until nothing more happens in this tick, and checks that no call has waited too long.
func (w *twin) settle() {
	free := false
	for again, rounds := true, 0; again; rounds++ {
		again, free = false, false
		for _, i := range w.instances {
			again = w.step(i) || again
			free = free || !i.busy
		}
		if rounds > 1000 {
			w.t.Fatalf("the instances ask and ask at %v: %+v", w.now, w.facts())
		}
	}
	if f := w.facts(); free && f.Calls > 0 && f.Oldest > w.bound {
		w.t.Fatalf("at %v a call has waited %v while an instance was free, the bound is %v", w.now, f.Oldest, w.bound)
	}
}

// play lets calls arrive for a while and then waits until all are taken.
func (w *twin) play(length time.Duration, perTick float64, most int) {
	quiet := time.Duration(0)
	for w.now < length || len(w.waiting) > 0 {
		if w.now < length && w.random.Float64() < 0.002 {
			quiet = w.now + time.Duration(w.random.IntN(300))*time.Millisecond
		}
		for chance := perTick; w.now < length && w.now >= quiet && chance > w.random.Float64(); chance-- {
			w.accept(1 + w.random.IntN(most))
		}
		w.settle()
		w.now += tick
		if w.now > length+time.Minute {
			w.t.Fatalf("%d calls still wait a minute after the last came", len(w.waiting))
		}
	}
	if w.taken != w.next {
		w.t.Fatalf("took %d of %d calls", w.taken, w.next)
	}
}

func drawTwin(t *rapid.T, deaf float64) *twin {
	w := &twin{
		t: t, want: 1, deaf: deaf,
		limits: batching.Limits{
			Rows: rapid.IntRange(1, 40).Draw(t, "rows"),
			Wait: time.Duration(rapid.IntRange(0, 80).Draw(t, "wait")) * time.Millisecond,
		},
		random: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)),
	}
	policy := batching.Policy(rapid.IntRange(0, 2).Draw(t, "policy"))
	cost := batching.Cost{
		PerRow: time.Duration(rapid.IntRange(0, 1_000).Draw(t, "per row")) * time.Microsecond,
		Fixed:  time.Duration(rapid.IntRange(1, 30_000).Draw(t, "fixed")) * time.Microsecond,
	}
	for range rapid.IntRange(1, 5).Draw(t, "instances") {
		f := newFormer(t, w.limits, policy)
		w.instances = append(w.instances, &twinInstance{former: f, cost: cost, ask: f.Ask()})
	}
	w.bound = w.limits.Wait + 2*tick
	return w
}

func TestEveryCallIsTakenOnceInOrderWithinTheLimitsAndInTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := drawTwin(t, 0)
		w.play(400*time.Millisecond, rapid.Float64Range(0.005, 3).Draw(t, "calls per tick"), rapid.IntRange(1, 20).Draw(t, "most rows"))
	})
}

func TestALostBellDelaysAndNeverStalls(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := drawTwin(t, rapid.SampledFrom([]float64{0.5, 1}).Draw(t, "deaf"))
		w.bound = batching.MaxIdle + 2*tick
		w.play(400*time.Millisecond, rapid.Float64Range(0.005, 0.5).Draw(t, "calls per tick"), rapid.IntRange(1, 10).Draw(t, "most rows"))
	})
}

func TestNoFactsMakeAnUnreasonableDecision(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		limits := batching.Limits{Rows: rapid.IntRange(1, 100).Draw(t, "rows"), Wait: anyDuration(t, "wait", 0)}
		waiting := rapid.SampledFrom([]int{3, limits.Rows, 1_000_000}).Draw(t, "at most waiting")
		f := newFormer(t, limits, batching.Policy(rapid.IntRange(0, 2).Draw(t, "policy")))
		for range rapid.IntRange(0, 20).Draw(t, "batches") {
			f.Executed(rapid.IntRange(-1, 100).Draw(t, "of"), anyDuration(t, "took", -1))
		}
		for range rapid.IntRange(1, 20).Draw(t, "questions") {
			facts := batching.Facts{
				Now: anyDuration(t, "now", -1), Rows: rapid.IntRange(0, waiting).Draw(t, "waiting"),
				Calls: rapid.IntRange(0, waiting).Draw(t, "calls"), Oldest: anyDuration(t, "oldest", -1),
				Newest: anyDuration(t, "newest", -1), Left: anyDuration(t, "left", -1), Arrived: rapid.Int64().Draw(t, "arrived"),
			}
			d := f.Decide(facts)
			wantReasonable(t, f, limits, facts, d)
			wantReasonable(t, f, limits, facts, batching.Decision{Ask: f.Ask()})
		}
	})
}

// wantReasonable checks what every decision must keep to.
func wantReasonable(t *rapid.T, f *batching.Former, limits batching.Limits, facts batching.Facts, d batching.Decision) {
	bad := func(what string) { t.Fatalf("%s: %+v after %+v", what, d, facts) }
	switch {
	case d.Ask.Rows != limits.Rows:
		bad("asks for another number of rows than the limit")
	case d.Ask.Enough < 1 || d.Ask.Enough > limits.Rows:
		bad("waits for a number of rows that cannot be")
	case d.Wait < 0 || d.Wait > batching.MaxIdle:
		bad("waits too long or less than not at all")
	case facts.Calls == 0 || d.Wait == 0:
		return
	case facts.Oldest+d.Wait > limits.Wait:
		bad("waits beyond the limit")
	case facts.Rows >= limits.Rows:
		bad("waits although the batch is full")
	case d.Ask.Age > limits.Wait:
		bad("a call may get older than the limit")
	}
	if cost, known := f.Cost(); facts.Left != 0 && known && d.Wait > facts.Left-cost.Of(max(facts.Rows, 1)) {
		bad("waits until the deadline cannot be met")
	}
}

// anyDuration draws from nanoseconds to hours.
func anyDuration(t *rapid.T, name string, sign int64) time.Duration {
	d := rapid.Int64Range(0, 1<<rapid.IntRange(1, 44).Draw(t, name+" bits")).Draw(t, name)
	if sign < 0 && rapid.Bool().Draw(t, name+" below 0") {
		d = -d
	}
	return time.Duration(d)
}

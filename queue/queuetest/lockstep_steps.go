package queuetest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/ekiben/ekiben/queue"
)

func (l *lockstep) cut(t *rapid.T) {
	i := l.pick(t, instances)
	ask := queue.Ask{Rows: rapid.IntRange(1, 12).Draw(t, "rows"), Enough: rapid.IntRange(1, 8).Draw(t, "enough")}
	if rapid.Bool().Draw(t, "patient") {
		ask.Age = time.Hour
	}
	if len(l.awaited) == 0 && rapid.IntRange(0, 3).Draw(t, "long") == 0 {
		ask.Need = 2 * time.Hour // longer than any call has; who awaits one would wait for as long as it has
	}
	l.cutBy(i, ask)
}

// cutBy cuts in both worlds and reports whether anything came out.
func (l *lockstep) cutBy(i int, ask queue.Ask) bool {
	l.t.Helper()
	cut := func(w *world) (queue.Cut, string) {
		c := must(w.consumers[i].Cut(context.Background(), ask))(l.t)
		var said strings.Builder
		fmt.Fprintf(&said, "%d rows of %d calls, %d arrived, more %v, deadline %v:", c.Rows, c.Calls, c.Arrived, c.More, c.Left > 0)
		for _, d := range c.Deliveries {
			fmt.Fprintf(&said, " %s(%d rows, group %q, lane %d, suspect %v)", label(d.Inputs), d.Rows, d.Group, d.Lane, d.Suspect)
			w.had[i][d.ID] = d
		}
		return c, said.String()
	}
	got, said := cut(l.real)
	_, want := cut(l.ideal)
	same(l, fmt.Sprintf("cut by %d of %+v", i, ask), said, want)
	return len(got.Deliveries) > 0
}

// some picks calls that a consumer ever had, ended or not.
func (l *lockstep) some(t *rapid.T, i int) []string {
	ids := slices.Sorted(maps.Keys(l.real.had[i]))
	if len(ids) == 0 {
		t.Skip("it never had a call")
	}
	return rapid.SliceOfNDistinct(rapid.SampledFrom(ids), 1, len(ids), rapid.ID).Draw(t, "calls")
}

func (l *lockstep) finish(t *rapid.T) {
	i := l.pick(t, instances)
	ids := l.some(t, i)
	fails := rapid.SliceOfN(rapid.Bool(), len(ids), len(ids)).Draw(t, "fails")
	end := func(w *world) queue.Finished {
		var out []queue.Outcome
		for k, id := range ids {
			d := []queue.Delivery{w.had[i][id]}
			if fails[k] {
				out = append(out, fail(d)...)
			} else {
				out = append(out, echo(d)...)
			}
		}
		return must(w.consumers[i].Finish(context.Background(), out))(l.t)
	}
	same(l, "finish", end(l.real), end(l.ideal))
	l.ripen()
}

// settle compares the replies to the calls that the model does not hold any
// more.
func (l *lockstep) settle() {
	for id, p := range l.awaited {
		l.model.mu.Lock()
		held := l.model.shelf(l.runner).find(id)
		l.model.mu.Unlock()
		if held == nil {
			l.answered(id, p)
		}
	}
}

func (l *lockstep) release(t *rapid.T) {
	i := l.pick(t, instances)
	ids := l.some(t, i)
	for _, w := range []*world{l.real, l.ideal} {
		var ds []queue.Delivery
		for _, id := range ids {
			ds = append(ds, w.had[i][id])
		}
		if err := w.consumers[i].Release(context.Background(), ds); err != nil {
			t.Fatal(err)
		}
	}
}

func (l *lockstep) renew(*rapid.T) {
	for i := range instances {
		renew := func(w *world) queue.Renewal {
			r := must(w.consumers[i].Renew(context.Background()))(l.t)
			slices.Sort(r.Lost)
			slices.Sort(r.Canceled)
			return r
		}
		same(l, fmt.Sprintf("renew by %d", i), renew(l.real), renew(l.ideal))
	}
}

func (l *lockstep) cancel(t *rapid.T) {
	if len(l.jobs) == 0 {
		t.Skip("there are no jobs")
	}
	id := l.someJob(t)
	got, want := must(l.real.Cancel(context.Background(), id))(t), must(l.ideal.Cancel(context.Background(), id))(t)
	same(l, "cancel", got.State, want.State)
}

// crash lets the leases of at most one instance run out, and sweeps.
func (l *lockstep) crash(t *rapid.T) {
	l.renew(t)
	if i := rapid.IntRange(-1, instances-1).Draw(t, "who"); i >= 0 {
		l.real.Abandon(l.runner+"-w", i)
		l.ideal.Abandon(l.runner+"-w", i)
	}
	got, want := must(l.real.Sweep(context.Background(), l.runner))(t), must(l.ideal.Sweep(context.Background(), l.runner))(t)
	same(l, "sweep", got, want)
	l.ripen()
}

// ripen lets the time come of jobs that are to be queued later, in both worlds.
func (l *lockstep) ripen() {
	pass(3 * time.Millisecond)
	for _, w := range []*world{l.real, l.ideal} {
		must(w.Sweep(context.Background(), l.runner))(l.t)
	}
	l.settle()
}

// blame reports that an instance crashed while it ran some of its calls.
func (l *lockstep) blame(t *rapid.T) {
	i := l.pick(t, instances)
	ids := l.some(t, i)
	crashed := func(w *world) int {
		var ds []queue.Delivery
		for _, id := range ids {
			ds = append(ds, w.had[i][id])
		}
		return must(w.consumers[i].Crashed(context.Background(), ds, queue.Crash{How: "it was killed"}))(l.t)
	}
	same(l, "given up after a crash", crashed(l.real), crashed(l.ideal))
	l.ripen()
}

// retry queues a job again, whatever its state.
func (l *lockstep) retry(t *rapid.T) {
	if len(l.jobs) == 0 {
		t.Skip("there are no jobs")
	}
	id, a := l.someJob(t), queue.Admission{MaxCalls: rapid.IntRange(5, 20).Draw(t, "most calls"), MaxBytes: 1 << 30}
	got, err := l.real.Retry(context.Background(), id, a)
	want, wantErr := l.ideal.Retry(context.Background(), id, a)
	same(l, "retry", class(err), class(wantErr))
	same(l, "the job that is queued again", fmt.Sprint(got.State, got.Attempt), fmt.Sprint(want.State, want.Attempt))
	l.outlive(got)
}

// outlive waits until a job with hardly any time has none, so that both worlds
// see it the same way.
func (l *lockstep) outlive(j queue.Job) {
	if j.Deadline.Sub(j.Created) < time.Second {
		pass(3 * time.Millisecond)
	}
}

// redrive queues the oldest dead letter again, or drops it.
func (l *lockstep) redrive(t *rapid.T) {
	a := queue.Admission{MaxCalls: rapid.IntRange(5, 20).Draw(t, "most calls"), MaxBytes: 1 << 30}
	drop := rapid.IntRange(0, 3).Draw(t, "drop") == 0
	do := func(w *world) (string, queue.Job, error) {
		letters, _, err := w.DeadLetters(context.Background(), l.runner, "", 1)
		if err != nil || len(letters) == 0 {
			return "", queue.Job{}, err
		}
		said := fmt.Sprint(letters[0].Reason, letters[0].Call.ID, letters[0].Rows, letters[0].Job, label(letters[0].Call.Inputs))
		if drop {
			return said, queue.Job{}, w.DropDead(context.Background(), l.runner, letters[0].ID)
		}
		j, err := w.Redrive(context.Background(), l.runner, letters[0].ID, a)
		return said, j, err
	}
	said, got, err := do(l.real)
	wanted, want, wantErr := do(l.ideal)
	same(l, "the oldest dead letter", said, wanted)
	same(l, "redrive", class(err), class(wantErr))
	same(l, "the job that is redriven", fmt.Sprint(got.State, got.Attempt, got.ID), fmt.Sprint(want.State, want.Attempt, want.ID))
	if got.ID != "" {
		l.jobs[got.ID] = true
		l.outlive(got)
	}
}

// turn opens or closes the gate.
func (l *lockstep) turn(t *rapid.T) {
	g := rapid.SampledFrom([]queue.Gate{queue.GateOpen, queue.GateOpen, queue.GatePaused, queue.GateDraining}).Draw(t, "gate")
	for _, w := range []*world{l.real, l.ideal} {
		if err := w.SetGate(context.Background(), l.runner, g); err != nil {
			t.Fatal(err)
		}
	}
}

func (l *lockstep) leave(t *rapid.T) {
	i := l.pick(t, instances)
	for _, w := range []*world{l.real, l.ideal} {
		if err := w.consumers[i].Leave(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}

func (l *lockstep) stats(w *world) queue.Stats {
	return must(w.Stats(context.Background(), l.runner))(l.t)[0]
}

// compare compares what both worlds look like. What callers withdraw takes a
// moment in the real one.
func (l *lockstep) compare(t *rapid.T) {
	look := func(w *world) queue.Stats {
		s := l.stats(w)
		s.Errands.Oldest = 0
		s.At, s.Oldest, s.ResultBytes = 0, 0, 0 // the model does not count them to the byte
		for i := range s.Lanes {
			s.Lanes[i].Oldest = 0
		}
		return s
	}
	for late := time.Now().Add(patience / 10); look(l.real) != look(l.ideal) && time.Now().Before(late); {
		pass(time.Millisecond)
	}
	same(l, "stats", look(l.real), look(l.ideal))
	l.compareOldest(t)
	for id := range l.jobs {
		got, want := must(l.real.Job(context.Background(), id))(t), must(l.ideal.Job(context.Background(), id))(t)
		say := func(j queue.Job) string {
			return fmt.Sprint(j.State, j.Started.IsZero(), j.Finished.IsZero(), j.Err, j.Attempt, j.RetriesLeft, j.Lane, j.Ahead)
		}
		same(l, "job", say(got), say(want))
	}
}

// compareOldest holds the age of the oldest against the record of the job that
// is the oldest in the model.
func (l *lockstep) compareOldest(t *rapid.T) {
	l.model.mu.Lock()
	var first *entry
	l.model.shelf(l.runner).each(func(e *entry) {
		if e.owner == "" && (first == nil || e.accepted < first.accepted) {
			first = e
		}
	})
	l.model.mu.Unlock()
	if first == nil || first.job == nil || !first.job.Created.Equal(at(first.accepted)) {
		return // there is none, or one that was queued later than it was accepted
	}
	created := must(l.real.Job(context.Background(), first.call.ID))(t).Created
	s := l.stats(l.real)
	if want := at(s.At).Sub(created); s.Oldest != want {
		t.Fatalf("the oldest is %s old, want %s", s.Oldest, want)
	}
}

// drain runs all that is left and tests that nothing stays.
func (l *lockstep) drain() {
	for _, w := range []*world{l.real, l.ideal} {
		if err := w.SetGate(context.Background(), l.runner, queue.GateOpen); err != nil {
			l.t.Fatal(err)
		}
	}
	for i := range instances {
		for _, w := range []*world{l.real, l.ideal} {
			if err := w.consumers[i].Leave(context.Background()); err != nil {
				l.t.Fatal(err)
			}
		}
	}
	for l.cutBy(0, queue.Ask{Rows: 4, Enough: 1}) {
		for _, w := range []*world{l.real, l.ideal} {
			must(w.consumers[0].Finish(context.Background(), echo(slices.Collect(maps.Values(w.had[0])))))(l.t)
		}
		l.ripen()
	}
	l.compare(l.t)
	if len(l.awaited) > 0 {
		l.t.Fatalf("%d awaited calls are still in the queue", len(l.awaited))
	}
	if left := l.real.Leftovers(l.runner); len(left) > 0 {
		l.t.Fatalf("at rest there are %s", left)
	}
}

package queuetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ekiben/ekiben/queue"
)

// Lockstep does the same random things to a back end and to a [Model] and tests
// that both answer and look the same after every step. Each run has a runner of
// its own; the back end is opened once.
func Lockstep(t *testing.T, open func(*testing.T, queue.Config) Backend) {
	t.Helper()
	c := config()
	// What begins or ends at a moment, two clocks see differently.
	c.CrashBackoff, c.Aging = 0, time.Hour
	b := open(t, c)
	p := b.NewProducer("gateway")
	rapid.Check(t, func(rt *rapid.T) {
		name := "r" + queue.NewID("")[len("~0~"):][:12]
		model := NewModel(c)
		l := &lockstep{
			t: rt, runner: name, model: model, awaited: map[string]*pair{}, jobs: map[string]bool{},
			real:  newWorld(name, b, p),
			ideal: newWorld(name, ofModel(model), model.NewProducer("gateway")),
		}
		for _, w := range []*world{l.real, l.ideal} {
			if err := w.Announce(context.Background(), name, []byte("{}")); err != nil {
				rt.Fatal(err)
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"submit": l.submit, "do": l.do, "cut": l.cut, "finish": l.finish, "release": l.release, "renew": l.renew,
			"cancel": l.cancel, "go away": l.goAway, "expire": l.expire, "crash": l.crash, "leave": l.leave,
			"blame": l.blame, "retry": l.retry, "redrive": l.redrive, "turn": l.turn, "": l.compare,
		})
		l.drain()
	})
}

// instances is how many consumers there are.
const instances = 3

// world is one of the two queues.
type world struct {
	Backend
	Producer

	consumers [instances]Consumer
	// had are all deliveries that a consumer ever got, by call.
	had [instances]map[string]queue.Delivery
}

func newWorld(runner string, b Backend, p Producer) *world {
	w := &world{Backend: b, Producer: p}
	for i := range w.consumers {
		w.consumers[i], w.had[i] = b.NewConsumer(runner, runner+"-w", i), map[string]queue.Delivery{}
	}
	return w
}

// lockstep holds the two queues and what was asked of them.
type lockstep struct {
	t      *rapid.T
	runner string
	model  *Model
	real   *world
	ideal  *world

	calls   int
	awaited map[string]*pair
	jobs    map[string]bool
}

// pair is an awaited call in both worlds.
type pair struct {
	leave       func()
	real, ideal chan reply
}

// same compares answers.
func same[T any](l *lockstep, what string, is, want T) {
	l.t.Helper()
	if got, wanted := fmt.Sprintf("%+v", is), fmt.Sprintf("%+v", want); got != wanted {
		l.t.Fatalf("%s:\nthe back end says %s\nthe model says    %s", what, got, wanted)
	}
}

// class is what an error says to who acts on it.
func class(err error) error {
	for _, c := range []error{
		queue.ErrFull, queue.ErrCallerFull, queue.ErrTooLate, queue.ErrClosed, queue.ErrNotRetryable, queue.ErrNoWorker, queue.ErrUnknownJob,
		queue.ErrUnknownDeadLetter, queue.ErrDeadline, queue.ErrMalformed, context.Canceled,
	} {
		if errors.Is(err, c) {
			return c
		}
	}
	return err
}

func (l *lockstep) call(t *rapid.T) queue.Call {
	l.calls++
	o := order{
		label: fmt.Sprint(l.calls),
		rows:  rapid.IntRange(1, 6).Draw(t, "rows"),
		group: rapid.SampledFrom([]string{"g", "g", "h", ""}).Draw(t, "group"),
		lane:  rapid.SampledFrom([]queue.Lane{queue.Normal, queue.Normal, queue.High, queue.Low}).Draw(t, "lane"),
	}
	c := o.call()
	c.Runner, c.ID = l.runner, fmt.Sprintf("%s~0~%04d", l.runner, l.calls)
	c.Admission.MaxCalls = rapid.IntRange(5, 20).Draw(t, "most calls")
	if rapid.IntRange(0, 4).Draw(t, "few bytes") == 0 {
		c.Admission.MaxBytes = 1500
	}
	c.Caller = rapid.SampledFrom([]string{"", "ann", "ann", "bob"}).Draw(t, "caller")
	c.Admission.CallerShare = rapid.SampledFrom([]float64{0, 0.5, 0.875}).Draw(t, "share")
	if rapid.IntRange(0, 9).Draw(t, "slow") == 0 {
		c.Admission.RowTime, c.StartWithin = time.Minute, 10*time.Minute
	}
	return c
}

func (l *lockstep) submit(t *rapid.T) {
	c := l.call(t)
	if rapid.IntRange(0, 4).Draw(t, "again and again") == 0 {
		c.Retry = queue.Retry{Most: 2, Backoff: time.Millisecond, MaxBackoff: time.Millisecond}
	}
	if rapid.IntRange(0, 7).Draw(t, "later") == 0 {
		c.Delay = time.Millisecond
	}
	l.submitted(c)
	if len(l.jobs) > 0 && rapid.Bool().Draw(t, "again") {
		c := l.call(t)
		c.ID = l.someJob(t)
		l.submitted(c)
	}
}

func (l *lockstep) submitted(c queue.Call) {
	got, err := l.real.Submit(context.Background(), c)
	want, wantErr := l.ideal.Submit(context.Background(), c)
	same(l, "submit", class(err), class(wantErr))
	same(l, "submitted state", got.State, want.State)
	if err == nil {
		l.jobs[c.ID] = true
	}
	if c.Delay > 0 {
		l.ripen()
	}
}

// expire queues a job that has no time left when the next step comes.
func (l *lockstep) expire(t *rapid.T) {
	c := l.call(t)
	c.Timeout = time.Millisecond
	l.submitted(c)
	pass(3 * time.Millisecond)
}

func (l *lockstep) do(t *rapid.T) {
	c := l.call(t)
	ctx, leave := context.WithCancel(context.Background())
	p := &pair{leave: leave, real: make(chan reply, 1), ideal: make(chan reply, 1)}
	before := l.stats(l.real).Accepted
	begin := func(w *world, done chan<- reply) {
		r, err := w.Do(ctx, c)
		done <- reply{r, err}
	}
	go begin(l.ideal, p.ideal)
	go begin(l.real, p.real)
	var refused *reply
	await(t, "the call is accepted or refused", func() bool {
		select {
		case r := <-p.real:
			refused = &r
			return true
		default:
			return l.stats(l.real).Accepted > before
		}
	})
	if refused != nil {
		same(l, "do", class(refused.err), class((<-p.ideal).err))
		leave()
		return
	}
	l.awaited[c.ID] = p
}

// goAway ends an awaited call by its caller, one that is not in flight: when the
// back end looks whether one is, cannot be seen.
func (l *lockstep) goAway(t *rapid.T) {
	l.model.mu.Lock()
	var ids []string
	for _, id := range slices.Sorted(maps.Keys(l.awaited)) {
		if e := l.model.shelf(l.runner).find(id); e != nil && e.owner == "" {
			ids = append(ids, id)
		}
	}
	l.model.mu.Unlock()
	if len(ids) == 0 {
		t.Skip("nobody waits")
	}
	id := ids[l.pick(t, len(ids))]
	p := l.awaited[id]
	p.leave()
	l.answered(id, p)
}

// answered compares how an awaited call ended.
func (l *lockstep) answered(id string, p *pair) {
	l.t.Helper()
	actual, ideal := l.receive(p.real), l.receive(p.ideal)
	same(l, "the end of an awaited call", class(actual.err), class(ideal.err))
	same(l, "the reply to an awaited call", fmt.Sprint(actual.Err, label(actual.Outputs)), fmt.Sprint(ideal.Err, label(ideal.Outputs)))
	p.leave()
	delete(l.awaited, id)
}

func (l *lockstep) receive(c <-chan reply) reply {
	select {
	case r := <-c:
		return r
	case <-time.After(patience):
		l.t.Fatalf("an awaited call was never answered")
		return reply{}
	}
}

func (l *lockstep) pick(t *rapid.T, n int) int { return rapid.IntRange(0, n-1).Draw(t, "which") }

func (l *lockstep) someJob(t *rapid.T) string {
	ids := slices.Sorted(maps.Keys(l.jobs))
	return ids[l.pick(t, len(ids))]
}

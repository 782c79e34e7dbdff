package queue_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/tensor"
)

// fleet are workers of one instance each, as plain as they can be: cut, answer
// with the input, finish. They go on whatever Redis does, and are never
// restarted; but where told, an instance dies now and then with what it holds,
// and another one takes its place.
type fleet struct {
	b *bench

	// crash is how many of a thousand batches take their instance down.
	crash int

	// runs counts executions by call id.
	mu   sync.Mutex
	runs map[string]int

	dead, beats atomic.Int64
	work        sync.WaitGroup
	stop        func()
}

func (b *bench) fleet(workers, crash int) *fleet {
	f := &fleet{b: b, crash: crash, runs: map[string]int{}}
	ctx, stop := context.WithCancel(context.Background())
	f.stop = func() { stop(); f.work.Wait() }
	for i := range workers {
		f.work.Go(func() {
			for generation := 0; ctx.Err() == nil; generation++ {
				f.live(ctx, fmt.Sprintf("w%d-%d", i, generation))
			}
		})
	}
	f.work.Go(func() { f.upkeep(ctx) })
	b.t.Cleanup(f.stop)
	return f
}

// retry calls f until it succeeds or ctx is done.
func retry(ctx context.Context, f func() error) {
	for f() != nil && ctx.Err() == nil {
		<-time.After(5 * time.Millisecond)
	}
}

// upkeep sweeps, and announces the runner when Redis does not know it.
func (f *fleet) upkeep(ctx context.Context) {
	every := time.NewTicker(50 * time.Millisecond)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
			_, _ = f.b.Sweep(ctx, runner)
			known, err := f.b.Beat(ctx, runner, queue.Heartbeat{Worker: "fleet"})
			if err == nil && !known {
				_ = f.b.Announce(ctx, runner, []byte("spec"))
			}
			if err == nil {
				f.beats.Add(1)
			}
		}
	}
}

// live is the life of one instance.
func (f *fleet) live(ctx context.Context, name string) {
	c := f.b.NewConsumer(runner, name, 0)
	renewed, life := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(renewed)
		every := time.NewTicker(f.b.Lease() / 4)
		defer every.Stop()
		for {
			select {
			case <-life:
				return
			case <-every.C:
				_, _ = c.Renew(context.WithoutCancel(ctx))
			}
		}
	}()
	defer func() { close(life); <-renewed }()
	for ctx.Err() == nil {
		cut, err := c.Cut(context.WithoutCancel(ctx), queue.Ask{Rows: 16, Enough: 1})
		if err != nil {
			<-time.After(5 * time.Millisecond)
			continue
		}
		if len(cut.Deliveries) == 0 {
			_, _ = c.Wait(context.WithoutCancel(ctx), 100*time.Millisecond)
			continue
		}
		f.count(cut.Deliveries)
		if rand.IntN(1000) < f.crash {
			f.dead.Add(1)
			if rand.IntN(2) == 0 { // what it did is still heard, but it is gone
				_, _ = c.Finish(ctx, answer(cut.Deliveries))
			}
			return
		}
		retry(ctx, func() error {
			_, err := c.Finish(context.WithoutCancel(ctx), answer(cut.Deliveries))
			return err
		})
	}
	retry(context.WithoutCancel(ctx), func() error { return c.Leave(context.WithoutCancel(ctx)) })
}

func (f *fleet) count(ds []queue.Delivery) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, d := range ds {
		f.runs[d.ID]++
	}
}

// again returns how many calls ran more than once.
func (f *fleet) again() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, runs := range f.runs {
		if runs > 1 {
			n++
		}
	}
	return n
}

// load are callers that make calls, awaited ones and jobs, until they are
// stopped or have made enough.
type load struct {
	t *testing.T

	mu sync.Mutex
	// accepted are the jobs that were, by id, with their label. answered and
	// refused count awaited calls, wrong those that were answered with another's
	// reply. Guarded by mu.
	accepted          map[string]string
	answered, refused int
	failures          map[string]int

	callers sync.WaitGroup
	ended   chan struct{}
}

// load starts callers; each makes up to n calls.
func (b *bench) load(callers, n int, build func(label string) queue.Call) *load {
	l := &load{t: b.t, accepted: map[string]string{}, failures: map[string]int{}, ended: make(chan struct{})}
	for i := range callers {
		l.callers.Go(func() {
			for k := range n {
				select {
				case <-l.ended:
					return
				default:
				}
				label := fmt.Sprintf("%d-%d-%s", i, k, b.gateway)
				if k%2 == 0 {
					l.await(b, label, build(label))
				} else {
					l.submit(b, label, build(label))
				}
			}
		})
	}
	return l
}

func (l *load) await(b *bench, label string, c queue.Call) {
	r, err := b.Do(context.Background(), c)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err != nil:
		l.fail(err)
	case r.Err != nil || said(r.Outputs) != label:
		l.t.Errorf("call %s was answered with %+v", label, r)
	default:
		l.answered++
	}
}

func (l *load) submit(b *bench, label string, c queue.Call) {
	j, err := b.Submit(context.Background(), c)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.fail(err)
		return
	}
	l.accepted[j.ID] = label
}

// fail counts an error that may be. Guarded by mu.
func (l *load) fail(err error) {
	for _, kind := range []error{queue.ErrUnavailable, queue.ErrDeadline, queue.ErrUnknownJob} {
		if errors.Is(err, kind) {
			l.refused++
			l.failures[kind.Error()]++
			return
		}
	}
	l.t.Errorf("a call failed: %v", err)
}

// end stops the callers and waits for what they began.
func (l *load) end() {
	close(l.ended)
	l.callers.Wait()
}

func (l *load) done() (answered, jobs int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.answered, len(l.accepted)
}

// settled waits until all jobs have ended, and tests that each has its own
// result.
func (l *load) settled(b *bench) {
	l.t.Helper()
	for id, label := range l.accepted {
		j, err := b.Producer.Wait(context.Background(), id, patience)
		if err != nil || j.State != queue.Succeeded {
			l.t.Errorf("job %s is %+v, %v", label, j, err)
			continue
		}
		if r, err := b.Result(context.Background(), id); err != nil || said(r.Outputs) != label {
			l.t.Errorf("job %s has the result %+v, %v", label, r, err)
		}
	}
}

const patience = 60 * time.Second

// sized is a call of random rows and payload.
func sized(label string) queue.Call {
	c := call(label)
	c.Rows = 1 + rand.IntN(5)
	if rand.IntN(20) == 0 {
		c.Rows = 20
	}
	c.Admission = queue.Admission{MaxCalls: 1 << 20, MaxBytes: 1 << 30}
	if rand.IntN(4) == 0 {
		more, err := tensor.Of([]int{1, 4096}, make([]uint8, 4096))
		if err != nil {
			panic(err)
		}
		c.Inputs = append(c.Inputs, tensor.Named{Name: "more", Tensor: more})
	}
	return c
}

// quiet waits until nothing is queued, and tests that nothing is left.
func (b *bench) quiet() {
	b.t.Helper()
	for late := time.Now().Add(patience); b.stats().Depth > 0; {
		if time.Now().After(late) {
			b.t.Fatalf("calls stay in the queue: %+v", b.stats())
		}
		<-time.After(5 * time.Millisecond)
	}
	b.rest()
}

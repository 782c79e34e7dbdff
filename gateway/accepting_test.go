package gateway_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben/ekiben/gateway"
	"github.com/ekiben/ekiben/queue"
)

// way is a way to Redis that accepts in order, in steps of a millisecond.
type way struct {
	limiter *gateway.Limiter
	now     time.Time
	waiting []time.Time
	refused int
	slowest time.Duration
}

func newWay(ceiling int) *way {
	return &way{limiter: gateway.NewLimiter(ceiling), now: time.Unix(1000, 0)}
}

// run has calls come and be accepted, so many a millisecond, for so long.
func (w *way) run(d time.Duration, come, accept int) {
	w.refused, w.slowest = 0, 0
	for range d / time.Millisecond {
		w.now = w.now.Add(time.Millisecond)
		for range come {
			if w.limiter.Enter(w.now) {
				w.waiting = append(w.waiting, w.now)
			} else {
				w.refused++
			}
		}
		for range min(accept, len(w.waiting)) {
			took := w.now.Sub(w.waiting[0])
			w.slowest = max(w.slowest, took)
			w.limiter.Leave(w.now, took, true)
			w.waiting = w.waiting[1:]
		}
	}
}

func TestCallsAreRefusedWhileRedisDoesNotKeepUpAndTakenAgainOnceItDoes(t *testing.T) {
	t.Parallel()
	w := newWay(4096)
	w.run(time.Second, 20, 20)
	if w.refused > 0 || w.limiter.Limit() != 4096 {
		t.Fatalf("%d were refused in time of ease, the limit is %d", w.refused, w.limiter.Limit())
	}
	w.run(5*time.Second, 20, 2) // ten times too much
	w.run(10*time.Second, 20, 2)
	if w.slowest > 200*time.Millisecond || w.slowest < 50*time.Millisecond {
		t.Errorf("calls waited up to %s", w.slowest)
	}
	if limit := w.limiter.Limit(); limit < 100 || limit > 400 {
		t.Errorf("the limit is %d, but 2 a millisecond are 200 in the time that is right", limit)
	}
	w.run(5*time.Second, 20, 40)
	if limit := w.limiter.Limit(); limit != 4096 {
		t.Errorf("the limit is %d when there was ease again", limit)
	}
	if w.run(time.Second, 20, 40); w.refused > 0 {
		t.Errorf("%d were refused when there was ease again", w.refused)
	}
}

func TestTheLimitOfAcceptanceHasAFloor(t *testing.T) {
	t.Parallel()
	w := newWay(4096)
	for range 1000 { // one every 20 ms
		w.run(19*time.Millisecond, 20, 0)
		w.run(time.Millisecond, 20, 1)
	}
	if limit := w.limiter.Limit(); limit != 64 {
		t.Errorf("the limit is %d", limit)
	}
	if small := gateway.NewLimiter(8); small.Limit() != 8 {
		t.Errorf("a gateway of 8 begins with %d", small.Limit())
	}
}

func TestAPauseOfRedisIsNoReasonToRefuse(t *testing.T) {
	t.Parallel()
	w := newWay(4096)
	for range 10 {
		w.run(time.Second, 5, 20)
		w.run(300*time.Millisecond, 5, 0)
		w.run(100*time.Millisecond, 5, 100)
	}
	if limit := w.limiter.Limit(); limit != 4096 {
		t.Errorf("the limit is %d", limit)
	}
}

func TestFewCallsThatAreSlowAreNoReasonToRefuse(t *testing.T) {
	t.Parallel()
	l := gateway.NewLimiter(4096)
	now := time.Unix(1000, 0)
	for range 100 {
		if !l.Enter(now) {
			t.Fatal("refused")
		}
		now = now.Add(300 * time.Millisecond)
		l.Leave(now, 300*time.Millisecond, true)
	}
	if l.Limit() != 4096 {
		t.Errorf("the limit is %d", l.Limit())
	}
}

func TestWhatWasLearntOfRedisIsForgottenInARest(t *testing.T) {
	t.Parallel()
	w := newWay(4096)
	w.run(5*time.Second, 20, 2)
	w.run(200*time.Millisecond, 0, 20)
	if w.limiter.Pending() != 0 || w.limiter.Limit() == 4096 {
		t.Fatalf("%d wait, the limit is %d", w.limiter.Pending(), w.limiter.Limit())
	}
	w.now = w.now.Add(2 * time.Second)
	if w.run(time.Millisecond, 4000, 0); w.refused > 0 {
		t.Errorf("%d were refused after a rest", w.refused)
	}
}

func TestCallsThatAreGivenUpTellOnlyThatTheyWaitedTooLong(t *testing.T) {
	t.Parallel()
	for took, want := range map[time.Duration]int{50 * time.Millisecond: 4096, time.Second: 819} {
		l := gateway.NewLimiter(4096)
		now := time.Unix(1000, 0)
		for range 1024 {
			l.Enter(now)
		}
		for i := range 300 {
			l.Leave(now.Add(took+time.Duration(i)*time.Millisecond), took, false)
		}
		if limit := l.Limit(); limit > want || limit < want/2 {
			t.Errorf("given up after %s: the limit is %d, want %d or less", took, limit, want)
		}
	}
}

// congested is a queue whose Redis takes its time to answer, one call after the
// other.
type congested struct {
	*fakeQueue
	each atomic.Int64 // nanoseconds a call
	next chan queue.Call
}

func (c *congested) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case call := <-c.next:
			time.Sleep(time.Duration(c.each.Load()))
			call.Answered()
		}
	}
}

func (c *congested) Do(ctx context.Context, call queue.Call) (queue.Reply, error) {
	done := make(chan struct{})
	answered := call.Answered
	call.Answered = func() {
		answered()
		close(done)
	}
	c.next <- call
	<-done
	time.Sleep(time.Minute) // in the runner's queue, which is not the limit's concern
	return echo(ctx, call)
}

func TestAGatewayLimitsWhatWaitsForRedisNotWhatWaitsForARunner(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := &congested{fakeQueue: newFakeQueue(everything()), next: make(chan queue.Call, 10_000)}
		g := newGateway(t, q.fakeQueue, setup{
			config: func(c *gateway.Config) { c.MaxInFlight = 4000 },
			also:   func(d *gateway.Deps) { d.Producer = q },
		})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- g.Run(ctx) }()
		synctest.Wait()
		var calls sync.WaitGroup
		var refused atomic.Int64
		burst := func(n int) {
			for range n {
				calls.Go(func() {
					w := send(t, g.Handler(), http.MethodPost, "/v1/runners/all/text", "x")
					if w.Code == http.StatusServiceUnavailable {
						refused.Add(1)
					}
				})
			}
		}
		burst(3000)
		synctest.Wait()
		wantMetric(t, g, "ekiben_accepting_calls 0")
		wantMetric(t, g, "ekiben_accepting_limit 4000")
		wantMetric(t, g, "ekiben_requests_in_flight 3000")
		calls.Wait()

		q.each.Store(int64(time.Millisecond))
		burst(1000)
		synctest.Wait()
		time.Sleep(900 * time.Millisecond)
		if n := refused.Load(); n != 0 {
			t.Errorf("%d calls were refused before there was a reason", n)
		}
		burst(1000)
		synctest.Wait()
		if n := refused.Load(); n < 100 {
			t.Errorf("%d calls were refused while a thousand wait for a second", n)
		}
		wantMetric(t, g, fmt.Sprintf(`ekiben_refused_total{reason="accepting",runner="all"} %d`, refused.Load()))

		q.each.Store(0)
		calls.Wait()
		burst(2000)
		calls.Wait()
		wantMetric(t, g, "ekiben_accepting_limit 4000")
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

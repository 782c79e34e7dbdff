package queue_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ekiben/ekiben/internal/redistest"
	"github.com/ekiben/ekiben/queue"
)

func TestManyWorkersAndGatewaysLoseNothingAndDoubleNothing(t *testing.T) {
	t.Parallel()

	c := queue.DefaultConfig()
	soon(&c)
	c.Lease = 300 * time.Millisecond
	c.URL, c.Prefix = redistest.URL(t), redistest.Prefix()
	const gateways, callers, calls = 4, 16, 60
	fleet := connect(t, c).fleet(16, 20)
	var benches []*bench
	var loads []*load
	for range gateways {
		b := connect(t, c)
		benches, loads = append(benches, b), append(loads, b.load(callers, calls, sized))
	}
	answered, jobs := 0, 0
	for i, l := range loads {
		l.callers.Wait()
		l.settled(benches[i])
		a, j := l.done()
		answered, jobs = answered+a, jobs+j
		if len(l.failures) > 0 {
			t.Errorf("calls failed: %v", l.failures)
		}
	}
	if answered != gateways*callers*calls/2 || jobs != answered {
		t.Errorf("%d answered and %d jobs of %d calls", answered, jobs, gateways*callers*calls)
	}
	benches[0].quiet()
	s := benches[0].stats()
	if s.Accepted != int64(answered+jobs) || s.Finished != s.Accepted || s.Buried+s.Expired+s.Canceled != 0 {
		t.Errorf("stats: %+v, want %d accepted and finished", s, answered+jobs)
	}
	t.Logf("%d answered, %d jobs, %d instances died, %d calls ran more than once", answered, jobs, fleet.dead.Load(), fleet.again())
}

func TestNoGoroutineIsLeftBehind(t *testing.T) { //nolint:paralleltest // it counts goroutines
	before := goleak.IgnoreCurrent()
	t.Run("scene", func(t *testing.T) { // likewise
		b := setup(t, soon)
		f := b.fleet(2, 100)
		l := b.load(4, 20, sized)
		l.callers.Wait()
		f.stop()
	})
	goleak.VerifyNone(t, before)
}

// A renewal that is asked while calls are being finished does not take them for
// lost.
func TestRenewalsBesideFinishesLoseNothing(t *testing.T) {
	t.Parallel()

	b := setup(t)
	c := b.NewConsumer(runner, "w", 0)
	for range 150 {
		for range 8 {
			if _, err := b.Submit(t.Context(), call("a")); err != nil {
				t.Fatal(err)
			}
		}
		cut := b.cut(c, queue.Ask{Rows: 8, Enough: 1})
		renewed := make(chan queue.Renewal, 1)
		go func() {
			r, err := c.Renew(t.Context())
			if err != nil {
				t.Error(err)
			}
			renewed <- r
		}()
		if _, err := c.Finish(t.Context(), answer(cut.Deliveries)); err != nil {
			t.Fatal(err)
		}
		if r := <-renewed; len(r.Lost) > 0 {
			t.Fatalf("Renew() = %+v beside a Finish of these calls", r)
		}
	}
}

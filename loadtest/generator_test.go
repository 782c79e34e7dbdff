package loadtest_test

import (
	"context"
	"errors"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben/ekiben/loadtest"
)

// fakeClient answers call n, from 1, in virtual time.
type fakeClient struct {
	answer func(ctx context.Context, n int64, r *loadtest.Request) (loadtest.Reply, error)

	calls    atomic.Int64
	inFlight atomic.Int64
	most     atomic.Int64
	closes   atomic.Int64
}

func (c *fakeClient) Do(ctx context.Context, r *loadtest.Request) (loadtest.Reply, error) {
	now := c.inFlight.Add(1)
	defer c.inFlight.Add(-1)
	for {
		most := c.most.Load()
		if now <= most || c.most.CompareAndSwap(most, now) {
			break
		}
	}
	return c.answer(ctx, c.calls.Add(1), r)
}

func (c *fakeClient) Close() { c.closes.Add(1) }

// after answers 200 when d has passed.
func after(d time.Duration) (loadtest.Reply, error) {
	time.Sleep(d)
	return loadtest.Reply{Status: 200, Bytes: 10}, nil
}

func planOf(pacer loadtest.Pacer, connections int, duration time.Duration) loadtest.Plan {
	return loadtest.Plan{
		Targets:     []string{"http://a.test"},
		Kinds:       []loadtest.Kind{{Name: "k", Weight: 1, Method: "POST", Path: "/x", Body: []byte("12345")}},
		Pacer:       pacer,
		Connections: connections,
		Duration:    duration,
	}
}

func run(t *testing.T, plan loadtest.Plan, client loadtest.Client) loadtest.Report {
	t.Helper()
	report, err := loadtest.Run(t.Context(), plan, client)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestOpenLoopSendsOnTimeWhateverComesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := &fakeClient{answer: func(context.Context, int64, *loadtest.Request) (loadtest.Reply, error) {
			return after(5 * time.Second) // longer than the whole run
		}}
		report := run(t, planOf(loadtest.Constant{Rate: 100}, 1000, time.Second), client)
		if report.Sent != 100 || report.Accepted != 100 {
			t.Errorf("sent %d, accepted %d, want 100 of each", report.Sent, report.Accepted)
		}
		if report.Lateness.Max != 0 {
			t.Errorf("late by up to %v ms, want 0", report.Lateness.Max)
		}
		if most := client.most.Load(); most != 100 {
			t.Errorf("at most %d in flight, want all 100: nobody waits for an answer", most)
		}
		if report.GoodputPerSecond != 0 {
			t.Errorf("goodput %v, want 0: no answer came in the window", report.GoodputPerSecond)
		}
	})
}

func TestAStallIsChargedToEverybodyWhoWaited(t *testing.T) {
	t.Parallel()
	// 100 a second for 10 s over one connection; the server needs 1 ms, but
	// stalls once for a second. A generator that counts from when it sent would
	// see one slow request of 1,000 and a p99 of 1 ms.
	synctest.Test(t, func(t *testing.T) {
		client := &fakeClient{answer: func(_ context.Context, n int64, _ *loadtest.Request) (loadtest.Reply, error) {
			if n == 500 {
				return after(time.Second)
			}
			return after(time.Millisecond)
		}}
		report := run(t, planOf(loadtest.Constant{Rate: 100}, 1, 10*time.Second), client)
		if report.Accepted != 1000 {
			t.Fatalf("accepted %d, want 1000", report.Accepted)
		}
		if got := report.Latency.Accepted; got.P50 > 2 || got.P90 < 50 || got.P99 < 800 || got.Max < 999 {
			t.Errorf("p50 %v, p90 %v, p99 %v, max %v ms: the second that the server stalled is not in the tail", got.P50, got.P90, got.P99, got.Max)
		}
		if report.Lateness.P99 < 800 || !report.Bottleneck() {
			t.Errorf("lateness p99 %v ms: the report must say that requests could not be sent on time", report.Lateness.P99)
		}
	})
}

func TestClosedLoopKeepsItsNumberOfConnections(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := &fakeClient{answer: func(context.Context, int64, *loadtest.Request) (loadtest.Reply, error) {
			return after(10 * time.Millisecond)
		}}
		report := run(t, planOf(nil, 8, time.Second), client)
		if report.Sent != 800 || client.most.Load() != 8 {
			t.Errorf("sent %d with up to %d at once, want 800 with 8", report.Sent, client.most.Load())
		}
		if report.Latency.Accepted.P50 < 9.9 || report.Latency.Accepted.Max > 10.1 {
			t.Errorf("latency %+v, want 10 ms", report.Latency.Accepted)
		}
		// The last round comes back exactly when the window is over.
		if report.GoodputPerSecond != 792 {
			t.Errorf("goodput %v, want 792", report.GoodputPerSecond)
		}
	})
}

func TestTheWarmupIsSentAndNotReported(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := &fakeClient{answer: func(_ context.Context, n int64, _ *loadtest.Request) (loadtest.Reply, error) {
			if n <= 20 {
				return loadtest.Reply{Status: 503}, nil
			}
			return after(time.Millisecond)
		}}
		plan := planOf(loadtest.Constant{Rate: 10}, 100, 3*time.Second)
		plan.Warmup = 2 * time.Second
		report := run(t, plan, client)
		if client.calls.Load() != 50 || report.Sent != 30 || report.Refused != 0 || report.WindowSeconds != 3 {
			t.Errorf("%d calls, report %+v: want 50 calls, 30 reported, none refused", client.calls.Load(), report)
		}
		if report.GoodputPerSecond != 10 {
			t.Errorf("goodput %v, want 10", report.GoodputPerSecond)
		}
	})
}

func TestOutcomesAreToldApart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := &fakeClient{answer: func(_ context.Context, n int64, _ *loadtest.Request) (loadtest.Reply, error) {
			switch n % 4 {
			case 0:
				return loadtest.Reply{Status: 429, Code: "queue_full", Bytes: 7}, nil
			case 1:
				return loadtest.Reply{}, context.DeadlineExceeded
			}
			return after(20 * time.Millisecond)
		}}
		report := run(t, planOf(loadtest.Constant{Rate: 100}, 100, 4*time.Second), client)
		if report.Sent != 400 || report.Answered != 300 || report.Accepted != 200 || report.Refused != 100 || report.Failed != 100 {
			t.Errorf("counts are wrong: %+v", report)
		}
		if !maps.Equal(report.ByStatus, map[int]int64{200: 200, 429: 100}) ||
			!maps.Equal(report.ByCode, map[string]int64{"queue_full": 100}) ||
			!maps.Equal(report.Errors, map[string]int64{"timeout": 100}) {
			t.Errorf("by status %v, code %v, error %v", report.ByStatus, report.ByCode, report.Errors)
		}
		if report.Latency.Accepted.P50 < 19.9 || report.Latency.Refused.Max != 0 {
			t.Errorf("refusals, which were at once, are mixed with answers, which took 20 ms: %+v", report.Latency)
		}
		if want := (loadtest.Bytes{Sent: 400 * 5, Received: 200*10 + 100*7}); report.Bytes != want {
			t.Errorf("bytes %+v, want %+v", report.Bytes, want)
		}
	})
}

func TestKindsAreMixedByWeightOverAllTargets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		seen := map[string]int{}
		client := &fakeClient{answer: func(_ context.Context, _ int64, r *loadtest.Request) (loadtest.Reply, error) {
			mu.Lock()
			defer mu.Unlock()
			seen[r.URL.Host+" "+r.Kind]++
			return loadtest.Reply{Status: 200}, nil
		}}
		plan := planOf(loadtest.Constant{Rate: 1000}, 100, 4*time.Second)
		plan.Targets = []string{"http://a.test", "http://b.test"}
		plan.Kinds = []loadtest.Kind{{Name: "often", Weight: 3, Path: "/o"}, {Name: "seldom", Weight: 1, Path: "/s"}}
		plan.Seed = 42
		report := run(t, plan, client)
		if a := seen["a.test often"] + seen["a.test seldom"]; a != 2000 {
			t.Errorf("%d of 4000 went to the first of two targets", a)
		}
		for _, host := range []string{"a.test", "b.test"} {
			if often := seen[host+" often"]; often < 1400 || often > 1600 {
				t.Errorf("%s got %d of the kind with weight 3 in 4, want about 1500", host, often)
			}
		}
		if got := report.Kinds["often"]; got.Sent != int64(seen["a.test often"]+seen["b.test often"]) || got.Accepted != got.Sent {
			t.Errorf("report has %+v of the kind, seen %v", got, seen)
		}
	})
}

func TestAnInterruptedRunReportsWhatItFound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stopped := errors.New("stopped by hand")
		ctx, cancel := context.WithCancelCause(t.Context())
		client := &fakeClient{answer: func(ctx context.Context, n int64, _ *loadtest.Request) (loadtest.Reply, error) {
			if n == 25 {
				cancel(stopped)
				<-ctx.Done()
				return loadtest.Reply{}, ctx.Err()
			}
			return after(time.Millisecond)
		}}
		report, err := loadtest.Run(ctx, planOf(loadtest.Constant{Rate: 10}, 10, time.Hour), client)
		synctest.Wait() // for the call of Close
		if !errors.Is(err, stopped) {
			t.Errorf("error %v, want the cause", err)
		}
		if report.Accepted != 24 || report.Errors["canceled"] != 1 || client.closes.Load() != 1 {
			t.Errorf("accepted %d, errors %v, client closed %d times", report.Accepted, report.Errors, client.closes.Load())
		}
	})
}

func TestAPlanThatCannotRunIsRefused(t *testing.T) {
	t.Parallel()
	good := planOf(nil, 1, time.Second)
	for name, change := range map[string]func(*loadtest.Plan){
		"no targets":     func(p *loadtest.Plan) { p.Targets = nil },
		"no kinds":       func(p *loadtest.Plan) { p.Kinds = nil },
		"no connections": func(p *loadtest.Plan) { p.Connections = 0 },
		"no duration":    func(p *loadtest.Plan) { p.Duration = 0 },
		"a bad target":   func(p *loadtest.Plan) { p.Targets = []string{"ftp://x"} },
	} {
		plan := good
		change(&plan)
		if _, err := loadtest.Run(t.Context(), plan, &fakeClient{}); err == nil {
			t.Errorf("a plan with %s was run", name)
		}
	}
}

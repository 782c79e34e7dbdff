package gateway_test

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/ekiben/ekiben/gateway"
	"github.com/ekiben/ekiben/queue"
)

// beat is a worker that ran so many batches of so many rows, with a model.
func beat(instances int, batches, rows int64, fixedMS, perRowMS float64) queue.Heartbeat {
	return queue.Heartbeat{Instances: instances, Batches: batches, Rows: batches * rows, FixedMS: fixedMS, PerRowMS: perRowMS}
}

// load is a queue where so many calls of one row wait and as many as inHand run.
func load(seconds float64, waiting, inHand int, finished int64) queue.Stats {
	return queue.Stats{
		At: time.Duration(seconds * float64(time.Second)), Depth: waiting + inHand, Waiting: waiting, WaitingRows: waiting,
		Finished: finished, FinishedRows: finished, Workers: 1,
	}
}

// A tenth of every rate is not counted on.
func TestTheTimePerRowIsWhatTheRunnerDoesAtBest(t *testing.T) {
	t.Parallel()
	idle := []queue.Stats{load(0, 0, 0, 0)}
	learnt := []queue.Heartbeat{beat(2, 100, 10, 10, 1)} // 2 instances, 10 rows in 20 ms
	draining, changed, paused := learnt[0], load(2, 100, 20, 40), load(1, 100, 20, 0)
	draining.Draining, changed.Workers, paused.Gate = true, 2, queue.GatePaused
	larger := load(1, 100, 20, 40)
	larger.FinishedRows, larger.WaitingRows = 160, 400
	expired := load(2, 100, 20, 40)
	expired.Expired = 100
	for _, tt := range []struct {
		name    string
		samples []queue.Stats
		workers []queue.Heartbeat
		want    time.Duration
	}{
		{"nothing is known", nil, nil, 0},
		{"no stats", nil, learnt, 0},
		{"no model", idle, []queue.Heartbeat{beat(2, 0, 0, 0, 0)}, 0},
		{"no worker", idle, nil, 0},
		{"full batches", idle, learnt, 1100 * time.Microsecond},
		{"two workers", idle, []queue.Heartbeat{learnt[0], learnt[0]}, 560 * time.Microsecond},
		{"one that drains takes nothing", idle, []queue.Heartbeat{learnt[0], draining}, 1100 * time.Microsecond},
		{"one without a model is like the others", idle, []queue.Heartbeat{learnt[0], beat(2, 1, 1, 9000, 9000)}, 560 * time.Microsecond},
		{"the first batches say nothing", idle, []queue.Heartbeat{beat(1, 7, 10, 1000, 1000)}, 0},
		{"rows that came alone say nothing of company", idle, []queue.Heartbeat{beat(1, 100, 1, 5, 5)}, 1100 * time.Microsecond},
		{"two digits", idle, []queue.Heartbeat{beat(1, 100, 10, 12.345678, 0)}, 1400 * time.Microsecond},
		{"an idle runner's rate is that of arrival", []queue.Stats{load(0, 0, 1, 0), load(1, 0, 1, 1), load(2, 0, 1, 2)}, learnt, 1100 * time.Microsecond},
		{"and without a model none", []queue.Stats{load(0, 1, 1, 0), load(1, 1, 1, 1)}, []queue.Heartbeat{beat(2, 0, 0, 0, 0)}, 0},
		{"some that wait for company are no backlog", []queue.Stats{load(0, 19, 0, 0), load(1, 19, 0, 1), load(2, 19, 0, 2)}, learnt, 1100 * time.Microsecond},
		{"a backlog shows what it does", []queue.Stats{load(0, 100, 20, 0), load(1, 100, 20, 40), load(2, 100, 20, 80)}, learnt, 28 * time.Millisecond},
		{"also without a model", []queue.Stats{load(0, 100, 20, 0), load(2, 100, 20, 80)}, []queue.Heartbeat{beat(2, 0, 0, 0, 0)}, 28 * time.Millisecond},
		{"the slow start of a long batch does not", []queue.Stats{load(0, 100, 20, 0), load(1, 100, 20, 0)}, []queue.Heartbeat{beat(2, 100, 10, 10000, 0)}, 560 * time.Millisecond},
		{"a model that is too slow", []queue.Stats{load(0, 100, 20, 0), load(1, 100, 20, 1020)}, []queue.Heartbeat{beat(2, 100, 10, 1000, 0)}, 1100 * time.Microsecond},
		{"calls that run out of time leave too", []queue.Stats{load(0, 100, 20, 0), expired}, []queue.Heartbeat{beat(2, 0, 0, 0, 0)}, 14 * time.Millisecond},
		{"larger calls", []queue.Stats{load(0, 100, 20, 0), larger}, learnt, 4600 * time.Microsecond},
		{"a backlog that stood for long leaves headroom", []queue.Stats{load(0, 100, 20, 0), load(1, 100, 20, 0), load(5, 100, 20, 45), load(6, 100, 20, 90)}, learnt, 62 * time.Millisecond},
		{"the latest of it counts", []queue.Stats{load(0, 100, 20, 0), load(20, 100, 20, 9000), load(25, 100, 20, 9500)}, learnt, 11 * time.Millisecond},
		{"nothing moves", []queue.Stats{load(0, 100, 0, 0), load(9, 100, 0, 0)}, learnt, 1100 * time.Microsecond},
		{"nobody is let through", []queue.Stats{load(0, 100, 20, 0), paused, load(2, 100, 20, 0)}, learnt, 1100 * time.Microsecond},
		{"a worker more begins anew", []queue.Stats{load(0, 100, 20, 0), load(1, 100, 20, 20), changed}, learnt, 1100 * time.Microsecond},
		{"a flush begins anew", []queue.Stats{load(0, 100, 20, 500), load(1, 100, 20, 3)}, learnt, 1100 * time.Microsecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got, _, _ := gateway.RowTime(10, 1, tt.samples, tt.workers); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestAWaitIsTheTimeOfTheRowsBefore(t *testing.T) {
	t.Parallel()
	s := load(0, 10, 0, 0)
	s.WaitingRows = 30
	workers := []queue.Heartbeat{beat(1, 100, 10, 10, 0)}
	for ahead, want := range map[int]time.Duration{0: 0, 5: 15 * time.Millisecond, math.MaxInt: 365 * 24 * time.Hour} {
		if _, got, known := gateway.RowTime(10, ahead, []queue.Stats{s}, workers); got != want || !known {
			t.Errorf("%d ahead: %s, %v, want %s", ahead, got, known, want)
		}
	}
	if _, _, known := gateway.RowTime(10, -1, []queue.Stats{s}, workers); known {
		t.Error("a wait is known though the place is not")
	}
	if _, _, known := gateway.RowTime(10, 5, []queue.Stats{s}, nil); known {
		t.Error("a wait is known though the rate is not")
	}
}

// Whatever the batches, a runner that is busy is not taken to be slower than it is
// before that was seen, never much slower, and after half a minute not much faster.
func TestTheRateOfABusyRunnerIsSeen(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		batch := rapid.IntRange(1, 64).Draw(t, "batch")
		instances := rapid.IntRange(1, 8).Draw(t, "instances")
		took := rapid.Float64Range(0.001, 5).Draw(t, "seconds a batch")
		usual := rapid.IntRange(1, batch).Draw(t, "rows of the batches before")
		var offsets []float64
		for range instances {
			offsets = append(offsets, rapid.Float64Range(0, took).Draw(t, "offset"))
		}
		// What the model says of smaller batches is at most what full ones take.
		worker := beat(instances, 100, int64(usual), took*1000*rapid.Float64Range(0.01, 1).Draw(t, "of it known"), 0)
		truth := took / float64(instances*batch)
		var samples []queue.Stats
		for second := range 30 {
			finished := int64(0)
			for _, o := range offsets {
				finished += int64(max(math.Floor((float64(second)-o)/took)+1, 0)) * int64(batch)
			}
			samples = append(samples, load(float64(second), 10*instances*batch, instances*batch, finished))
			got, _, _ := gateway.RowTime(batch, 1, samples, []queue.Heartbeat{worker})
			least, most := 0.0, 1.06/0.9
			if finished >= int64(4*instances*batch) {
				most = 1.06 / 0.9 * 4 / 3
			}
			if second == 29 {
				least = 0.5
				if took < 0.2 {
					least, most = 1.0, 1.25
				}
			}
			if got.Seconds() < truth*least || got.Seconds() > truth*most {
				t.Fatalf("after %d s a row takes %s, in truth %.9f s", second, got, truth)
			}
		}
	})
}

func TestACallSaysHowFastItsRunnerIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue(everything())
		q.beats["all"] = []queue.Heartbeat{beat(1, 100, 32, 32, 0)}
		g := newGateway(t, q, setup{config: func(c *gateway.Config) { c.CallerShare = 0.5 }})
		run := func() queue.Admission {
			send(t, g.Handler(), "POST", "/v1/runners/all/text", "x")
			return q.last(t).Admission
		}
		if a := run(); a.RowTime != 0 || a.CallerShare != 0.5 {
			t.Errorf("at first %+v", a)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- g.Run(ctx) }()
		synctest.Wait()
		if a := run(); a.RowTime == 0 {
			t.Errorf("later %+v", a)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

package worker_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/runnables"
)

func TestHeartbeatsTellWhatTheWorkerDoes(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		r := options()
		r.Replicas = 2
		q.put(call(1, 1, 2), call(2, 3), call(3, 13))
		s := play(t, q, r, kindOf(double("run", broken(13))))
		time.Sleep(10 * time.Second)
		got := q.lastBeat()
		if got.Worker != "w" || got.Instances != 2 || got.Busy != 0 || got.Batches != 1 || got.Rows != 4 || got.Calls != 3 || got.Failed != 1 {
			t.Errorf("heartbeat %+v", got)
		}
		if got.Host == "" || got.PID == 0 {
			t.Errorf("heartbeat of host %q, process %d", got.Host, got.PID)
		}
		if n := len(q.times("beat")); n < 4 || n > 6 {
			t.Errorf("%d heartbeats in 10s, want one every 3s and one when ready", n)
		}
		s.end()
	})
}

func TestHeartbeatsCarryTheCostModelAndWhoIsBusy(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		s := learnt(t, q)
		got := q.lastBeat()
		if total := got.FixedMS + got.PerRowMS; total < 999 || total > 1001 {
			t.Errorf("a row costs %v + %v ms, want 1000 in all", got.FixedMS, got.PerRowMS)
		}
		q.put(call(1, make([]int64, 64)...)) // eight pieces of a second
		time.Sleep(5 * time.Second)
		if got := q.lastBeat(); got.Busy != 1 {
			t.Errorf("%d instances are busy, want 1", got.Busy)
		}
		wantMetric(t, s, `ekiben_instances{runner="fake",state="busy"} 1`)
		wantMetric(t, s, `ekiben_instances{runner="fake",state="idle"} 0`)
		time.Sleep(10 * time.Second)
		s.end()
	})
}

func TestLatencyIsThatOfTheLastMinute(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		s := play(t, q, options(), kindOf(double("run", slow(10*time.Millisecond))))
		time.Sleep(time.Second)
		q.put(call(1, 1), call(2, 2))
		time.Sleep(20 * time.Second)
		counts := q.lastBeat().Latency
		if len(counts) != queue.LatencyBuckets {
			t.Fatalf("%d buckets, want %d", len(counts), queue.LatencyBuckets)
		}
		near, elsewhere := int64(0), int64(0)
		for i, n := range counts {
			if at := queue.LatencyBound(i); at >= 10*time.Millisecond && at < 14*time.Millisecond {
				near += n
			} else {
				elsewhere += n
			}
		}
		if near != 2 || elsewhere != 0 {
			t.Errorf("%d calls took 10ms to 14ms and %d did not, want 2 and none", near, elsewhere)
		}
		time.Sleep(50 * time.Second)
		q.put(call(3, 3)) // counted where the first two were
		time.Sleep(5 * time.Second)
		total := int64(0)
		for _, n := range q.lastBeat().Latency {
			total += n
		}
		if total != 1 {
			t.Errorf("%d calls ended in the last minute, want 1", total)
		}
		time.Sleep(70 * time.Second)
		if counts := q.lastBeat().Latency; counts != nil {
			t.Errorf("after a minute it is still %v", counts)
		}
		s.end()
	})
}

// What failed, or ran in pieces, says nothing of what a batch costs.
func TestTheCostModelLearnsFromWholeBatches(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		s := play(t, q, options(), kindOf(double("run", func(ctx context.Context, rows []int64) error {
			time.Sleep(time.Second)
			return broken(13)(ctx, rows)
		})))
		q.put(call(1, 13), call(2, 2), call(3, make([]int64, 30)...))
		time.Sleep(20 * time.Second)
		s.end()
		q.want(t, 2, "[4]")
		if b := q.lastBeat(); b.FixedMS != 0 || b.PerRowMS != 0 || b.Batches != 2 {
			t.Errorf("after %d batches a row costs %v + %v ms, want 2 and nothing known", b.Batches, b.FixedMS, b.PerRowMS)
		}
	})
}

func TestAHeartbeatIsSentAtStartAndWhenReady(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		kind := kindOf(double("run", nil))
		s := play(t, q, options(), runnables.Kind{New: func(ctx context.Context, setup runnables.Setup) (runnables.Runnable, error) {
			time.Sleep(time.Second)
			return kind.New(ctx, setup)
		}})
		time.Sleep(1100 * time.Millisecond)
		if at := q.times("beat"); len(at) != 2 || at[0] != 0 || at[1] != time.Second {
			t.Errorf("heartbeats after %v, want 0s and 1s", at)
		}
		if b := q.lastBeat(); b.Instances != 1 {
			t.Errorf("%d instances, want 1", b.Instances)
		}
		s.end()
	})
}

// A queue that was flushed gets the spec again, from a heartbeat.
func TestARunnerThatTheQueueLostIsAnnouncedAgain(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		s := play(t, q, options(), kindOf(double("run", nil)))
		time.Sleep(10 * time.Second)
		q.do(func() { q.spec = nil })
		time.Sleep(4 * time.Second)
		s.end()
		if q.spec == nil {
			t.Error("the runner is still unknown")
		}
	})
}

func TestTheSpecSaysWhatGatewaysNeed(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		r := options()
		r.MaxLatency, r.MaxConcurrency = 1500*time.Microsecond, 7
		r.Methods = []runnables.MethodLimits{{Name: "alone", MaxBatchSize: 3, MaxLatency: time.Second}}
		s := play(t, q, r, kindOf(double("run", nil), double("alone", nil)))
		time.Sleep(time.Second)
		s.end()
		var spec runnables.Spec
		if err := json.Unmarshal(q.spec, &spec); err != nil {
			t.Fatal(err)
		}
		if spec.Runner != served || spec.Runnable != "fake" || spec.MaxQueue != 10_000 || spec.MaxQueueBytes != 256<<20 || spec.MaxConcurrency != 7 {
			t.Errorf("spec %+v", spec)
		}
		alone, run := spec.Methods[0], spec.Methods[1]
		if alone.Name != "alone" || alone.MaxBatchSize != 3 || alone.MaxLatencyMS != 1000 {
			t.Errorf("first method %+v, want alone, 3 rows, 1000ms", alone)
		}
		if run.Name != "run" || run.MaxBatchSize != 8 || run.MaxLatencyMS != 1.5 || !run.Batchable {
			t.Errorf("second method %+v, want run, 8 rows, 1.5ms", run)
		}
	})
}

func TestTheNewestSpecWins(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		stored string
		warns  bool
	}{
		"nothing stored":    {"", false},
		"another signature": {`{"runner":"fake","methods":[{"name":"old"}]}`, true},
		"not even JSON":     {`{`, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				q := newFakeQueue()
				if tc.stored != "" {
					q.spec = []byte(tc.stored)
				}
				s := play(t, q, options(), kindOf(double("run", nil)))
				time.Sleep(time.Second)
				s.end()
				first := string(q.spec)
				if !strings.Contains(first, `"run"`) {
					t.Errorf("spec is %s", first)
				}
				if warns := strings.Contains(s.log.String(), "new signature"); warns != tc.warns {
					t.Errorf("warned %t, want %t: %s", warns, tc.warns, s.log)
				}

				// A worker like the first changes nothing and has nothing to say.
				s = play(t, q, options(), kindOf(double("run", nil)))
				time.Sleep(time.Second)
				s.end()
				if string(q.spec) != first || strings.Contains(s.log.String(), "new signature") {
					t.Errorf("spec became %s, log %s", q.spec, s.log)
				}
			})
		})
	}
}

func TestASpecThatNoLivingWorkerServesIsReplaced(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		s := play(t, q, options(), kindOf(double("run", nil)))
		time.Sleep(5 * time.Second)
		ours := q.published()
		foreign := []byte(`{"runner": "fake"}`)
		q.do(func() {
			q.spec = foreign
			q.others = []queue.Heartbeat{{Worker: "other", Spec: "d4f9f0a4b1b7c6d5"}}
		})
		time.Sleep(20 * time.Second)
		if got := q.published(); got != ours {
			t.Errorf("the published spec is %s, want ours: the one that was there is nobody's", got)
		}
		digest := sha256.Sum256(foreign)
		q.do(func() {
			q.spec = foreign
			q.others = []queue.Heartbeat{{Worker: "other", Spec: hex.EncodeToString(digest[:8])}}
		})
		time.Sleep(20 * time.Second)
		if got := q.published(); got != string(foreign) {
			t.Errorf("the published spec is %s, want that of the other worker, which lives", got)
		}
		s.end()
	})
}

func TestLimitsOfAMethodThatDoesNotExistAreRefused(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		r := options()
		r.Methods = []runnables.MethodLimits{{Name: "runn", MaxBatchSize: 3}}
		s := play(t, newFakeQueue(), r, kindOf(double("run", nil)))
		if err := <-s.done; err == nil || !strings.Contains(err.Error(), `has method "runn"; there are: run`) {
			t.Errorf("Run() = %v", err)
		}
	})
}

package worker_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/ekiben/ekiben/internal/redistest"
	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/worker"
)

// site is a queue on a real Redis, with a gateway's end of it.
type site struct {
	t        *testing.T
	queue    *queue.Queue
	producer *queue.Producer
}

// employ runs a worker of the runnable on a real Redis until the test ends.
func employ(t *testing.T, kind runnables.Kind) *site {
	t.Helper()
	config := queue.DefaultConfig()
	config.URL, config.Prefix = redistest.URL(t), redistest.Prefix()
	config.CrashBackoff = time.Millisecond
	q, err := queue.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	w, err := worker.New(worker.DefaultConfig(), worker.On(q), runnables.Kinds{"fake": kind},
		worker.Anywhere(options()), worker.Telemetry{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, queue: q, producer: q.NewProducer("gw-" + redistest.Prefix())}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 2)
	go func() { ended <- w.Run(ctx) }()
	go func() { ended <- s.producer.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		for range 2 {
			if err := <-ended; err != nil {
				t.Errorf("Run() = %v", err)
			}
		}
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// submit submits a job of each value.
func (s *site) submit(values ...int64) (ids []string) {
	s.t.Helper()
	for _, v := range values {
		c := call(0, v).Call
		c.ID, c.Timeout = queue.NewID(served), time.Minute
		c.Admission = queue.Admission{MaxCalls: 1000, MaxBytes: 1 << 20}
		if _, err := s.producer.Submit(s.t.Context(), c); err != nil {
			s.t.Fatal(err)
		}
		ids = append(ids, c.ID)
	}
	return ids
}

// await waits until the jobs have ended, as they should.
func (s *site) await(state queue.State, ids ...string) {
	s.t.Helper()
	for _, id := range ids {
		job, err := s.producer.Wait(s.t.Context(), id, time.Minute)
		if err != nil {
			s.t.Fatal(err)
		}
		if job.State != state {
			s.t.Fatalf("job %s is %s: %v; want %s", id, job.State, job.Err, state)
		}
	}
}

// awaitRest polls until nothing is queued or runs.
func (s *site) awaitRest() {
	s.t.Helper()
	for {
		stats, err := s.queue.Stats(s.t.Context(), served)
		if err != nil {
			s.t.Fatal(err)
		}
		if stats[0].Depth == 0 {
			return
		}
	}
}

func TestACanceledJobStopsItsMethodOverRedis(t *testing.T) {
	t.Parallel()

	runs, stopped := make(chan struct{}, 8), make(chan error, 8)
	s := employ(t, kindOf(double("run", func(ctx context.Context, _ []int64) error {
		runs <- struct{}{}
		<-ctx.Done()
		stopped <- context.Cause(ctx)
		return ctx.Err()
	})))
	ids := s.submit(1)
	<-runs
	if _, err := s.queue.Cancel(t.Context(), ids[0]); err != nil {
		t.Fatal(err)
	}
	if cause := <-stopped; cause == nil {
		t.Error("the method was stopped without a cause")
	}
	s.awaitRest()
	s.await(queue.Canceled, ids...)
}

// A call that crashes its instance is given up, and no other with it.
func TestOnlyTheCulpritOfCrashesFailsOverRedis(t *testing.T) {
	t.Parallel()

	gate := make(chan struct{})
	s := employ(t, kindOf(double("run", func(ctx context.Context, rows []int64) error {
		<-gate
		return crashing(13)(ctx, rows)
	})))
	good, bad := s.submit(1, 2, 3), s.submit(13)
	good = append(good, s.submit(4, 5)...)
	close(gate)
	s.await(queue.Succeeded, good...)
	s.await(queue.Failed, bad...)
	job, err := s.queue.Job(t.Context(), bad[0])
	if err != nil || job.Err == nil || job.Err.Code != queue.CodeWorkerLost {
		t.Errorf("the culprit ended with %v, %v", job.Err, err)
	}
	s.awaitRest()
}

package worker_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/worker"
)

func TestNewReportsEverythingThatIsWrong(t *testing.T) {
	t.Parallel()

	_, err := worker.New(worker.Config{ID: "a/b", DrainTimeout: -1}, newFakeQueue(), runnables.Kinds{"fake": kindOf()},
		worker.Anywhere([]runnables.Runner{
			{Name: "Upper", Runnable: "fake"},
			{Name: "twice", Runnable: "fake"},
			{Name: "twice", Runnable: "fake"},
			{Name: "unknown", Runnable: "onnx"},
			{Name: "negative", Runnable: "fake", Replicas: -1, MaxBatchSize: -2},
		}...), worker.Telemetry{})
	if err == nil {
		t.Fatal("New() = nil error")
	}
	for _, want := range []string{
		`worker id is "a/b"`, "drain timeout is -1ns", `"Upper"`, `"twice" is there twice`, `without runnable "onnx"`,
		"replicas is -1", "max_batch_size is -2",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("New() does not say %q: %v", want, err)
		}
	}
	if _, err := worker.New(worker.DefaultConfig(), newFakeQueue(), nil, nil, worker.Telemetry{}); err == nil {
		t.Error("a worker without runners is no error")
	}
}

func TestTwoWorkersCannotShareMetrics(t *testing.T) {
	t.Parallel()

	telemetry := worker.Telemetry{Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry()}
	for i := range 2 {
		_, err := worker.New(worker.DefaultConfig(), newFakeQueue(), runnables.Kinds{"fake": kindOf(double("run", nil))},
			worker.Anywhere(options()), telemetry)
		if (err != nil) != (i == 1) {
			t.Errorf("worker %d: New() = %v", i, err)
		}
	}
}

func TestWorkersHaveNamesOfTheirOwn(t *testing.T) {
	t.Parallel()

	a, b := worker.DefaultConfig(), worker.DefaultConfig()
	if a.ID == b.ID || a.ID == "" || strings.ContainsAny(a.ID, "/ ") {
		t.Errorf("two workers are called %q and %q", a.ID, b.ID)
	}
}

// What a client sent is quoted by errors about it, and must not be in the log.
func TestPayloadsAreNotLogged(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		m := runnables.Batch("run", "x", func(_ context.Context, in []string) ([]string, error) {
			return nil, runnables.InputErrorf("%q is not acceptable", in[0])
		})
		d := call(1, 1)
		d.Inputs[0].Tensor = texts(1)
		secret := d
		secret.ID = "2"
		secret.Method = "mismatch"
		s := perform(t, kindOf(m), d, secret)
		s.queue.want(t, 1, queue.CodeInvalidInput)
		if log := s.log.String(); strings.Contains(log, "acceptable") || strings.Contains(log, "failed") {
			t.Errorf("the log says %s", log)
		}
	})
}

// Messages for clients are bounded and valid UTF-8.
func TestLongMessagesAreCut(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		s := perform(t, kindOf(double("run", func(context.Context, []int64) error {
			return errors.New(strings.Repeat("ü", 600) + "\xff")
		})), call(1, 1))
		got := s.queue.replies["1"].Err.Message
		if len(got) > 1030 || strings.ToValidUTF8(got, "") != got || !strings.HasSuffix(got, "ü…") {
			t.Errorf("a message of %d bytes ends in %q", len(got), got[len(got)-6:])
		}
	})
}

// Two runners in one process have instances, queues and readiness of their own.
func TestOneWorkerServesSeveralRunners(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		slowStart := runnables.Kind{New: func(context.Context, runnables.Setup) (runnables.Runnable, error) {
			time.Sleep(time.Minute)
			return runnables.New(double("run", nil))
		}}
		other := options()
		other.Name, other.Runnable = "late", "slow"
		w, err := worker.New(worker.Config{ID: "w", DrainTimeout: time.Second}, q,
			runnables.Kinds{"fake": kindOf(double("run", nil)), "slow": slowStart},
			worker.Anywhere(options(), other), worker.Telemetry{Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		time.Sleep(10 * time.Second)
		if reasons := w.NotReady(); len(reasons) != 1 || reasons["late"] == "" {
			t.Errorf("not ready: %v, want only the late one", reasons)
		}
		q.put(call(1, 1))
		time.Sleep(time.Minute)
		q.want(t, 1, "[2]")
		if !w.Ready() {
			t.Errorf("not ready: %v", w.NotReady())
		}
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run() = %v", err)
		}
	})
}

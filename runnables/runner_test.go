package runnables_test

import (
	"strings"
	"testing"
	"time"

	"github.com/ekiben/ekiben/runnables"
)

func TestARunnerNeedsANameAndARunnable(t *testing.T) {
	t.Parallel()
	r := runnables.Runner{Name: "echo", Runnable: "echo"}.WithDefaults()
	if err := r.Validate(); err != nil {
		t.Error(err)
	}
	if r.MaxBatchSize != 32 || r.MaxLatency != 100*time.Millisecond || r.Batching != runnables.BatchAdaptive {
		t.Errorf("got %+v", r)
	}
}

func TestEveryFaultOfARunnerIsReported(t *testing.T) {
	t.Parallel()
	r := runnables.Runner{
		Name: "No Name", Replicas: -1, MaxBatchSize: -1, Batching: "eager", MaxQueue: -1, MaxQueueBytes: -1, MaxConcurrency: -1,
		Methods: []runnables.MethodLimits{{}, {Name: "m", MaxBatchSize: -1}, {Name: "m"}},
	}
	err := r.WithDefaults().Validate()
	if err == nil {
		t.Fatal("accepted")
	}
	for _, fault := range []string{
		`name "No Name" must match`, "runnable is missing", "replicas is -1", "max_batch_size is -1", `batching is "eager"`,
		"max_queue is -1", "max_queue_bytes is -1", "max_concurrency is -1", "without a name", `method "m" twice`, `max_batch_size of method "m" is -1`,
	} {
		if !strings.Contains(err.Error(), fault) {
			t.Errorf("%q is not in: %v", fault, err)
		}
	}
}

func TestLimitsOfAMethodOverrideThoseOfItsRunner(t *testing.T) {
	t.Parallel()
	r := runnables.Runner{MaxLatency: time.Second, Methods: []runnables.MethodLimits{
		{Name: "small", MaxBatchSize: 4}, {Name: "quick", MaxLatency: time.Millisecond}, {Name: "now", MaxLatency: -1},
	}}.WithDefaults()
	for method, want := range map[string]struct {
		rows int
		wait time.Duration
	}{
		"small": {4, time.Second}, "quick": {32, time.Millisecond}, "now": {32, 0}, "other": {32, time.Second},
	} {
		if rows, wait := r.Limits(method); rows != want.rows || wait != want.wait {
			t.Errorf("%s: got %d rows and %v, want %+v", method, rows, wait, want)
		}
	}
}

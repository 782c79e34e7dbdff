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

func TestFilesOfARunnerAreFoundFromItsFolder(t *testing.T) {
	t.Parallel()
	for want, r := range map[string]runnables.Runner{"model.onnx": {}, "/models/model.onnx": {Dir: "/models"}} {
		if got := r.Path("model.onnx"); got != want {
			t.Errorf("Path() = %s, want %s", got, want)
		}
	}
	if got := (runnables.Runner{Dir: "/models"}).Path("/else/where"); got != "/else/where" {
		t.Errorf("an absolute path became %s", got)
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

func TestAnOptionThatCannotBeIsRefusedWithASentence(t *testing.T) {
	t.Parallel()
	custom := func(name string) map[string]runnables.Quantity {
		return map[string]runnables.Quantity{name: runnables.Amount(1)}
	}
	for _, tc := range []struct {
		option, want string
		runner       runnables.Runner
	}{
		{"name", "at most 63 characters, as iris_clf does", runnables.Runner{Name: "Iris_Clf"}},
		{"models", `"iris:", want name or name:version`, runnables.Runner{Models: []string{"iris:"}}},
		{"models", `"Iris"`, runnables.Runner{Models: []string{"iris:1.2", "Iris"}}},
		{"models", "has iris twice", runnables.Runner{Models: []string{"iris", "iris"}}},
		{"cpu", "cores cannot be chosen", runnables.Runner{CPU: runnables.Devices("0", "2")}},
		{"nvidia_gpu", "workers_per_resource: 2 has", runnables.Runner{NvidiaGPU: runnables.Amount(0.5)}},
		{"nvidia_gpu", "workers_per_resource: 4 has", runnables.Runner{NvidiaGPU: runnables.Amount(0.25)}},
		{"nvidia_gpu", "is 1.5, want a whole number", runnables.Runner{NvidiaGPU: runnables.Amount(1.5)}},
		{"custom_resources", `name "a b"`, runnables.Runner{CustomResources: custom("a b")}},
		{"custom_resources", "has an option of its own", runnables.Runner{CustomResources: custom("nvidia.com/gpu")}},
		{"custom_resources", "has cpu, which has an option of its own", runnables.Runner{CustomResources: custom("cpu")}},
		{"custom_resources", "has nvidia_gpu, which has an option of its own", runnables.Runner{CustomResources: custom("nvidia_gpu")}},
		{"custom_resources", "at most 63 characters", runnables.Runner{CustomResources: custom(strings.Repeat("a", 64))}},
		{"workers_per_resource", "is 1025, want a number above 0 and at most 1024", runnables.Runner{WorkersPerResource: 1025}},
		{"replicas", "is 1025, want 1 to 1024", runnables.Runner{Replicas: 1025}},
		{"python", "want a path or a name", runnables.Runner{Runnable: "python:m:C", Python: "py\x00"}},
		{"workers_per_resource", "is -1", runnables.Runner{WorkersPerResource: -1}},
		{"strategy", `is "My Way"`, runnables.Runner{Strategy: "My Way"}},
		{"isolation", `is "vm", want none or process`, runnables.Runner{Isolation: "vm"}},
		{"python", "this one is of kind echo", runnables.Runner{Python: "python3"}},
		{"env", `name "A=B"`, runnables.Runner{Env: map[string]string{"A=B": "c"}}},
		{"env", "the value of A has a zero byte", runnables.Runner{Env: map[string]string{"A": "\x00"}}},
		{"retry", "attempts is -1", runnables.Runner{Retry: runnables.RetryPolicy{Attempts: -1}}},
	} {
		r := tc.runner
		if r.Name == "" {
			r.Name = "r"
		}
		if r.Runnable == "" {
			r.Runnable = "echo:x"
		}
		faults := r.WithDefaults().Check()
		if len(faults) != 1 || faults[0].Option != tc.option || !strings.Contains(faults[0].Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", tc.option, faults, tc.want)
		}
	}
}

func TestEveryOptionTogetherIsFine(t *testing.T) {
	t.Parallel()
	r := runnables.Runner{
		Name: "a.b-c_d", Runnable: "python:m:C", Models: []string{"iris", "iris:latest", "a:v1.2-x"}, Python: "/usr/bin/python3", Strategy: "one-each",
		CPU: runnables.Amount(0.5), NvidiaGPU: runnables.Devices("0", "GPU-1"), WorkersPerResource: 0.5,
		CustomResources: map[string]runnables.Quantity{"amd.com/gpu": runnables.System(), "tpu": {}},
		Isolation:       runnables.IsolationProcess, Env: map[string]string{"_A1": ""}, Replicas: 3,
	}
	if err := r.WithDefaults().Validate(); err != nil {
		t.Error(err)
	}
	r.Replicas, r.WorkersPerResource, r.CustomResources = 1024, 1024, map[string]runnables.Quantity{strings.Repeat("a", 63): {}}
	if err := r.WithDefaults().Validate(); err != nil {
		t.Error(err)
	}
}

// What belongs to a runnable that is missing is not wrong too.
func TestAMissingRunnableIsOneFault(t *testing.T) {
	t.Parallel()
	faults := runnables.Runner{Name: "a", Python: "python3"}.WithDefaults().Check()
	if len(faults) != 1 || faults[0].Error() != "runnable is missing" {
		t.Errorf("got %v", faults)
	}
}

func TestSomeNamesAreReserved(t *testing.T) {
	t.Parallel()
	for _, name := range append(runnables.SharedOptions(), "service.a") {
		if err := runnables.Reserved(name); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := runnables.Reserved("services"); err != nil {
		t.Error(err)
	}
}

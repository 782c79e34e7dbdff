package runnerfile_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ekiben/ekiben/internal/runnerfile"
	"github.com/ekiben/ekiben/runnables"
)

const everyOption = `
runners:
  - name: all
    runnable: python:my.module:Class
    init: {model: "iris_clf:latest", size: 4}
    models: [iris_clf, "iris_clf:v2"]
    cpu: 500m
    nvidia_gpu: [0, GPU-1]
    custom_resources: {tpu: 2, amd.com/gpu: system}
    workers_per_resource: 0.5
    strategy: mine
    replicas: 3
    isolation: process
    python: /usr/bin/python3
    env: {A: b, N: 4, B: true}
    max_execution_ms: 1500
    max_batch_size: 20
    max_latency_ms: 0
    batching: fixed
    runnable_method_configs:
      - {name: predict, max_batch_size: 10, max_latency_ms: 0.5}
      - {method_name: embed, max_batch_size: 11}
    max_queue: 7
    max_queue_bytes: 9
    max_concurrency: 5
    retry: {attempts: 3, backoff_ms: 500}
    from_zero: true
`

const everyOptionByName = `
runners:
  all:
    runnable: python:my.module:Class
    runnable_init_params: {model: "iris_clf:latest", size: 4}
    models: [iris_clf, "iris_clf:v2"]
    resources: {cpu: 0.5, nvidia.com/gpu: [0, GPU-1], tpu: 2, amd.com/gpu: system}
    workers_per_resource: 0.5
    strategy: mine
    replicas: 3
    isolation: process
    python: /usr/bin/python3
    env: {A: b, N: "4", B: "true"}
    max_execution_ms: 1500
    batching: {enabled: true, max_batch_size: 20, max_latency_ms: 0}
    method_configs:
      predict: {max_batch_size: 10, max_latency_ms: 0.5}
      embed: {max_batch_size: 11}
    max_queue: 7
    max_queue_bytes: 9
    traffic: {timeout: null, max_concurrency: 5}
    retry: {attempts: 3, backoff_ms: 500, max_backoff_ms: 600000}
    from_zero: true
    logging: {access: {enabled: false}}
    metrics: {enabled: true}
`

func everything() runnables.Runner {
	return runnables.Runner{
		Name: "all", Runnable: "python:my.module:Class", Init: runnables.Init{"model": "iris_clf:latest", "size": int64(4)},
		Models: []string{"iris_clf", "iris_clf:v2"}, CPU: runnables.Amount(0.5), NvidiaGPU: runnables.Devices("0", "GPU-1"),
		CustomResources: map[string]runnables.Quantity{"tpu": runnables.Amount(2), "amd.com/gpu": runnables.System()}, WorkersPerResource: 0.5,
		Strategy: "mine", Replicas: 3, Isolation: runnables.IsolationProcess, Python: "/usr/bin/python3",
		Env: map[string]string{"A": "b", "N": "4", "B": "true"}, MaxExecution: 1500 * time.Millisecond, MaxBatchSize: 20, MaxLatency: -1, Batching: runnables.BatchFixed,
		Methods:  []runnables.MethodLimits{{Name: "predict", MaxBatchSize: 10, MaxLatency: 500 * time.Microsecond}, {Name: "embed", MaxBatchSize: 11}},
		MaxQueue: 7, MaxQueueBytes: 9, MaxConcurrency: 5, FromZero: true, Dir: "/files",
		Retry: runnables.RetryPolicy{Attempts: 3, Backoff: 500 * time.Millisecond, MaxBackoff: 10 * time.Minute},
	}
}

// parse reads a file that is right.
func parse(t *testing.T, file string, base runnerfile.Base) ([]runnables.Runner, []runnerfile.Warning) {
	t.Helper()
	all, warnings, err := runnerfile.Parse([]byte(file), base)
	if err != nil {
		t.Fatalf("%s\n%v", file, err)
	}
	return all, warnings
}

func one(t *testing.T, file string) runnables.Runner {
	t.Helper()
	all, _ := parse(t, file, runnerfile.Base{Dir: "/files"})
	if len(all) != 1 {
		t.Fatalf("there are %d runners", len(all))
	}
	return all[0]
}

func TestEveryOptionIsReadInBothForms(t *testing.T) {
	t.Parallel()
	want := everything()
	fields := reflect.ValueOf(want)
	for i := range fields.NumField() {
		if fields.Field(i).IsZero() {
			t.Errorf("%s is not in this test", fields.Type().Field(i).Name)
		}
	}
	if got := one(t, everyOption); !reflect.DeepEqual(got, want) {
		t.Errorf("the list has\n%+v\nwant\n%+v", got, want)
	}
	want.Batching = runnables.BatchAdaptive
	if got := one(t, everyOptionByName); !reflect.DeepEqual(got, want) {
		t.Errorf("the map has\n%+v\nwant\n%+v", got, want)
	}
}

func TestARunnerThatSaysNothingHasTheDefaults(t *testing.T) {
	t.Parallel()
	want := runnables.Runner{Name: "a", Runnable: "x", Dir: "/files"}.WithDefaults()
	for _, file := range []string{
		"runners: [{name: a, runnable: x}]", "runners: {a: {runnable: x}}", "runners: [{name: a, runnable: x, cpu: ~, nvidia_gpu: null, custom_resources: ~}]",
		"runners: [{name: a, runnable: x, max_batch_size: ~, resources: system, batching: {}, env: ~, init: ~, retry: ~, traffic: ~, method_configs: ~}]",
	} {
		if got := one(t, file); !reflect.DeepEqual(got, want) {
			t.Errorf("%s\ngot  %+v\nwant %+v", file, got, want)
		}
	}
}

func TestResourcesAreReadInEveryForm(t *testing.T) {
	t.Parallel()
	type q = runnables.Quantity
	for form, want := range map[string]q{
		"4": runnables.Amount(4), "2.0": runnables.Amount(2), `"4"`: runnables.Amount(4), `"500m"`: runnables.Amount(0.5), "1500m": runnables.Amount(1.5),
		"system": runnables.System(), "null": {}, "0": runnables.Amount(0), "${NONE:-3}": runnables.Amount(3), `"${NONE:-250m}"`: runnables.Amount(0.25),
		`"${NONE:-}"`: {}, "${NONE:-null}": {},
	} {
		for _, file := range []string{
			"runners:\n  - name: a\n    runnable: x\n    cpu: " + form,
			"runners:\n  a:\n    runnable: x\n    resources:\n      cpu: " + form,
		} {
			if got := one(t, file).CPU; !reflect.DeepEqual(got, want) {
				t.Errorf("%s: got %v, want %v", file, got, want)
			}
		}
	}
	for form, want := range map[string]q{
		"[0, 2]": runnables.Devices("0", "2"), "[GPU-ab]": runnables.Devices("GPU-ab"), "[]": runnables.Amount(0), "2": runnables.Amount(2), "system": runnables.System(),
	} {
		if got := one(t, "runners: [{name: a, runnable: x, nvidia_gpu: "+form+"}]").NvidiaGPU; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, want %v", form, got, want)
		}
	}
}

func TestBatchingThatIsOffRunsEveryRowAlone(t *testing.T) {
	t.Parallel()
	r := one(t, "runners: {a: {runnable: x, batching: {enabled: false, max_batch_size: 50}, method_configs: {m: {max_batch_size: 9}}}}")
	rows, _ := r.Limits("m")
	if r.Batching != runnables.BatchNone || r.MaxBatchSize != 1 || rows != 1 {
		t.Errorf("got %+v", r)
	}
	r = one(t, "runners: {batching: {enabled: false}, a: {runnable: x, batching: fixed}}")
	if r.Batching != runnables.BatchFixed || r.MaxBatchSize != 32 {
		t.Errorf("a runner that has a way to wait has %+v", r)
	}
}

func TestWhatHasNoEffectIsAWarning(t *testing.T) {
	t.Parallel()
	_, warnings := parse(t, "runners:\n  logging: {access: {enabled: true}}\n  a:\n    runnable: x\n    metrics: {enabled: false}\n    cpu: 2\n", runnerfile.Base{})
	if len(warnings) != 2 || warnings[0].Runner != "" || warnings[0].Line != 2 || warnings[1].Runner != "a" || warnings[1].Line != 5 {
		t.Errorf("got %+v", warnings)
	}
}

func TestVariablesOfWhatIsNoProcessAreAWarning(t *testing.T) {
	t.Parallel()
	base := runnerfile.Base{Isolated: func(r runnables.Runner) bool { return r.Kind() == "python" }}
	_, warnings := parse(t, `
runner_defaults: {env: {A: a}}
runners:
  - {name: shares, runnable: x}
  - name: here
    runnable: x
    env: {B: b}
  - {name: isolated, runnable: x, isolation: process, env: {B: b}}
  - {name: python, runnable: "python:m:C", env: {B: b}}
  - {name: nothing, runnable: x, env: {}}
`, base)
	if len(warnings) != 1 || warnings[0].Runner != "here" || warnings[0].Line != 7 || !strings.Contains(warnings[0].Message, "env has no effect") {
		t.Errorf("got %+v", warnings)
	}
}

func TestAMethodThatIsOnlyNamedHasTheLimitsOfItsRunner(t *testing.T) {
	t.Parallel()
	r := one(t, "runners: [{name: a, runnable: x, max_batch_size: 7, method_configs: {m: ~, n: {}}}]")
	if rows, wait := r.Limits("m"); len(r.Methods) != 2 || rows != 7 || wait != 100*time.Millisecond {
		t.Errorf("m has %d rows and %v: %+v", rows, wait, r.Methods)
	}
}

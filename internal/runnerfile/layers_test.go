package runnerfile_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ekiben/ekiben/internal/runnerfile"
	"github.com/ekiben/ekiben/runnables"
)

func TestOptionsOfAllRunnersAreMergedUnderEach(t *testing.T) {
	t.Parallel()
	all, _ := parse(t, `
runner_defaults:
  runnable: x
  max_queue: 5
  init: {a: 1, deep: {b: 2, c: 3}}
  env: {A: a, B: b}
  models: [one, two]
runners:
  resources: {cpu: 4, nvidia.com/gpu: 1, tpu: 2}
  batching: {max_batch_size: 100, max_latency_ms: 200}
  workers_per_resource: 2
  traffic: {max_concurrency: 7}
  plain:
  other:
    max_queue: 6
    init: {deep: {c: 4}, d: 5}
    env: {B: c}
    models: [three]
    resources: {cpu: 1}
    batching: {max_batch_size: 10}
    workers_per_resource: 1
  whole: {resources: null, max_concurrency: 0}
  flat: {nvidia_gpu: 2, custom_resources: {tpu: null}, max_latency_ms: 0, batching: none}
`, runnerfile.Base{})
	plain, other, whole, flat := all[0], all[1], all[2], all[3]
	if plain.Runnable != "x" || plain.MaxQueue != 5 || plain.MaxBatchSize != 100 || plain.MaxLatency != 200*time.Millisecond || plain.WorkersPerResource != 2 ||
		plain.MaxConcurrency != 7 || plain.CPU.Amount() != 4 || plain.NvidiaGPU.Amount() != 1 {
		t.Errorf("plain is %+v", plain)
	}
	wantInit := runnables.Init{"a": int64(1), "d": int64(5), "deep": map[string]any{"b": int64(2), "c": int64(4)}}
	if !reflect.DeepEqual(other.Init, wantInit) || !reflect.DeepEqual(other.Env, map[string]string{"A": "a", "B": "c"}) ||
		!reflect.DeepEqual(other.Models, []string{"three"}) || other.MaxQueue != 6 || other.MaxBatchSize != 10 || other.MaxLatency != 200*time.Millisecond ||
		other.CPU.Amount() != 1 || other.NvidiaGPU.Amount() != 1 || other.WorkersPerResource != 1 {
		t.Errorf("other is %+v", other)
	}
	if !reflect.DeepEqual(plain.Init["deep"], map[string]any{"b": int64(2), "c": int64(3)}) || plain.Env["B"] != "b" {
		t.Errorf("one runner has changed what the next one has: %+v", plain)
	}
	if whole.CPU.Given() || whole.NvidiaGPU.Given() || whole.CustomResources != nil || whole.MaxConcurrency != 0 {
		t.Errorf("whole is %+v", whole)
	}
	if flat.CPU.Amount() != 4 || flat.NvidiaGPU.Amount() != 2 || len(flat.CustomResources) != 0 || flat.MaxLatency != -1 ||
		flat.MaxBatchSize != 100 || flat.Batching != runnables.BatchNone {
		t.Errorf("flat is %+v", flat)
	}
}

func TestTheFileOverridesTheBinaryOptionByOption(t *testing.T) {
	t.Parallel()
	code := everything()
	code.Retry.MaxBackoff = 0
	before := fmt.Sprintf("%+v", code)
	other := runnables.Runner{Name: "other", Runnable: "echo"}
	all, _ := parse(t, `
runners:
  - name: new
    runnable: x
  - name: all
    init: {size: 5}
    env: {N: "5"}
    cpu: null
    custom_resources: {tpu: 3}
    max_batch_size: 21
    retry: {backoff_ms: 3600000}
    runnable_method_configs: {predict: {max_latency_ms: 1}, third: {max_batch_size: 2}}
    from_zero: false
`, runnerfile.Base{Runners: []runnables.Runner{code, other}, Dir: "/elsewhere"})
	want := everything()
	want.Init["size"], want.Env["N"], want.CPU, want.MaxBatchSize, want.FromZero = int64(5), "5", runnables.Quantity{}, 21, false
	want.Dir = "/elsewhere"
	want.CustomResources["tpu"] = runnables.Amount(3)
	want.Retry.Backoff, want.Retry.MaxBackoff = time.Hour, time.Hour
	want.Methods[0].MaxLatency = time.Millisecond
	want.Methods = append(want.Methods, runnables.MethodLimits{Name: "third", MaxBatchSize: 2})
	names := []string{all[0].Name, all[1].Name, all[2].Name}
	if !reflect.DeepEqual(names, []string{"other", "new", "all"}) {
		t.Fatalf("the runners are %v", names)
	}
	if !reflect.DeepEqual(all[2], want) {
		t.Errorf("got\n%+v\nwant\n%+v", all[2], want)
	}
	if !reflect.DeepEqual(all[0], other.WithDefaults()) {
		t.Errorf("what the file does not mention is %+v", all[0])
	}
	if after := fmt.Sprintf("%+v", code); after != before {
		t.Errorf("the binary's runner was changed to %s", after)
	}
}

func TestWhatHoldsForAllRunnersHoldsForThoseOfTheBinary(t *testing.T) {
	t.Parallel()
	mine := runnables.Runner{Name: "mine", Runnable: "echo", Init: runnables.Init{"datatype": "FP32"}, MaxQueue: 3, CPU: runnables.Amount(1)}
	base := runnerfile.Base{Runners: []runnables.Runner{mine}, Dir: "/elsewhere"}
	want := mine.WithDefaults()
	want.MaxBatchSize, want.MaxQueue, want.CPU, want.Env = 7, 9, runnables.Amount(2), map[string]string{"A": "a"}
	for _, own := range []string{"", "  mine:\n"} {
		all, _ := parse(t, `
runner_defaults: {runnable: "python:m:C", init: {size: 1}, models: [m], env: {A: a}, max_queue: 9, method_configs: {m: {max_batch_size: 2}}}
runners:
  resources: {cpu: 2}
  batching: {max_batch_size: 7}
`+own, base)
		if len(all) != 1 || !reflect.DeepEqual(all[0], want) {
			t.Errorf("with %q got\n%+v\nwant\n%+v", own, all, want)
		}
	}
	all, _ := parse(t, "runner_defaults: {init: {shape: [-1, 2]}}", base)
	if all[0].Init["datatype"] != "FP32" || all[0].Init["shape"] == nil || all[0].Dir != "/elsewhere" {
		t.Errorf("parameters for all runners make it %+v", all[0])
	}
	if _, _, err := runnerfile.Parse([]byte("runner_defaults: {env: {A-B: c}}"), base); err == nil || !strings.Contains(err.Error(), "[1:19] env: name") {
		t.Errorf("a fault of all runners is told as %v", err)
	}
}

func TestGPUsOfAllRunnersAreAWish(t *testing.T) {
	t.Parallel()
	all, _ := parse(t, "runner_defaults: {nvidia_gpu: 1}\nrunners: {a: {runnable: x}, b: {runnable: x, nvidia_gpu: 1}, c: {runnable: x, resources: {nvidia.com/gpu: 1}}}", runnerfile.Base{})
	shared, _ := parse(t, "runners: {resources: {nvidia.com/gpu: [0]}, a: {runnable: x}}", runnerfile.Base{})
	for i, c := range []struct {
		got  runnables.Runner
		wish bool
	}{{all[0], true}, {all[1], false}, {all[2], false}, {shared[0], true}} {
		if c.got.NvidiaGPU.Amount() != 1 || c.got.NvidiaGPU.IsWish() != c.wish {
			t.Errorf("%d: %+v", i, c.got)
		}
	}
}

func TestAnotherRunnableDoesNotGetWhatWasForTheBinarys(t *testing.T) {
	t.Parallel()
	all, _ := parse(t, "runners: [{name: all, runnable: onnx, init: {model: m}}]", runnerfile.Base{Runners: []runnables.Runner{everything()}})
	r := all[0]
	if !reflect.DeepEqual(r.Init, runnables.Init{"model": "m"}) || r.Models != nil || r.Methods != nil || r.Python != "" || r.MaxQueue != 7 {
		t.Errorf("got %+v", r)
	}
}

func TestFileNamesAreRelativeToWhatNamesThem(t *testing.T) {
	t.Parallel()
	all, _ := parse(t, "runners: {all: {max_queue: 1}, new: {runnable: x}}", runnerfile.Base{Runners: []runnables.Runner{everything()}, Dir: "/elsewhere"})
	if all[0].Dir != "/files" || all[1].Dir != "/elsewhere" {
		t.Errorf("got %+v", all)
	}
}

func TestParametersOfEitherNameAreOfTheFile(t *testing.T) {
	t.Parallel()
	for _, option := range []string{"init: {size: 5}", "runnable_init_params: {size: 5}", "runnable: x"} {
		all, _ := parse(t, "runners: {all: {"+option+"}}", runnerfile.Base{Runners: []runnables.Runner{everything()}, Dir: "/elsewhere"})
		if all[0].Dir != "/elsewhere" {
			t.Errorf("%s: files are looked for in %s", option, all[0].Dir)
		}
	}
}

func TestASharedInterpreterIsForRunnersThatHaveOne(t *testing.T) {
	t.Parallel()
	all, _ := parse(t, "runner_defaults: {python: py}\nrunners: [{name: a, runnable: 'python:m:C'}, {name: b, runnable: onnx}]", runnerfile.Base{})
	if all[0].Python != "py" || all[1].Python != "" {
		t.Errorf("got %+v", all)
	}
}

func TestOneRunnableServesSeveralRunners(t *testing.T) {
	t.Parallel()
	all, _ := parse(t, `
runners:
  - {name: my_runner_1, runnable: "python:m:MyModelRunnable", runnable_init_params: {model_file: ./saved_model_1.pt}}
  - {name: my_runner_2, runnable: "python:m:MyModelRunnable", runnable_init_params: {model_file: ./saved_model_2.pt}}
`, runnerfile.Base{})
	if len(all) != 2 || all[0].Init["model_file"] != "./saved_model_1.pt" || all[1].Init["model_file"] != "./saved_model_2.pt" {
		t.Errorf("got %+v", all)
	}
}

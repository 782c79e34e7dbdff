package ekiben_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ekiben/ekiben"
	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/worker/placement"
)

// planned is a binary with kinds for placement: none can make an instance.
func planned() ekiben.App {
	return ekiben.App{
		Runnables: runnables.Kinds{
			"plain": {},
			"model": {Describe: func(_ context.Context, r runnables.Runner) (runnables.Resources, error) {
				return runnables.Resources{
					NvidiaGPU: true, MultiThreading: true, Methods: []string{"run"}, Obstacle: "there is no library", GPUObstacle: "it has no CUDA",
				}, nil
			}},
			"python": {Isolated: true, Targeted: true, Describe: describe},
		},
		Strategies: placement.Strategies{
			"tpu": placement.Func(func(placement.Request, placement.Machine) (placement.Plan, error) {
				return placement.Plan{Places: []runnables.Place{{Env: map[string]string{"TPU": "3"}}}, Why: []string{"There is one TPU."}}, nil
			}),
		},
	}
}

func describe(_ context.Context, r runnables.Runner) (runnables.Resources, error) {
	if r.Target() == "broken:Class" {
		return runnables.Resources{}, errors.New("No module named 'broken'")
	}
	return runnables.Resources{NvidiaGPU: true, MultiThreading: true}, nil
}

// plan runs the command over a runners file.
func plan(t *testing.T, file string, args ...string) (string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ekiben.yaml")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	err := ekiben.ExecuteOf(t.Context(), planned(), &out, append([]string{"runners", "plan", "--config", path}, args...)...)
	return out.String(), err
}

const threeRunners = `
runners:
  - {name: words, runnable: plain, cpu: 2}
  - {name: images, runnable: "python:m:Class", nvidia_gpu: 2, workers_per_resource: 2, cpu: 8, env: {TOKEN: secret}}
  - {name: faces, runnable: "python:m:Class", nvidia_gpu: 1}
  - {name: other, runnable: plain, strategy: tpu}
`

func TestAPlanSaysWhereInstancesAreAndWhy(t *testing.T) {
	t.Parallel()
	got, err := plan(t, threeRunners, "--cpus", "8", "--gpus", "4")
	if err != nil {
		t.Fatal(err)
	}
	const want = `RUNNER  INSTANCE  DEVICES  THREADS
words   0-1       cpu      1
images  0-1       0        2
images  2-3       1        2
faces   0         2        any
other   0         cpu      any

The machine has 8 cores (--cpus) and NVIDIA GPUs 0 pretended, 1 pretended, 2 pretended, 3 pretended.
11 threads for 8 cores: words, images, other. Where they work at the same time, give each its part with cpu.

words (plain, strategy default)
  On the CPU, because the runnable cannot use GPUs.
  It has 2 cores, as it asks for.
  One instance a core, because the runnable computes with one thread: 2.
  The instances are in the worker's process, and have its environment.

images (python:m:Class, strategy default)
  On 2 GPUs, as it asks for: 0, 1 of 4, the emptiest.
  4 instances: workers_per_resource is 2.
  It has 8 cores, as it asks for.
  2 threads each.
  Environment of instance 0-1: BENTOML_NUM_THREAD=2 CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES=0 EKIBEN_NUM_THREADS=2 MKL_NUM_THREADS=2 ` +
		`NUMEXPR_NUM_THREADS=2 OMP_NUM_THREADS=2 OPENBLAS_NUM_THREADS=2 RAYON_RS_NUM_CPUS=2 TF_NUM_INTEROP_THREADS=2 TF_NUM_INTRAOP_THREADS=2 VECLIB_MAXIMUM_THREADS=2 TOKEN
  Environment of instance 2-3: BENTOML_NUM_THREAD=2 CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES=1 EKIBEN_NUM_THREADS=2 MKL_NUM_THREADS=2 ` +
		`NUMEXPR_NUM_THREADS=2 OMP_NUM_THREADS=2 OPENBLAS_NUM_THREADS=2 RAYON_RS_NUM_CPUS=2 TF_NUM_INTEROP_THREADS=2 TF_NUM_INTRAOP_THREADS=2 VECLIB_MAXIMUM_THREADS=2 TOKEN

faces (python:m:Class, strategy default)
  On 1 GPU, as it asks for: 2 of 4, the emptiest.
  1 instance.
  Environment of instance 0: CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES=2

other (plain, strategy tpu)
  There is one TPU.
  The instances are in the worker's process, and have its environment.
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if strings.Contains(got, "secret") {
		t.Error("the value of a variable of a runner is shown")
	}
}

func TestAPlanSaysWhatWillGoOtherwise(t *testing.T) {
	t.Parallel()
	got, err := plan(t, `
runners:
  - {name: own, runnable: "python:m:Class", nvidia_gpu: 0, cpu: 2, env: {OMP_NUM_THREADS: 1, MKL_NUM_THREADS: 2, TOKEN: secret}}
  - {name: gpu, runnable: model, nvidia_gpu: 1, env: {A: a}}
  - {name: cpu, runnable: model, nvidia_gpu: 0, runnable_method_configs: [{name: run}]}
`, "--cpus", "2", "--gpus", "1")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Warning: env has OMP_NUM_THREADS=1, which wins over the 2 of its place.\n", " MKL_NUM_THREADS=2 ", " OMP_NUM_THREADS=1 ", "VECLIB_MAXIMUM_THREADS=2 TOKEN\n",
		"1 instance.\n  Warning: No instance can be made on a GPU: it has no CUDA.\n  Warning: No instance can be made: there is no library.",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	if n := strings.Count(got, "on a GPU: it has no CUDA"); n != 1 || strings.Contains(got, "env has MKL") || strings.Contains(got, "secret") {
		t.Errorf("got\n%s", got)
	}
}

func TestAPlanIsReadByPrograms(t *testing.T) {
	t.Parallel()
	got, err := plan(t, threeRunners, "--cpus", "2.5", "--gpus", "3", "--runner", "words", "-o", "json")
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Machine struct {
			CPUs float64
			GPUs []struct{ ID string }
		}
		Runners []struct {
			Name, Strategy, Isolation string
			Instances                 []struct {
				Instance    int
				Devices     []string
				Threads     int
				Environment map[string]string
			}
			Why []string
		}
		Notes []string
	}
	if err := json.Unmarshal([]byte(got), &v); err != nil {
		t.Fatal(err)
	}
	if v.Machine.CPUs != 2.5 || len(v.Machine.GPUs) != 3 || v.Machine.GPUs[2].ID != "2" || len(v.Runners) != 1 || v.Notes == nil {
		t.Fatalf("%s", got)
	}
	r := v.Runners[0]
	if r.Name != "words" || r.Strategy != "default" || r.Isolation != "none" || len(r.Instances) != 2 || len(r.Why) == 0 {
		t.Fatalf("%+v", r)
	}
	if i := r.Instances[1]; i.Instance != 1 || i.Devices == nil || i.Threads != 1 || i.Environment["CUDA_VISIBLE_DEVICES"] != "-1" {
		t.Errorf("%+v", i)
	}
}

func TestAPlanThatCannotBeSaysAllThatIsWrong(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		file string
		args []string
		want []string
	}{
		"too much": {threeRunners, []string{"--cpus", "1", "--gpus", "0"}, []string{
			`runner "images": nvidia_gpu is 2, but this machine has no NVIDIA GPU (--gpus 0)`,
		}},
		"no such strategy":   {`runners: [{name: a, runnable: plain, strategy: gpus}]`, nil, []string{`[1:38] runner "a": unknown strategy "gpus"; this binary has: default, tpu`}},
		"no such runnable":   {`runners: [{name: a, runnable: torch}]`, nil, []string{`[1:21] runner "a": this binary has no runnable "torch"; it has: model, plain, python`}},
		"cannot be imported": {`runners: [{name: a, runnable: "python:broken:Class"}]`, nil, []string{`runner "a": No module named 'broken'`}},
		"negative cores":     {threeRunners, []string{"--cpus", "-1"}, []string{"--cpus is -1"}},
		"negative GPUs":      {threeRunners, []string{"--gpus", "-1"}, []string{"--gpus is -1"}},
		"no such method":     {`runners: [{name: a, runnable: model, runnable_method_configs: [{name: walk}]}]`, nil, []string{`runner "a": runnable_method_configs has method "walk"; there are: run`}},
		"devices in env":     {`runners: [{name: a, runnable: "python:m:Class", env: {CUDA_VISIBLE_DEVICES: 1}}]`, nil, []string{`[1:49] runner "a": env has CUDA_VISIBLE_DEVICES`, "nvidia_gpu: [0]"}},
		"format":             {threeRunners, []string{"--cpus", "8", "--gpus", "4", "-o", "xml"}, []string{`--output is "xml"`}},
	} {
		_, err := plan(t, tt.file, tt.args...)
		for _, want := range tt.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %v, want %q in it", name, err, want)
			}
		}
	}
}

func TestAPlanOfThisMachineNeedsNothing(t *testing.T) {
	t.Parallel()
	got, err := plan(t, `runners: [{name: a, runnable: "python:m:Class", nvidia_gpu: 0}]`)
	if err != nil || !strings.Contains(got, "On the CPU, because nvidia_gpu is 0.") || !strings.Contains(got, "The machine has ") {
		t.Errorf("%v\n%s", err, got)
	}
}

func TestARunnerThatAsksForMoreGPUsThanThereAreSaysSoAtStart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ekiben.yaml")
	file := `runners: [{name: a, runnable: "python:m:Class", nvidia_gpu: 99}, {name: b, runnable: plain, nvidia_gpu: 1}]`
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var out strings.Builder
	err := ekiben.ExecuteOf(ctx, planned(), &out, "serve", "--config", path)
	for _, want := range []string{`runner "a": nvidia_gpu is 99, but`, `runner "b": nvidia_gpu is 1, but runnable "plain" cannot use GPUs`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q in it; it wrote %s", err, want, out.String())
		}
	}
}

package runnerfile_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ekiben/ekiben/internal/runnerfile"
	"github.com/ekiben/ekiben/runnables"
)

func environment(name string) (string, bool) {
	value, set := map[string]string{"DIR": "/models", "N": "7", "EMPTY": "", "YES": "true", "MAP": "a: b", "VERSION": "1.0", "BAD": "seven"}[name]
	return value, set
}

func TestVariablesAreReplacedInValues(t *testing.T) {
	t.Parallel()
	all, _ := parse(t, `
runners:
  - name: ${NAME:-first}
    runnable: "${KIND:-python}:m:C"
    python: ${EMPTY}
    models: ["iris:${N}"]
    replicas: ${N}
    max_batch_size: "${N}"
    max_latency_ms: ${EMPTY:-0.5}
    from_zero: ${YES}
    nvidia_gpu: ${N}
    max_queue: ${EMPTY}
    env: {A: "${N}", B: "${EMPTY}", C: "x${N}$$y$z$"}
    init:
      path: ${DIR}/iris.onnx
      n: ${N}
      text: "${N}"
      nothing: ${EMPTY}
      empty: "${EMPTY}"
      map: ${MAP}
      literal: $${N}
      ${N}: key
      default: ${NONE:-a b:-c}
      list: ["${DIR}", {deep: "${DIR}"}]
      version: ${VERSION}
      digits: ${N}0
      more: ${N}${N}
      quoted: !!str ${N}
      empty default: ${EMPTY:-5}
`, runnerfile.Base{Env: environment, Runners: []runnables.Runner{{Name: "first", MaxQueue: 5, Python: "py"}}, Dir: "d"})
	r := all[0]
	want := runnables.Init{
		"path": "/models/iris.onnx", "n": int64(7), "text": "7", "nothing": nil, "empty": "", "map": "a: b", "literal": "${N}", "${N}": "key",
		"default": "a b:-c", "list": []any{"/models", map[string]any{"deep": "/models"}}, "version": 1.0,
		"digits": "70", "more": "77", "quoted": "7", "empty default": int64(5),
	}
	if !reflect.DeepEqual(r.Init, want) {
		t.Errorf("init is\n%#v, want\n%#v", r.Init, want)
	}
	if wantEnv := map[string]string{"A": "7", "B": "", "C": "x7$y$z$"}; !reflect.DeepEqual(r.Env, wantEnv) {
		t.Errorf("env is %#v", r.Env)
	}
	if r.Name != "first" || r.Runnable != "python:m:C" || r.Python != "" || r.Models[0] != "iris:7" || r.Replicas != 7 || r.MaxBatchSize != 7 || !r.FromZero ||
		r.NvidiaGPU.Amount() != 7 || r.MaxQueue != 5 || r.MaxLatency != 500*time.Microsecond {
		t.Errorf("got %+v", r)
	}
}

func TestVariablesThatCannotBeReplacedAreNamed(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		`"${NOT_THERE}"`:       "[1:37] variable NOT_THERE is not set, and ${NOT_THERE} has no default",
		`"${N"`:                "has a ${ without a }",
		`"${}"`:                "${} is not a variable",
		`"${1A}"`:              "${1A} is not a variable",
		`"${A:-${N}}"`:         "is not a variable",
		`"${BAD}"`:             `max_queue is seven, want a number`,
		`"1${N}"`:              "max_queue is 17, want a number",
		`"${DIR}${NOT_ONE:-}"`: "max_queue is /models, want a number",
	} {
		file := "runners: [{name: a, runnable: x, max_queue: " + value + "}]"
		_, _, err := runnerfile.Parse([]byte(file), runnerfile.Base{Env: environment})
		if err == nil || !strings.Contains(err.Error(), strings.TrimPrefix(want, "[1:37] ")) {
			t.Errorf("%s: got %v, want %q", file, err, want)
		}
	}
}

func TestVariablesMayHoldListsAndMaps(t *testing.T) {
	t.Parallel()
	env := func(name string) (string, bool) {
		value, set := map[string]string{
			"GPUS": "[0, GPU-1]", "MODELS": "['iris:v2', other]", "LIMITS": "{m: {max_batch_size: 2}}", "BROKEN": "[0, ", "ALIAS": "[*a]", "SIZES": "{cpu: 2}",
		}[name]
		return value, set
	}
	r := parseOne(t, `
runners:
  - name: a
    runnable: x
    isolation: process
    nvidia_gpu: ${NONE:-[0, 2]}
    models: ${MODELS}
    method_configs: "${LIMITS}"
    env: {A: "${GPUS}"}
    init:
      list: ${GPUS}
      map: ${LIMITS}
      text: "${GPUS}"
      broken: ${BROKEN}
      alias: ${ALIAS}
  `, env)
	want := runnables.Init{
		"list": []any{int64(0), "GPU-1"}, "map": map[string]any{"m": map[string]any{"max_batch_size": int64(2)}}, "text": "[0, GPU-1]", "broken": "[0, ", "alias": "[*a]",
	}
	if !reflect.DeepEqual(r.Init, want) || r.NvidiaGPU.String() != "[0, 2]" || !reflect.DeepEqual(r.Models, []string{"iris:v2", "other"}) ||
		len(r.Methods) != 1 || r.Methods[0].MaxBatchSize != 2 || r.Env["A"] != "[0, GPU-1]" {
		t.Errorf("got %+v", r)
	}
	if r := parseOne(t, "runners: [{name: a, runnable: x, resources: '${SIZES}'}]", env); r.CPU.Amount() != 2 {
		t.Errorf("resources are %+v", r)
	}
	_, _, err := runnerfile.Parse([]byte("runners:\n  - name: a\n    runnable: x\n    max_queue: ${GPUS}\n"), runnerfile.Base{Env: env})
	if err == nil || !strings.Contains(err.Error(), "[4:5] runner \"a\": max_queue is a list, want a number") {
		t.Errorf("a list for a number: %v", err)
	}
}

// parseOne reads a file with one runner.
func parseOne(t *testing.T, file string, env runnerfile.Lookup) runnables.Runner {
	t.Helper()
	all, _ := parse(t, file, runnerfile.Base{Env: env})
	if len(all) != 1 {
		t.Fatalf("%s\nthere are %d runners", file, len(all))
	}
	return all[0]
}

func TestAVariableThatIsNotSetIsOneError(t *testing.T) {
	t.Parallel()
	for _, option := range []string{"runnable", "max_queue", "nvidia_gpu", "strategy", "env", "models", "batching", "resources", "isolation", "init"} {
		file := "runners:\n  - name: a\n    " + option + ": ${NONE}\n"
		if option != "runnable" {
			file += "    runnable: x\n"
		}
		_, _, err := runnerfile.Parse([]byte(file), runnerfile.Base{})
		if want := "[3:5] variable NONE is not set, and ${NONE} has no default"; err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", option, err, want)
		}
	}
}

func TestAByteOrderMarkIsSkipped(t *testing.T) {
	t.Parallel()
	if r := parseOne(t, "\uFEFFrunners:\n  - {name: a, runnable: x}\n", nil); r.Name != "a" {
		t.Errorf("got %+v", r)
	}
}

func TestVariablesOfRunnersAreNotNeededForSchedules(t *testing.T) {
	t.Parallel()
	file := []byte("runners: [{name: a, runnable: x, cpu: '${NOT_THERE}'}]\nschedules:\n  - {name: s, runner: a, method: m, cron: '@daily', input: {n: '${N}'}}\n")
	all, err := runnerfile.ParseSchedules(file, environment)
	if err != nil || len(all) != 1 || string(all[0].Input) != `{"n":"7"}` {
		t.Errorf("got %+v, %v", all, err)
	}
	if _, err := runnerfile.ParseSchedules(file, nil); err == nil || !strings.Contains(err.Error(), "variable N is not set") {
		t.Errorf("got %v", err)
	}
}

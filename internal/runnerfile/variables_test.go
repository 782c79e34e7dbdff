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

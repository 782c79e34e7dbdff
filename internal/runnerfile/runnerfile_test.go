package runnerfile_test

import (
	"strings"
	"testing"
	"time"

	"github.com/ekiben/ekiben/internal/runnerfile"
	"github.com/ekiben/ekiben/runnables"
)

func TestParseReadsEveryOption(t *testing.T) {
	t.Parallel()

	runners, warnings, err := runnerfile.Parse([]byte(`
runners:
  - name: iris_clf
    runnable: onnx
    init: {model: "iris_clf:latest"}
    cpu: 4
    nvidia_gpu: 0
    max_batch_size: 20
    max_latency_ms: 500
  - name: my_custom_runner
    runnable: python:my.module:MyRunnable
    replicas: 3
    batching: fixed
    max_latency_ms: 0
    max_queue: 7
    max_queue_bytes: 9
    from_zero: true
    max_concurrency: 5
    retry: {attempts: 3, backoff_ms: 500}
    runnable_method_configs:
      - {name: predict, max_batch_size: 10, max_latency_ms: 0.5}
      - {method_name: embed, max_batch_size: 11}
`))
	if err != nil {
		t.Fatal(err)
	}
	iris, custom := runners[0], runners[1]
	if iris.Init["model"] != "iris_clf:latest" || iris.MaxBatchSize != 20 || iris.MaxLatency != 500*time.Millisecond ||
		iris.Replicas != 0 || iris.Batching != runnables.BatchAdaptive {
		t.Errorf("iris_clf is %+v", iris)
	}
	if custom.Replicas != 3 || custom.Batching != runnables.BatchFixed || custom.MaxQueue != 7 || custom.MaxQueueBytes != 9 || !custom.FromZero ||
		custom.MaxConcurrency != 5 || custom.Retry != (runnables.RetryPolicy{Attempts: 3, Backoff: 500 * time.Millisecond, MaxBackoff: 10 * time.Minute}) {
		t.Errorf("my_custom_runner is %+v", custom)
	}
	if size, latency := custom.Limits("predict"); size != 10 || latency != 500*time.Microsecond {
		t.Errorf("predict has limits %d, %s", size, latency)
	}
	if size, latency := custom.Limits("embed"); size != 11 || latency != 0 {
		t.Errorf("embed has limits %d, %s", size, latency)
	}
	if len(warnings) != 1 || warnings[0].Runner != "iris_clf" {
		t.Errorf("warnings %v, want one about iris_clf", warnings)
	}
}

func TestParseSaysWhatIsWrong(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct{ name, file, want string }{
		{"an unknown field, with its line", "runners:\n  - name: a\n    runable: echo\n", "[3:5]"},
		{"not YAML", "runners: [", "runners"},
		{"a name that cannot be one", "runners: [{name: A b, runnable: echo}]", `name "A b" must match`},
		{"no runnable", "runners: [{name: a}]", "runnable is missing"},
		{"two runners of one name", "runners: [{name: a, runnable: x}, {name: a, runnable: y}]", `"a" is there twice`},
		{"no rows", "runners: [{name: a, runnable: x, max_batch_size: 0}]", "max_batch_size is 0, want at least 1"},
		{"a negative wait", "runners: [{name: a, runnable: x, max_latency_ms: -1}]", "max_latency_ms is -1"},
		{"a way to wait that there is not", "runners: [{name: a, runnable: x, batching: lazy}]", `batching is "lazy"`},
		{"a method without a name", "runners: [{name: a, runnable: x, runnable_method_configs: [{max_batch_size: 1}]}]", "without a name"},
		{"two documents", "runners: [{name: a, runnable: x}]\n---\nrunners: []", "second document"},
		{"an entry that is empty", "runners:\n  -\n", "runner 1 is empty"},
		{"too many instances", "runners: [{name: a, runnable: x, replicas: 1000000}]", "replicas is 1000000, want 1 to 1024"},
		{"a limit below none", "runners: [{name: a, runnable: x, max_concurrency: -1}]", "max_concurrency is -1, want at least 0"},
		{"a name of services", "runners: [{name: service.a, runnable: x}]", "those of services"},
		{"too many attempts", "runners: [{name: a, runnable: x, retry: {attempts: 21}}]", "retry: attempts is 21, want 0 to 20"},
		{"no time between attempts", "runners: [{name: a, runnable: x, retry: {backoff_ms: 0}}]", "backoff_ms is 0, want at least 1"},
		{"a time beyond a day", "runners: [{name: a, runnable: x, retry: {backoff_ms: 9223372036854775807}}]", "want 1ms to 24h0m0s"},
		{"times in the wrong order", "runners: [{name: a, runnable: x, retry: {backoff_ms: 2000, max_backoff_ms: 1000}}]", "want at least backoff_ms, 2s"},
		{"every fault at once", "runners: [{name: a, runnable: x, replicas: 0, max_queue: -1}]", "max_queue is -1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			_, _, err := runnerfile.Parse([]byte(tc.file))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Parse() = %v, want it to say %q", err, tc.want)
			}
		})
	}
}

func TestReadNamesTheFile(t *testing.T) {
	t.Parallel()

	if _, _, err := runnerfile.Read("/does/not/exist.yaml"); err == nil || !strings.Contains(err.Error(), "/does/not/exist.yaml") {
		t.Errorf("Read() = %v", err)
	}
}

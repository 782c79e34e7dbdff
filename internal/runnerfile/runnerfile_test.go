package runnerfile_test

import (
	"strings"
	"testing"

	"github.com/ekiben/ekiben/internal/runnerfile"
)

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
		{"Python without a process", "runners: [{name: a, runnable: 'python:m:C', isolation: none}]", "a runnable of kind python is always a process"},
		{"a name of services", "runners: [{name: service.a, runnable: x}]", "those of services"},
		{"too many attempts", "runners: [{name: a, runnable: x, retry: {attempts: 21}}]", "retry.attempts is 21, want 0 to 20"},
		{"no time between attempts", "runners: [{name: a, runnable: x, retry: {backoff_ms: 0}}]", "retry.backoff_ms is 0, want 1 to 86400000"},
		{"a time beyond a day", "runners: [{name: a, runnable: x, retry: {backoff_ms: 9223372036854775807}}]", "want 1 to 86400000"},
		{"times in the wrong order", "runners: [{name: a, runnable: x, retry: {backoff_ms: 2000, max_backoff_ms: 1000}}]", "want at least backoff_ms, 2s"},
		{"every fault at once", "runners: [{name: a, runnable: x, replicas: 0, max_queue: -1}]", "max_queue is -1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			_, _, err := runnerfile.Parse([]byte(tc.file), runnerfile.Base{})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Parse() = %v, want it to say %q", err, tc.want)
			}
		})
	}
}

func TestReadNamesTheFile(t *testing.T) {
	t.Parallel()

	if _, _, err := runnerfile.Read("/does/not/exist.yaml", runnerfile.Base{}); err == nil || !strings.Contains(err.Error(), "/does/not/exist.yaml") {
		t.Errorf("Read() = %v", err)
	}
}

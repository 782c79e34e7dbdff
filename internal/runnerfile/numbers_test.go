package runnerfile_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/ekiben/ekiben/internal/runnerfile"
	"github.com/ekiben/ekiben/runnables"
)

func TestNumbersOfConstructorsAreThoseOfYAML(t *testing.T) {
	t.Parallel()
	runners, _, err := runnerfile.Parse([]byte(`
runners:
  - name: a
    runnable: x
    init: {lr: 1e-3, big: 2E5, scale: 2.0, n: 2, list: [1.0, -1e2], text: "1e-3", word: 1e-3x}
    max_latency_ms: 1e2
`), runnerfile.Base{})
	if err != nil {
		t.Fatal(err)
	}
	want := runnables.Init{
		"lr": 1e-3, "big": 2e5, "scale": 2.0, "n": int64(2), "list": []any{1.0, -1e2}, "text": "1e-3", "word": "1e-3x",
	}
	for name, v := range want {
		if got := runners[0].Init[name]; !reflect.DeepEqual(got, v) {
			t.Errorf("%s is %T %v, want %T %v", name, got, got, v, v)
		}
	}
	if runners[0].MaxLatency.Milliseconds() != 100 {
		t.Errorf("max_latency_ms is %v", runners[0].MaxLatency)
	}
}

func TestNumbersThatJSONDoesNotKnowAreRefused(t *testing.T) {
	t.Parallel()
	for _, init := range []string{"{k: .inf}", "{k: [1, -.inf]}", "{k: {l: .nan}}"} {
		_, _, err := runnerfile.Parse([]byte("runners:\n  - name: a\n    runnable: x\n    init: "+init), runnerfile.Base{})
		if err == nil || !strings.Contains(err.Error(), "[4:") || !strings.Contains(err.Error(), "infinite or none, which JSON does not know") {
			t.Errorf("init %s: %v", init, err)
		}
	}
}

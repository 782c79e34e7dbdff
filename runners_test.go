package ekiben_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ekiben/ekiben"
	"github.com/ekiben/ekiben/runnables"
)

func TestTheSchemaOfTheRunnersFileIsPrinted(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := ekiben.Execute(t.Context(), &out, &out, "runners", "schema"); err != nil {
		t.Fatal(err)
	}
	shipped, err := os.ReadFile("internal/runnerfile/ekiben.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), shipped) {
		t.Error("it is not the one that ships")
	}
}

func TestTheRunnersFileOverridesTheBinaryOptionByOption(t *testing.T) {
	t.Parallel()
	app := ekiben.App{
		Runnables: ekiben.BuiltIn(),
		Runners: []runnables.Runner{
			{Name: "hello", Runnable: "echo", Init: runnables.Init{"datatype": "FP32"}, MaxBatchSize: 5, MaxQueue: 6},
			{Name: "still", Runnable: "sleep"},
		},
	}
	file := filepath.Join(t.TempDir(), "ekiben.yaml")
	if err := os.WriteFile(file, []byte("runners: [{name: hello, max_batch_size: 7}, {name: more, runnable: echo}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	all, err := app.RunnersOf(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 3 || all[0].Name != "still" || all[1].MaxBatchSize != 7 || all[1].MaxQueue != 6 || all[1].Runnable != "echo" || all[1].Dir != "" ||
		all[2].Dir != filepath.Dir(file) {
		t.Errorf("got %+v", all)
	}
	if all, err := app.RunnersOf(file, "more"); err != nil || len(all) != 1 || all[0].Name != "more" {
		t.Errorf("only one: %v, %v", all, err)
	}
	if all, err := app.RunnersOf(""); err != nil || len(all) != 2 || all[0].MaxBatchSize != 5 || all[1].MaxQueue != 10_000 {
		t.Errorf("without a file: %+v, %v", all, err)
	}
	for want, broken := range map[string]ekiben.App{
		"reserved":          {Runners: []runnables.Runner{{Name: "metrics", Runnable: "echo"}}},
		"those of services": {Runners: []runnables.Runner{{Name: "service.a", Runnable: "echo"}}},
		"there twice":       {Runners: []runnables.Runner{{Name: "a", Runnable: "echo"}, {Name: "a", Runnable: "echo"}}},
		"max_queue is -1":   {Runners: []runnables.Runner{{Name: "a", Runnable: "echo", MaxQueue: -1}}},
		`want "echo" alone`: {Runnables: ekiben.BuiltIn(), Runners: []runnables.Runner{{Name: "a", Runnable: "echo:loud"}}},
		"no runnable":       {Runners: []runnables.Runner{{Name: "a", Runnable: "onnx"}}},
		"no runners":        {},
		"nowhere.yaml":      app,
	} {
		name := ""
		if strings.HasSuffix(want, ".yaml") {
			name = want
		}
		if _, err := broken.RunnersOf(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

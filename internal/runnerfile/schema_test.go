package runnerfile_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/ekiben/ekiben/internal/runnerfile"
)

var update = flag.Bool("update", false, "write ekiben.schema.json and the tables of docs/configuration.md")

func TestTheSchemaIsWhatTheStructsSay(t *testing.T) {
	t.Parallel()
	w := newWriter(t)
	want := w.schema(t)
	if *update {
		if err := os.WriteFile("ekiben.schema.json", want, 0o644); err != nil { //nolint:gosec // it is shipped
			t.Fatal(err)
		}
	} else if !bytes.Equal(runnerfile.Schema(), want) {
		t.Error("ekiben.schema.json is out of date; run: go test ./internal/runnerfile -run Schema -update")
	}
}

func TestTheConfigurationPageHasEveryOption(t *testing.T) {
	t.Parallel()
	w := newWriter(t)
	const name = "../../docs/configuration.md"
	page, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	want := string(page)
	for what, of := range map[string]string{"runners": "entry", "schedules": "scheduleEntry"} {
		begin, end := "<!-- generated: "+what+" -->\n", "<!-- end: "+what+" -->\n"
		before, rest, ok := strings.Cut(want, begin)
		_, after, ok2 := strings.Cut(rest, end)
		if !ok || !ok2 {
			t.Fatalf("%s has no generated part about %s", name, what)
		}
		want = before + begin + w.table(of) + end + after
	}
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil { //nolint:gosec // documentation
			t.Fatal(err)
		}
	} else if want != string(page) {
		t.Errorf("%s is out of date; run: go test ./internal/runnerfile -run Page -update", name)
	}
}

// The shipped file is compared with the structs once more, without what made it.
func TestTheSchemaHasEveryFieldAndNoOther(t *testing.T) {
	t.Parallel()
	type object struct {
		Properties map[string]struct{ Description string }
		Required   []string
	}
	var shipped struct {
		object
		Defs map[string]object `json:"$defs"`
	}
	if err := json.Unmarshal(runnerfile.Schema(), &shipped); err != nil {
		t.Fatal(err)
	}
	shipped.Defs["file"], shipped.Defs["shared"] = shipped.object, shipped.Defs["runnersByName"]
	for name, typ := range runnerfile.Types() {
		var fields []string
		for f := range typ.Fields() {
			if f.Anonymous {
				for below := range f.Type.Fields() {
					fields = append(fields, below.Tag.Get("yaml"))
				}
				continue
			}
			fields = append(fields, f.Tag.Get("yaml"))
		}
		slices.Sort(fields)
		if got := slices.Sorted(maps.Keys(shipped.Defs[name].Properties)); !slices.Equal(got, fields) {
			t.Errorf("%s: the schema has %v, the struct %v", name, got, fields)
		}
		for field, p := range shipped.Defs[name].Properties {
			if len(p.Description) < 10 {
				t.Errorf("%s.%s is described as %q", name, field, p.Description)
			}
		}
	}
}

// valid tells whether the schema takes a file.
func valid(t *testing.T, file string) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(runnerfile.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource("ekiben.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("ekiben.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := yaml.YAMLToJSON([]byte(file))
	if err != nil {
		t.Fatalf("%s\n%v", file, err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(value)
}

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// examples are the runners files in the documentation, and those that ship.
func examples(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(pages, "../../README.md", "../../deploy/runners.yaml") {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Ext(name) == ".yaml" {
			all[name] = string(text)
		}
		for i, block := range yamlBlock.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(block[1], "runners:") || strings.Contains(block[1], "schedules:") {
				all[name+string(rune('a'+i))] = block[1]
			}
		}
	}
	if len(all) < 4 {
		t.Fatalf("there are only %d examples", len(all))
	}
	return all
}

func TestExamplesAreTakenByTheReaderAndTheSchema(t *testing.T) {
	t.Parallel()
	for name, file := range examples(t) {
		if err := valid(t, file); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		env := func(string) (string, bool) { return "", false }
		if _, _, err := runnerfile.Parse([]byte(file), runnerfile.Base{Env: env}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheSchemaAndTheReaderAgree(t *testing.T) {
	t.Parallel()
	for _, file := range []string{
		"", "runners: []", "runners: {}", "runners:", "schedules:",
		everyOption, everyOptionByName,
		"runners: [{name: a, runnable: x, cpu: [], batching: {}}]",
		"runners: [{name: a, runnable: x, max_batch_size: ~, resources: ~}]",
		`runners: [{name: a, runnable: x, max_batch_size: "${EKIBEN_NOT_THERE:-7}"}]`,
		"runner_defaults:", "runner_defaults: {}", "runners: [{name: services, runnable: x}]", "runners: [{name: a, runnable: '${X:-y}'}]",
		"runners: [{name: a, runnable: x, nvidia_gpu: 2.0}]", `runners: [{name: a, runnable: x, nvidia_gpu: "2000m"}]`, "runners: [{name: a, runnable: x, nvidia_gpu: []}]",
		"runners: [{name: a, runnable: x, resources: {cpu: 0.5, nvidia.com/gpu: [0], tpu: 0.5}}]",
		"runners: [{name: a, runnable: x, custom_resources: {amd.com/gpu: 0.5}, env: {_A1: b}, isolation: process}]",
		"runners: [{name: a, runnable: x, method_configs: [{method_name: m}]}]",
	} {
		if err := valid(t, file); err != nil {
			t.Errorf("the schema refuses\n%s\n%v", file, err)
		}
		if _, _, err := runnerfile.Parse([]byte(file), runnerfile.Base{}); err != nil {
			t.Errorf("the reader refuses\n%s\n%v", file, err)
		}
	}
	for _, file := range []string{
		"runner: []", "runners: 4", "runners: [4]", "runners: [{runnable: x}]",
		"runners: [{name: Upper, runnable: x}]", "runners: {Upper: {runnable: x}}", "runners: {service.a: {runnable: x}}",
		"runners: [{name: a, runable: x}]", "runners: {a: {name: a, runnable: x}}",
		"runners: {batching: {runnable: x}}", "runners: {resources: {gpu: 1}, a: {runnable: x}}",
		"runners: [{name: a, runnable: x, max_batch_size: 0}]", "runners: [{name: a, runnable: x, max_batch_size: many}]",
		"runners: [{name: a, runnable: x, max_batch_size: 1.5}]", "runners: [{name: a, runnable: x, replicas: 1025}]",
		"runners: [{name: a, runnable: x, max_latency_ms: -1}]", "runners: [{name: a, runnable: x, workers_per_resource: 0}]",
		"runners: [{name: a, runnable: x, batching: lazy}]", "runners: [{name: a, runnable: x, isolation: vm}]",
		"runners: [{name: a, runnable: x, cpu: -1}]", `runners: [{name: a, runnable: x, cpu: "500mXYZ"}]`,
		"runners: [{name: a, runnable: x, cpu: {a: b}}]", "runners: [{name: a, runnable: x, models: iris}]",
		"runners: [{name: a, runnable: x, traffic: {timeout: 4}}]", "runners: [{name: a, runnable: x, retry: {attempts: 21}}]",
		"runners: [{name: a, runnable: x, runnable_method_configs: [{max_rows: 1}]}]", "runners: [{name: a, runnable: x, env: {A: [b]}}]",
		"runners: [{name: metrics, runnable: x}]", "runners: [{name: service.a, runnable: x}]", "runners: [{name: a, runnable: ''}]",
		"runners: [{name: a, runnable: x, cpu: [0, 2]}]", "runners: [{name: a, runnable: x, resources: {cpu: [0, 2]}}]",
		"runners: [{name: a, runnable: x, nvidia_gpu: 0.5}]", `runners: [{name: a, runnable: x, nvidia_gpu: "500m"}]`,
		"runners: [{name: a, runnable: x, resources: {nvidia.com/gpu: 0.5}}]", "runners: [{name: a, runnable: x, resources: {nvidia_gpu: 1}}]",
		"runners: [{name: a, runnable: x, env: {A-B: c}}]", "runners: [{name: a, runnable: x, env: {CUDA_VISIBLE_DEVICES: 1}}]",
		"runners: [{name: a, runnable: x, custom_resources: {cpu: 2}}]", "runners: [{name: a, runnable: x, custom_resources: {a b: 2}}]",
		"runners: [{name: a, runnable: x, method_configs: [{max_batch_size: 2}]}]", "runners: [{name: a, runnable: x, method_configs: [{name: ''}]}]",
		"runner_defaults: {name: a}", "schedules: [{name: a}]", "schedules: {a: {}}",
		`schedules: [{name: a, runner: r, method: m, cron: "@daily", priority: urgent}]`,
	} {
		if valid(t, file) == nil {
			t.Errorf("the schema takes %s", file)
		}
		if _, _, err := runnerfile.Parse([]byte(file), runnerfile.Base{}); err == nil {
			t.Errorf("the reader takes %s", file)
		}
	}
}

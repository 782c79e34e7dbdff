package runnerfile_test

import (
	"strings"
	"testing"

	"github.com/ekiben/ekiben/internal/runnerfile"
	"github.com/ekiben/ekiben/runnables"
)

func TestEveryFaultIsReportedAtOnceWithItsLine(t *testing.T) {
	t.Parallel()
	const file = `runner_defaults:
  max_rows: 1
  env: {A=B: c}
runners:
  - name: Iris_Clf
    runnable: x
  - name: metrics
    runnable: x
  - name: service.a
    runnable: x
  - name: a
    runnable: python:m:C
    replicas: -1
    max_batch_size: many
    cpu: [0, 2]
    nvidia_gpu: 0.5
    strategy: My Way
    models: [iris, "Iris:"]
    init: {a: b}
    runnable_init_params: {a: b}
    max_concurrency: -1
    retry: {attempts: 30, backoff_ms: 5000, max_backoff_ms: 10}
    runnable_method_configs:
      - {name: m, max_batch_size: 0}
      - {name: m}
      - {max_latency_ms: 5}
      - {name: n, method_name: n}
  - name: a
    runnable: x
  -
  - 4
  - {runnable: x}
  - name: b
    runnable: [x]
    python: python3
    env: {A: [b]}
    isolation: vm
    custom_resources: {"a b": 1, tpu: none}
    traffic: {timeout: 9}
    from_zero: 1
  - name: c
    python: python3
    batching: {max_batch_size: 4}
    max_batch_size: 5
    resources: {gpu: 1, cpu: -1}
    workers_per_resource: 2000
schedules:
  - {name: s, runner: r, method: m, cron: "61 * * * *", retry: {attempts: 1, backoff_ms: -5}}
unknown: 1
`
	_, _, err := runnerfile.Parse([]byte(file), runnerfile.Base{Runners: []runnables.Runner{{Name: "code", Runnable: "x", MaxQueue: -1}}})
	if err == nil {
		t.Fatal("taken")
	}
	want := []string{
		`runner "code" of this binary: max_queue is -1`,
		`[2:3] unknown field "runner_defaults.max_rows"`,
		`[3:3] env: name "A=B" must match`,
		`[5:5] runner "Iris_Clf": name "Iris_Clf" must match ^[a-z0-9]([-._a-z0-9]*[a-z0-9])?$ and have at most 63 characters, as iris_clf does`,
		`[7:5] name "metrics" is reserved`,
		`[9:5] name "service.a": names that begin with service. are those of services`,
		`[13:5] runner "a": replicas is -1, want 1 to 1024`,
		`[14:5] runner "a": max_batch_size is many, want a number`,
		`[15:5] runner "a": cpu is [0, 2], want a number of cores`,
		`[16:5] runner "a": nvidia_gpu is 0.5, want a whole number: a GPU is not divided, but workers_per_resource: 2`,
		`[17:5] runner "a": strategy is "My Way"`,
		`[18:5] runner "a": models: "Iris:", want name or name:version`,
		`[20:5] init and runnable_init_params say the same`,
		`[21:5] runner "a": max_concurrency is -1, want at least 0`,
		`[22:13] runner "a": retry.attempts is 30, want 0 to 20`,
		`[22:5] runner "a": retry: max_backoff_ms is 10ms, want at least backoff_ms, 5s`,
		`[24:19] runner "a": runnable_method_configs[0].max_batch_size is 0, want at least 1`,
		`[25:9] runner "a": runnable_method_configs[1]: method "m" is there twice`,
		`[26:9] runner "a": runnable_method_configs[2] is without a name`,
		`[27:9] runner "a": runnable_method_configs[3]: name and method_name say the same`,
		`[28:5] runner "a" is there twice`,
		`[30:4] runner 6 is empty`,
		`[31:5] runner 7: this is 4, want a map`,
		`[32:5] runner "": name is missing`,
		`[34:5] runner "b": runnable is a list, want text`,
		`[36:11] runner "b": env.A is a list, want text`,
		`[37:5] runner "b": isolation is "vm", want none or process`,
		`[38:5] runner "b": custom_resources: name "a b" must match`,
		`runner "b": custom_resources.tpu: not a quantity: "none"`,
		`[39:15] runner "b": traffic.timeout cannot be given: a call's deadline is`,
		`[40:5] runner "b": from_zero is 1, want true or false`,
		`runner "c": runnable is missing`,
		`[44:5] batching.max_batch_size and max_batch_size say the same`,
		`[45:17] runner "c": unknown field "resources.gpu"; here it is nvidia.com/gpu`,
		`runner "c": resources.cpu: not a quantity: -1`,
		`[46:5] runner "c": workers_per_resource is 2000, want a number above 0 and at most 1024`,
		`schedule "s": retry.backoff_ms is -5, want 1 to 86400000`,
		`schedule "s": cron`,
		`[49:1] unknown field "unknown"`,
	}
	said := err.Error()
	for _, w := range want {
		if !strings.Contains(said, w) {
			t.Errorf("this is not said: %s", w)
		}
	}
	if not := `"b": runnable is missing`; strings.Contains(said, not) {
		t.Errorf("this is said: %s", not)
	}
	if strings.Count(said, "A=B") > 2 {
		t.Error("what runners share is said for each")
	}
	if t.Failed() {
		t.Log(said)
	}
}

// An option in a form of its own is refused in the line that it has.
func TestWhatIsRefusedIsFoundInItsOwnForm(t *testing.T) {
	t.Parallel()
	for option, want := range map[string]string{
		"{env: {A: ~}}":                        "[3:11] runner \"a\": env.A is nothing, want text",
		"{max_queue_bytes: 1.0e30}":            "[3:5] runner \"a\": max_queue_bytes is 1.0e30, want a whole number",
		"{max_queue: 2.5}":                     "[3:5] runner \"a\": max_queue is 2.5, want a whole number",
		"{workers_per_resource: 0}":            "want a number above 0",
		"{resources: {cpu: [0]}}":              "[3:5] runner \"a\": cpu is [0], want a number of cores",
		"{resources: all}":                     "want a map of amounts, system or null",
		"{method_configs: {m: {max_rows: 1}}}": "unknown field \"method_configs.m.max_rows\"",
		"{method_configs: 4}":                  "want a list of methods, or a map by their names",
		"{batching: eager}":                    "batching is \"eager\", want none, fixed or adaptive",
		"{custom_resources: {cpu: 2}}":         "custom_resources has cpu, which has an option of its own",
	} {
		_, _, err := runnerfile.Parse([]byte("runners:\n  a:\n    "+strings.TrimSuffix(option[1:], "}")+"\n    runnable: x\n"), runnerfile.Base{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", option, err, want)
		}
	}
}

func TestAFaultIsOneSentenceThatIsTrue(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		"runners: {max_batch_size: 4, a: {runnable: x}}":                                     "[1:11] max_batch_size is an option, and here are runners by their names: what holds for all of them is in runner_defaults",
		"runners: {models: [m], a: {runnable: x}}":                                           "[1:11] models is an option, and here are runners by their names: what holds for all of them is in runner_defaults",
		"runners: {a: {runnable: x, resources: {nvidia_gpu: 2}}}":                            `[1:40] runner "a": unknown field "resources.nvidia_gpu"; here it is nvidia.com/gpu`,
		"runners: {a: {runnable: x, cpu: 2, resources: {nvidia.com/gpu: 1}}}":                "",
		"runners: {a: {runnable: x, nvidia_gpu: 2, resources: {cpu: 1, tpu: 3}}}":            "",
		"runners: {a: {runnable: x, cpu: 2, resources: {cpu: 2}}}":                           "[1:28] resources.cpu and cpu say the same: give one of them",
		"runners: {a: {runnable: x, nvidia_gpu: 2, resources: {nvidia.com/gpu: 1}}}":         "[1:28] resources.nvidia.com/gpu and nvidia_gpu say the same: give one of them",
		"runners: {a: {runnable: x, resources: {tpu: 1}, custom_resources: {fpga: 1}}}":      "",
		"runners: {a: {runnable: x, resources: {tpu: 1}, custom_resources: {tpu: 1}}}":       "[1:68] resources.tpu and custom_resources.tpu say the same: give one of them",
		"runners: {a: {runnable: x, resources: system, cpu: 2}}":                             "[1:47] resources is all of the machine, and cpu is an amount: give one of them",
		"runner_defaults: {resources: {cpu: 1}}\nrunners: {a: {runnable: x, nvidia_gpu: 1}}": "",
	} {
		_, _, err := runnerfile.Parse([]byte(file), runnerfile.Base{})
		said := ""
		if err != nil {
			said = err.Error()
		}
		if said != want {
			t.Errorf("%s: %q, want %q", file, said, want)
		}
	}
}

func TestWhatOnlyTheBinaryKnowsHasALineToo(t *testing.T) {
	t.Parallel()
	check := func(r runnables.Runner) []*runnables.OptionError {
		return []*runnables.OptionError{{Option: "strategy", Message: "no strategy " + r.Strategy}}
	}
	_, _, err := runnerfile.Parse([]byte("runners:\n  - name: a\n    runnable: x\n    strategy: s\n"), runnerfile.Base{Check: check})
	if want := `[4:5] runner "a": no strategy s`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestYAMLIsReadAsItIsMeant(t *testing.T) {
	t.Parallel()
	all, _ := parse(t, `# a comment
---
runner_defaults: &common
  max_queue: 4
  init: &init {a: 1, b: !!str 2, c: 0x1F, d: 1_000, e: .5, f: yes, 7: seven, 'q': "\t", g: 18446744073709551615}
runners:
  one:
    <<: *common
    runnable: x
    init:
      <<: [{a: 3, z: 4}, *init]
      b: 5
      block: |
        two
        lines
schedules: ~
---
`, runnerfile.Base{})
	r := all[0]
	if r.MaxQueue != 4 || r.Init["a"] != int64(3) || r.Init["z"] != int64(4) || r.Init["b"] != int64(5) || r.Init["c"] != int64(31) || r.Init["d"] != int64(1000) ||
		r.Init["e"] != 0.5 || r.Init["f"] != "yes" || r.Init["7"] != "seven" || r.Init["q"] != "\t" || r.Init["g"] != uint64(18446744073709551615) || r.Init["block"] != "two\nlines\n" {
		t.Errorf("init is %#v", r.Init)
	}
}

func TestYAMLThatCannotBeIsRefused(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 150) + strings.Repeat("]", 150)
	laughs := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := 1; i < 8; i++ {
		a, b := string(rune('0'+i)), string(rune('0'+i-1))
		laughs += "a" + a + ": &a" + a + " [" + strings.TrimSuffix(strings.Repeat("*a"+b+", ", 10), ", ") + "]\n"
	}
	for file, want := range map[string]string{
		"runners: [":                                                 "",
		"runners: [{name: a, name: b}]":                              "already defined",
		"runners: *nobody":                                           "alias *nobody has no anchor",
		"runners: &a [*a]":                                           "that ends before it",
		"runners: &a [{name: &a b}]":                                 "anchor a is there twice",
		"runners: [{<<: 4, name: a, runnable: x}]":                   "<< wants a map",
		"runners: [{name: !secret a, runnable: x}]":                  "the tag !secret is not known",
		"runners: [{name: a, runnable: x, init: {a: " + deep + "}}]": "there is too much",
		laughs:                   "there is too much",
		"runners: []\n---\na: 1": "second document",
		"just text":              "this is just text, want a map",
		"- a":                    "this is a list, want a map",
	} {
		_, _, err := runnerfile.Parse([]byte(file), runnerfile.Base{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: got %v, want %q", file, err, want)
		}
	}
}

func FuzzParseNeverPanics(f *testing.F) {
	for _, seed := range []string{
		"", everyOption, everyOptionByName, "runners: &a [*a]", "? [a]\n: b", "runners: {a: !!binary x}", "<<: {runners: []}", "runners: [${A}]",
		"schedules: [{name: a, retry: {attempts: 1e400}, input: .nan}]", "runners: [{name: a, cpu: ${A:-[}}]", "--- >\n a\n...\n%YAML 1.2\n---\n", "a: &x\nb: *x",
		"runners: [{name: a, max_queue: 9223372036854775808, max_latency_ms: .inf}]", "&a *a : &a", "!!str", "runners: [{env: {A: ~, B: .inf}}]",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(_ *testing.T, data []byte) {
		env := func(name string) (string, bool) { return name, len(name)%2 == 0 }
		base := runnerfile.Base{Env: env, Runners: []runnables.Runner{{Name: "a", Runnable: "x"}}}
		all, _, err := runnerfile.Parse(data, base)
		if (err == nil) == (all == nil) {
			panic("neither runners nor an error")
		}
		_, _ = runnerfile.ParseSchedules(data, env)
	})
}

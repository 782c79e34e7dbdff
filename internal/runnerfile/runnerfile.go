// Package runnerfile reads ekiben.yaml, the file that says which runners there
// are. It is read strictly: a field that does not exist is an error. Everything
// that is wrong is reported at once, with its line.
//
// YAML becomes nodes that know where they are (read.go), in which variables are
// replaced (variables.go) and from which structs are filled (decode.go, options.go,
// forms.go). What is said of a runner in several places is put in layers
// (layers.go). ekiben.schema.json is made from the structs, for editors.
package runnerfile

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"

	"github.com/ekiben/ekiben/runnables"
)

// Schema is the JSON schema of the file, for editors.
//
//go:embed ekiben.schema.json
var schema []byte

// Schema returns the JSON schema (draft 2020-12) of the file, for editors.
func Schema() []byte { return slices.Clone(schema) }

// Base is what a file builds on.
type Base struct {
	// Runners are those of the binary. What the file says of one overrides it option
	// by option.
	Runners []runnables.Runner

	// Dir is the folder of the file, which [Read] knows: what the file says of file
	// names is relative to it.
	Dir string

	// Isolated reports whether the instances of a runner of this kind are processes
	// always. If it is nil none are.
	Isolated func(r runnables.Runner) bool

	// Check says what is wrong with a runner that only the binary knows, in addition to
	// [runnables.Runner.Check]. If it is nil nothing is.
	Check func(r runnables.Runner) []*runnables.OptionError

	// Env finds the variables that the file refers to, such as [os.LookupEnv]. If
	// it is nil there are none.
	Env Lookup
}

// isProcess reports whether the instances of a runner are processes.
func (b Base) isProcess(r runnables.Runner) bool {
	return r.Isolation == runnables.IsolationProcess || b.Isolated != nil && b.Isolated(r)
}

// Warning is something in the file that has no effect.
type Warning struct {
	// Runner is whose option it is, "" one of all runners.
	Runner string
	// Line is where it is.
	Line int
	// Message says what it is.
	Message string
}

// Read reads the runners in a file, checked and with their defaults: those of the
// binary that the file does not name, on which what it says of all runners is put,
// then those of the file. The error says
// everything that is wrong, and where; it wraps [fs.ErrNotExist] if there is no
// such file.
func Read(path string, base Base) ([]runnables.Runner, []Warning, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, fmt.Errorf("runners file: %w", err)
	}
	if base.Dir, err = filepath.Abs(filepath.Dir(path)); err != nil {
		return nil, nil, fmt.Errorf("runners file %s: %w", path, err)
	}
	all, warnings, err := Parse(data, base)
	if err != nil {
		return nil, nil, fmt.Errorf("runners file %s: %w", path, err)
	}
	return all, warnings, nil
}

// Parse is [Read] of a file's content.
func Parse(data []byte, base Base) ([]runnables.Runner, []Warning, error) {
	var fs faults
	f, root, err := decode(data, base.Env, &fs, "runners", "runner_defaults", "schedules")
	if err != nil {
		return nil, nil, err
	}
	f.schedules(&fs)
	defaults := layer{options: f.RunnerDefaults}
	if d, ok := root.field("runner_defaults"); ok {
		defaults.node = d.value
	}
	said := append([]layer{defaults, f.Runners.shared}, f.Runners.all...)
	var warnings []Warning
	for _, l := range said {
		l.twice(&fs)
		warnings = append(warnings, l.warnings()...)
	}
	var all []runnables.Runner
	known := fs.places()
	for _, r := range base.Runners {
		if !slices.ContainsFunc(f.Runners.all, func(l layer) bool { return l.name == r.Name }) {
			all = append(all, layers{defaults, f.Runners.shared, {name: r.Name}}.runner(base, known, &fs))
		}
	}
	for _, l := range f.Runners.all {
		r := layers{defaults, f.Runners.shared, l}.runner(base, known, &fs)
		all = append(all, r)
		if at, given := l.node.find("env"); given && len(l.Env) > 0 && !base.isProcess(r) {
			const message = "env has no effect: its instances are in the worker's process, and have its environment; isolation: process gives them processes"
			warnings = append(warnings, Warning{r.Name, at.line, message})
		}
	}
	if err := fs.err(); err != nil {
		return nil, nil, err
	}
	return all, warnings, nil
}

// decode reads sections of the file, and in the others nothing.
func decode(data []byte, env Lookup, fs *faults, sections ...string) (file, *node, error) {
	root, err := read(data, fs)
	if err != nil {
		return file{}, nil, err
	}
	if env == nil {
		env = func(string) (string, bool) { return "", false }
	}
	for _, f := range root.fields {
		if slices.Contains(sections, f.key) {
			expand(f.value, f.at, env, fs)
		} else if slices.Contains([]string{"runners", "runner_defaults", "schedules"}, f.key) {
			*f.value = node{at: f.value.at}
		}
	}
	var f file
	if !root.null() {
		decoder{fs}.into(reflect.ValueOf(&f).Elem(), option{at: root.at}, root)
	}
	return f, root, nil
}

// runner is the runner that the last layer names, on what the binary has of it.
// What is wrong is noted, unless there is a fault known in the same place.
func (ls layers) runner(base Base, known map[place]bool, fs *faults) runnables.Runner {
	own := ls[len(ls)-1]
	var under runnables.Runner
	for _, r := range base.Runners {
		if r.Name == own.name {
			under = r
		}
	}
	if under.Runnable != "" && own.Runnable == nil {
		ls = ls.around(under.Runnable)
	}
	r := ls.over(under)
	if slices.ContainsFunc(ls, layer.namesFiles) {
		r.Dir = base.Dir
	}
	wrong := r.Check()
	if base.Check != nil {
		wrong = append(wrong, base.Check(r)...)
	}
	for _, e := range wrong {
		at, itsOwn := ls.where(e.Option)
		switch {
		case known[at]:
		case !itsOwn:
			fs.add(at, "%s", e) // what they share, so once
		case own.node == nil:
			fs.add(at, "runner %q of this binary: %s", own.name, e)
		default:
			fs.add(at, "runner %q: %s", own.name, e)
		}
	}
	return r
}

// warnings are about what a layer says in vain.
func (l layer) warnings() []Warning {
	var all []Warning
	for _, f := range []struct {
		name, message string
		given         bool
	}{
		{"logging", "logging has no effect: EKIBEN_LOG_LEVEL and EKIBEN_LOG_FORMAT say what is logged, of all runners", l.Logging != nil},
		{"metrics", "metrics has no effect: there are always all of them", l.Metrics != nil},
	} {
		if f.given {
			at, _ := l.node.find(f.name)
			all = append(all, Warning{l.name, at.line, f.message})
		}
	}
	return all
}

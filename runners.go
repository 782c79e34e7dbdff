package ekiben

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ekiben/ekiben/internal/runnerfile"
	"github.com/ekiben/ekiben/runnables"
)

// defaultFile is read if no runners file is named.
const defaultFile = "ekiben.yaml"

// runners returns the runners that the binary and the file define, those of
// only if it is not empty. What the file says of a runner of the binary overrides
// it option by option.
func (app App) runners(s Settings, only []string, log *slog.Logger) ([]runnables.Runner, error) {
	for i, r := range app.Runners {
		if err := runnables.Reserved(r.Name); err != nil {
			return nil, fmt.Errorf("a runner of this binary: %w", err)
		}
		if slices.ContainsFunc(app.Runners[:i], func(other runnables.Runner) bool { return other.Name == r.Name }) {
			return nil, fmt.Errorf("a runner of this binary: name %q is there twice", r.Name)
		}
	}
	path := s.Config
	if path == "" {
		path = defaultFile
	}
	base := runnerfile.Base{Runners: app.Runners, Env: os.LookupEnv, Isolated: app.isProcess}
	base.Check = func(r runnables.Runner) []*runnables.OptionError {
		if len(only) > 0 && !slices.Contains(only, r.Name) {
			return nil // other binaries may have what it needs
		}
		return app.check(r)
	}
	all, warnings, err := runnerfile.Read(path, base)
	if s.Config == "" && errors.Is(err, fs.ErrNotExist) {
		all, warnings, err = runnerfile.Parse(nil, base)
	}
	if err != nil {
		return nil, err
	}
	for _, w := range warnings {
		log.Warn("runners file", "runner", w.Runner, "line", w.Line, "warning", w.Message)
	}
	interpreter := s.Python
	if strings.ContainsRune(interpreter, filepath.Separator) { // of this process's folder, not of the file's
		if interpreter, err = filepath.Abs(interpreter); err != nil {
			return nil, fmt.Errorf("EKIBEN_PYTHON: %w", err)
		}
	}
	for i, r := range all {
		if r.Kind() == runnables.PythonKind {
			all[i].Python = cmp.Or(r.Python, interpreter)
		}
	}
	return app.choose(all, only)
}

// check says what this binary does not have for a runner.
func (app App) check(r runnables.Runner) []*runnables.OptionError {
	var all []*runnables.OptionError
	wrong := func(option, format string, args ...any) {
		all = append(all, &runnables.OptionError{Option: option, Message: fmt.Sprintf(format, args...)})
	}
	kind, ok := app.Runnables.Of(r)
	switch {
	case r.Runnable == "":
	case !ok:
		wrong("runnable", "this binary has no runnable %q; it has: %s", r.Runnable, strings.Join(app.kinds(), ", "))
	case r.Kind() != r.Runnable && !kind.Targeted:
		wrong("runnable", "runnable is %q, want %q alone: what it loads is in its init parameters, not %q", r.Runnable, r.Kind(), r.Target())
	}
	if err := app.Strategies.Check(r.Strategy); err != nil {
		wrong("strategy", "%s", err)
	}
	return all
}

// choose returns the runners named in only, or all.
func (app App) choose(all []runnables.Runner, only []string) ([]runnables.Runner, error) {
	names := make([]string, len(all))
	for i, r := range all {
		names[i] = r.Name
	}
	for _, name := range only {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("there is no runner %q; there are: %s", name, strings.Join(names, ", "))
		}
	}
	if len(only) > 0 {
		all = slices.DeleteFunc(all, func(r runnables.Runner) bool { return !slices.Contains(only, r.Name) })
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no runners: name some in %s, or in the file that EKIBEN_CONFIG names, for example\n\n"+
			"runners:\n  - name: hello\n    runnable: echo\n\nThis binary has the runnables %s", defaultFile, strings.Join(app.kinds(), ", "))
	}
	return all, nil
}

// kinds are the names of the runnables of this binary, sorted.
func (app App) kinds() []string { return slices.Sorted(maps.Keys(app.Runnables)) }

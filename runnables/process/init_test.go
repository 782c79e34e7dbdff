//go:build linux

package process_test

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/runnables/process"
)

func TestInitThatCannotBeWrittenStartsNoProcess(t *testing.T) {
	t.Parallel()
	marker := filepath.Join(t.TempDir(), "started")
	command := process.Command{Path: "/bin/sh", Args: []string{"-c", "touch " + marker}}
	for _, c := range []struct {
		init runnables.Init
		says string
	}{
		{runnables.Init{"scale": math.Inf(1)}, "its process cannot be started: init.scale is +Inf, which JSON cannot write"},
		{runnables.Init{"a": map[string]any{"b": []any{1, math.NaN()}}}, "init.a.b[1] is NaN, which JSON cannot write"},
		{runnables.Init{"a": []float32{float32(math.Inf(-1))}}, "init.a[0] is -Inf"},
		{runnables.Init{"a": func() {}}, "unsupported type: func()"},
	} {
		s := setup(t, "subject")
		s.Runner.Init = c.init
		if _, err := process.Start(t.Context(), command, s); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("error is %v, want %s", err, c.says)
		}
		if _, err := process.Describe(t.Context(), command, s); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("error is %v, want %s", err, c.says)
		}
	}
	if _, err := os.Stat(marker); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a process was started, %v", err)
	}
}

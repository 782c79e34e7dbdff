package python_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/ekiben/ekiben/runnables/python"
)

// That a class takes long to be imported is a warning.
func TestWhatADescribedClassPrintsIsNotLoggedButItsProblemsAre(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	log := slog.New(python.ProblemsOnly(slog.NewTextHandler(&text, nil)))
	log.Info("output")
	log.Warn("not ready yet")
	log.Error("cannot be made")
	if got := text.String(); strings.Contains(got, "output") || !strings.Contains(got, "not ready yet") || !strings.Contains(got, "cannot be made") {
		t.Errorf("the log has %s", got)
	}
}

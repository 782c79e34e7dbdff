package chaos_test

import (
	"flag"
	"os"
	"testing"
)

var (
	enabled  = flag.Bool("chaos", false, "run the scenarios; `make chaos` does")
	long     = flag.Bool("long", false, "run the mutants too, and what takes its time")
	seedFlag = flag.Uint64("seed", 1, "what the scenarios draw their calls and faults from")
	duration = flag.Duration("duration", 0, "repeat the scenarios for so long, with seeds that follow on -seed")
	outDir   = flag.String("histories", os.TempDir(), "where the histories of failed runs go")
)

// need skips a test of the suite where the suite was not asked for: it needs the
// machine for itself.
func need(t *testing.T) {
	t.Helper()
	if !*enabled {
		t.Skip("run by make chaos")
	}
}

package ekiben

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/ekiben/ekiben/runnables"
)

// Execute runs a command line and returns what its command returns.
func Execute(ctx context.Context, out, errOut io.Writer, args ...string) error {
	c := App{}.command()
	c.SetArgs(args)
	c.SetOut(out)
	c.SetErr(errOut)
	return c.ExecuteContext(ctx)
}

// RunnersOf are the runners of a binary with a runners file, only some if named.
func (app App) RunnersOf(file string, only ...string) ([]runnables.Runner, error) {
	return app.runners(Settings{Config: file}, only, slog.New(slog.DiscardHandler))
}

// ProgressLine is what is shown of a batch, so many lines of which ended in a time.
func ProgressLine(status string, total, completed, failed, ended int, passed time.Duration) string {
	b := batchAnswer{Status: status}
	b.Counts.Total, b.Counts.Completed, b.Counts.Failed = total, completed, failed
	return progressLine(&b, ended, passed)
}

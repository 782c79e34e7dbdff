package ekiben

import (
	"context"
	"io"
)

// ExecuteOf runs a command line of a binary that has what app has.
func ExecuteOf(ctx context.Context, app App, out io.Writer, args ...string) error {
	c := app.command()
	c.SetArgs(args)
	c.SetOut(out)
	c.SetErr(out)
	return c.ExecuteContext(ctx)
}

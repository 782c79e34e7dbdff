package ekiben

import (
	"context"
	"io"
)

// Execute runs a command line and returns what its command returns.
func Execute(ctx context.Context, out, errOut io.Writer, args ...string) error {
	c := App{}.command()
	c.SetArgs(args)
	c.SetOut(out)
	c.SetErr(errOut)
	return c.ExecuteContext(ctx)
}

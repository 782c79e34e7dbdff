// Command slowservice is a binary with a service for tests: it takes as long as it
// is told to, and notes in a file when a function began and ended.
package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"time"

	"github.com/ekiben/ekiben"
	"github.com/ekiben/ekiben/gateway"
	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/runnables/echo"
)

// order is what the service is asked for.
type order struct {
	// Notes is the file.
	Notes string `json:"notes"`
	// WaitFor is a file: the function ends once it is there.
	WaitFor string `json:"wait_for"`
	// Fail is how often it fails at first, of what may get better.
	Fail int `json:"fail"`
	// Text is echoed by a runner, unless it is empty.
	Text string `json:"text"`
}

func serve(ctx context.Context, c *ekiben.Client, o order) (string, error) {
	if err := note(o.Notes, "began"); err != nil {
		return "", err
	}
	if raw, err := os.ReadFile(o.Notes); err != nil || bytes.Count(raw, []byte("began")) <= o.Fail {
		return "", &gateway.Problem{Code: gateway.CodeOverloaded, Detail: "come again", Retryable: true}
	}
	for {
		if _, err := os.Stat(o.WaitFor); err == nil {
			break
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	text := o.Text
	if text != "" {
		var err error
		if text, err = ekiben.Run[string](ctx, c, "echo", "run", text); err != nil {
			return "", err
		}
	}
	return text, note(o.Notes, "ended")
}

// note appends a line to a file.
func note(file, line string) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%s %d\n", line, os.Getpid())
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

func main() {
	ekiben.Main(ekiben.App{
		Runnables: runnables.Kinds{"echo": echo.Kind()},
		Runners:   []runnables.Runner{{Name: "echo", Runnable: "echo"}},
		Services:  []ekiben.Service{{Name: "slow", APIs: []ekiben.API{ekiben.Handle("/slow", serve)}}},
	})
}

// Command loadtest sends the load that a scenario file describes to one or
// several servers and reports how they answered.
//
//	go run ./loadtest/cmd/loadtest -f loadtest/scenarios/echo.yaml -target http://127.0.0.1:3000
//
// The exit status is 0 when every expectation of the scenario was met, 1 when
// one was missed, and 2 when nothing could be run.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/ekiben/ekiben/loadtest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := loadtest.Command(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

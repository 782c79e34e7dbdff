// Command bench repeats the benchmarks of docs/benchmarks.md and prints their
// table. It is run from the root of the repository and needs redis-server:
//
//	go run ./loadtest/cmd/bench -out docs/benchmarks.md
//
// The exit status is 0 when every target was met.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/ekiben/ekiben"
	"github.com/ekiben/ekiben/loadtest/bench"
)

func main() {
	self, err := os.Executable()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	program := bench.Program{Self: self, Kinds: ekiben.BuiltIn(), Stdout: os.Stdout, Stderr: os.Stderr}
	status := program.Main(ctx, os.Args[1:])
	stop()
	os.Exit(status)
}

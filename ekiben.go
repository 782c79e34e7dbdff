// Package ekiben is what you build an inference service with: give [Main] your
// runnables and services, and the binary can do all that the stock one can:
// serve everything in one process, or be a gateway, or a worker.
//
//	func main() {
//		ekiben.Main(ekiben.App{
//			Runnables: runnables.Kinds{"shout": shout.Kind()},
//			Runners:   []runnables.Runner{{Name: "shout", Runnable: "shout"}},
//		})
//	}
//
// Calls travel over Redis streams; see ARCHITECTURE.md for the life of a call.
package ekiben

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/ekiben/ekiben/gateway"
	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/runnables/echo"
	"github.com/ekiben/ekiben/runnables/onnx"
	"github.com/ekiben/ekiben/runnables/python"
	"github.com/ekiben/ekiben/runnables/sentiment"
	"github.com/ekiben/ekiben/runnables/sleep"
	"github.com/ekiben/ekiben/worker/placement"
)

// App is all that a binary can do.
type App struct {
	// Runnables are the kinds of runnables that it was built with, by the name
	// that runners refer to.
	Runnables runnables.Kinds

	// Runners are served. What the runners file says of one of the same name
	// overrides its options, each by itself.
	Runners []runnables.Runner

	// Services are Go functions behind routes of the gateway.
	Services []Service

	// Strategies place the instances of runners that name them, for hardware that
	// the default strategy does not know.
	Strategies placement.Strategies
}

// Service is a named set of routes.
type Service = gateway.Service

// API is one route of a service; see [Handle].
type API = gateway.API

// Client calls runners from within a service; see [Run].
type Client = gateway.Client

// Handle makes a POST route of a Go function. In and Out say what travels: a
// string is text, a []byte is any bytes, everything else is JSON.
func Handle[In, Out any](route string, fn func(ctx context.Context, c *Client, in In) (Out, error)) API {
	return gateway.HandleFunc(route, fn)
}

// Run calls a method of a runner and waits for its value. args are Go values in
// the order of the method's signature; T is what its value is decoded into.
func Run[T any](ctx context.Context, c *Client, runner, method string, args ...any) (T, error) {
	return gateway.Run[T](ctx, c, runner, method, args...)
}

// BuiltIn returns the runnables that come with Ekiben.
func BuiltIn() runnables.Kinds {
	return runnables.Kinds{
		"echo":               echo.Kind(),
		"onnx":               onnx.Kind(),
		runnables.PythonKind: python.Kind(python.Options{}),
		"sentiment":          sentiment.Kind(),
		"sleep":              sleep.Kind(),
	}
}

// Main is the main function of a binary: it reads the command line and the
// environment, runs until it is told to stop by SIGINT or SIGTERM, and exits. The
// same signal once more ends it at once; the other one does not, because a
// Procfile runner sends SIGTERM after the terminal has sent SIGINT.
func Main(app App) {
	floor := heapFloor()
	defer runtime.KeepAlive(floor)
	ctx, stop := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		first := <-signals
		stop()
		for again := range signals {
			if again == first {
				os.Exit(exitForced)
			}
		}
	}()
	err := app.command().ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// exitForced is the status of a process that was told twice to stop.
const exitForced = 130

// heapFloor is memory that is never touched, and so takes none. It makes the
// garbage collector believe in a heap of that size: gateways and workers have a
// few megabytes that live and many that die young, and would otherwise collect
// dozens of times a second. Without it the whole path does about a tenth less.
func heapFloor() []byte {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return nil // the user decides
	}
	return make([]byte, 64<<20)
}

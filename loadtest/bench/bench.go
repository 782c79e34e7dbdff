package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ekiben/ekiben/loadtest"
	"github.com/ekiben/ekiben/runnables"
)

// Config says what to run. The zero values are not usable.
type Config struct {
	// Ekiben is the path of the binary that serves gateways and workers. It
	// must have the kinds echo, sleep and sentiment.
	Ekiben string

	// Bare starts a process that calls [Bare]: a program and its arguments, to
	// which the address is appended.
	Bare []string

	// Kinds are those that benchmarks 3, 8 and 9 call without the path: sentiment,
	// python and onnx.
	Kinds runnables.Kinds

	// Python is the interpreter of benchmarks 8 and 9, with scikit-learn.
	Python string

	// Root is the top of the repository, where the examples are.
	Root string

	// Only selects benchmarks by number; all when it is empty.
	Only []int

	// Scale multiplies how long is measured, and how often; 1 is what
	// docs/benchmarks.md reports, less is for trying out.
	Scale float64

	// Keep is where the files of the processes go, their logs among them.
	Keep string

	// Log gets a line for every measurement.
	Log *slog.Logger
}

// Run carries the benchmarks out, one after the other. Figures that were
// measured are returned even when a later benchmark fails.
func Run(ctx context.Context, cfg Config) ([]Figure, error) {
	b := &bench{Config: cfg}
	all := []func(context.Context) ([]Figure, error){b.echo, b.sleep, b.sentiment, b.bursts, b.scaling, b.sharing, b.bulk, b.models, b.trips, b.large}
	selected := cfg.Only
	if len(selected) == 0 {
		selected = []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	}
	var figures []Figure
	var faults []error
	for _, n := range selected {
		if n < 1 || n > len(all) {
			return nil, fmt.Errorf("benchmark %d: there are 1 to %d", n, len(all))
		}
	}
	for _, n := range selected {
		b.late = nil
		got, err := all[n-1](ctx)
		figures = append(figures, got...)
		if len(b.late) > 0 {
			figures = append(figures, fact(n, "loads that left late, so that their latency is the generator's", strings.Join(b.late, "; ")))
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("benchmark %d: %w", n, err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return figures, errors.Join(faults...)
}

// bench is one run of the benchmarks.
type bench struct {
	Config
	stacks int      // how many were started, for the names of their folders
	late   []string // the loads of this benchmark that the generator could not keep up with
}

// span scales a time, to at least a quarter of a second: a machine that others
// use stops for longer than one would think.
func (b *bench) span(full time.Duration) time.Duration {
	return max(time.Duration(float64(full)*b.Scale), min(full, 250*time.Millisecond))
}

// times scales a number of repetitions, to at least 2.
func (b *bench) times(full int) int { return max(int(float64(full)*b.Scale), min(full, 2)) }

// dir makes a folder for the files of a process or a stack.
func (b *bench) dir(name string) (string, error) {
	b.stacks++
	dir := filepath.Join(b.Keep, fmt.Sprintf("%02d-%s", b.stacks, name))
	return dir, os.MkdirAll(dir, 0o700)
}

// stack starts a system, and answers a call of each kind before anything is
// measured: a gateway learns of a runner a little after its worker is ready.
func (b *bench) stack(ctx context.Context, name string, t topology, kinds ...loadtest.Kind) (*stack, error) {
	dir, err := b.dir(name)
	if err != nil {
		return nil, err
	}
	s, err := startStack(ctx, b.Ekiben, dir, t)
	if err != nil {
		return nil, err
	}
	client := &loadtest.LeanClient{Timeout: 10 * time.Second}
	defer client.Close()
	for _, gateway := range s.gateways {
		for _, kind := range kinds {
			if err := prime(ctx, client, gateway, kind); err != nil {
				return nil, errors.Join(err, s.close())
			}
		}
	}
	b.Log.InfoContext(ctx, "system is ready", "name", name, "gateways", t.gateways, "workers", t.workers)
	return s, nil
}

// prime repeats a call until it is accepted.
func prime(ctx context.Context, client loadtest.Client, gateway server, kind loadtest.Kind) error {
	request, err := loadtest.NewRequest(gateway.url, kind)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	return gateway.poll(ctx, func() error {
		reply, err := client.Do(ctx, request)
		if err == nil && !reply.Accepted() {
			err = fmt.Errorf("%s: status %d %s", kind.Path, reply.Status, reply.Code)
		}
		return err
	})
}

// load sends a load and logs what came of it. Answers are waited for longer
// than the deadline that calls have by default: what is not answered by then is
// lost.
func (b *bench) load(ctx context.Context, name string, plan loadtest.Plan) (loadtest.Report, error) {
	client := &loadtest.LeanClient{Timeout: 75 * time.Second}
	defer client.Close()
	report, err := loadtest.Run(ctx, plan, client)
	b.Log.InfoContext(ctx, "load", "name", name, "sent", report.Sent, "accepted", report.Accepted, "refused", report.Refused,
		"failed", report.Failed, "goodput_per_s", report.GoodputPerSecond, "p50_ms", report.Latency.Accepted.P50,
		"p99_ms", report.Latency.Accepted.P99, "late_p99_ms", report.Lateness.P99)
	if report.Bottleneck() && !strings.HasPrefix(name, warmUp) {
		b.late = append(b.late, name)
	}
	return report, err
}

// warmUp begins the names of loads that are not measured.
const warmUp = "warm up "

// clean is an error for a report with calls that were refused or not answered.
func clean(r loadtest.Report) error {
	if r.Refused == 0 && r.Failed == 0 && r.Accepted > 0 {
		return nil
	}
	return fmt.Errorf("%d of %d calls were accepted: status %v, code %v, errors %v %s",
		r.Accepted, r.Sent, r.ByStatus, r.ByCode, r.Errors, r.FirstError)
}

// call is a kind of request that runs a method and wants the answer in the form
// of the question.
func call(path, contentType string, body []byte) loadtest.Kind {
	return loadtest.Kind{
		Name: path, Weight: 1, Method: http.MethodPost, Path: path,
		Header: http.Header{"Content-Type": {contentType}, "Accept": {contentType}}, Body: body,
	}
}

// octets is a call with opaque bytes.
func octets(path string, n int) loadtest.Kind {
	return call(path, "application/octet-stream", loadtest.RandomBytes(n, 1))
}

// lines joins the lines of a runners file.
func lines(runners ...string) string { return "runners:\n" + strings.Join(runners, "\n") + "\n" }

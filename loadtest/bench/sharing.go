package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ekiben/ekiben/loadtest"
)

// otherRunner is a second one beside that of benchmark 2, in the same worker.
const otherRunner = `  - {name: other, runnable: sleep, init: {fixed: 20ms, per_row: 2ms}, max_batch_size: 32, replicas: 1}`

// quietRate is how many calls a second a caller makes that is no flood.
const quietRate = 10

// sharing is benchmark 6: what a flood does to those who share a gateway with
// it, and a runner.
func (b *bench) sharing(ctx context.Context) (_ []Figure, err error) {
	flood := from("203.0.113.1", octets(sleepPath, 64))
	same := from("203.0.113.2", octets(sleepPath, 64))
	other := from("203.0.113.2", octets("/v1/runners/other/run", 64))
	s, err := b.stack(ctx, "sharing", topology{
		gateways: 1, workers: 1, runners: lines(sleepRunner, otherRunner), env: []string{"EKIBEN_TRUSTED_PROXIES=127.0.0.0/8"},
	}, same, other)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()

	var figures []Figure
	for _, quiet := range []struct {
		who  string
		kind loadtest.Kind
	}{{"a quiet caller of the same runner", same}, {"a quiet caller of another runner", other}} {
		alone, err := b.quietly(ctx, s, quiet.kind, nil)
		if err != nil {
			return figures, err
		}
		beside, err := b.quietly(ctx, s, quiet.kind, &flood)
		if err != nil {
			return figures, err
		}
		figures = append(figures,
			fact(6, quiet.who+", alone: p50 and p99", fmt.Sprintf("%.0f and %.0f ms", alone.Latency.Accepted.P50, alone.Latency.Accepted.P99)),
			fact(6, quiet.who+", beside a flood of 3 times the capacity: p50 and p99",
				fmt.Sprintf("%.0f and %.0f ms", beside.Latency.Accepted.P50, beside.Latency.Accepted.P99)),
			atMost(6, quiet.who+": not answered", fmt.Sprintf("%d of %d", beside.Sent-beside.Accepted, beside.Sent), float64(beside.Sent-beside.Accepted), 0))
	}
	return figures, nil
}

// from is a call of a client behind a proxy.
func from(address string, kind loadtest.Kind) loadtest.Kind {
	kind.Header.Set("X-Forwarded-For", address)
	return kind
}

// quietly measures calls at a quiet rate, while a flood comes beside them if
// there is one.
func (b *bench) quietly(ctx context.Context, s *stack, kind loadtest.Kind, flood *loadtest.Kind) (quiet loadtest.Report, err error) {
	warm, full := b.span(3*time.Second), b.span(20*time.Second)
	g, ctx := errgroup.WithContext(ctx)
	name := "quiet calls alone"
	if flood != nil {
		name = "quiet calls beside a flood"
		g.Go(func() error {
			_, err := b.load(ctx, warmUp+"a flood", loadtest.Plan{
				Targets: s.targets(), Kinds: []loadtest.Kind{*flood}, Connections: 2048,
				Pacer: loadtest.Poisson{Rate: 3 * sleepCapacity, Seed: 2}, Duration: warm + full,
			})
			return err
		})
	}
	g.Go(func() error {
		var err error
		quiet, err = b.load(ctx, name, loadtest.Plan{
			Targets: s.targets(), Kinds: []loadtest.Kind{kind}, Connections: 64,
			Pacer: loadtest.Poisson{Rate: quietRate, Seed: 3}, Warmup: warm, Duration: full,
		})
		return err
	})
	return quiet, g.Wait()
}

package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ekiben/ekiben/loadtest"
)

// scaling is benchmark 5: four workers against one, each with as many clients
// as keep all of its instances busy with full batches.
func (b *bench) scaling(ctx context.Context) ([]Figure, error) {
	one, err := b.sleepWith(ctx, 1)
	if err != nil {
		return nil, err
	}
	four, err := b.sleepWith(ctx, 4)
	if err != nil {
		return nil, err
	}
	ratio := four / (4 * one)
	return []Figure{
		fact(5, "sleep, one worker", fmt.Sprintf("%.0f rows/s (%.2f of capacity)", one, one/sleepCapacity)),
		fact(5, "sleep, four workers", fmt.Sprintf("%.0f rows/s", four)),
		atLeast(5, "four workers / four times one worker", fmt.Sprintf("%.3f", ratio), ratio, 0.9),
	}, nil
}

// sleepWith measures the rows a second of a number of workers.
func (b *bench) sleepWith(ctx context.Context, workers int) (rate float64, err error) {
	kind := octets(sleepPath, 64)
	// Three batches an instance: one runs, one waits, one is on its way.
	clients := 3 * sleepBatch * workers
	runner := sleepRunner + "0" // a queue of 2,560: nothing is refused here
	s, err := b.stack(ctx, fmt.Sprintf("sleep-%d", workers), topology{gateways: 1, workers: workers, runners: lines(runner)}, kind)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	report, err := b.load(ctx, fmt.Sprintf("sleep, %d workers", workers), loadtest.Plan{
		Targets: s.targets(), Kinds: []loadtest.Kind{kind}, Connections: clients,
		Warmup: b.span(3 * time.Second), Duration: b.span(20 * time.Second),
	})
	if err != nil {
		return 0, err
	}
	return report.GoodputPerSecond, clean(report)
}

package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ekiben/ekiben/loadtest"
)

// scaling is benchmark 5: four workers against one, in turn, each with as many
// clients as keep all of its instances busy with full batches.
func (b *bench) scaling(ctx context.Context) (_ []Figure, err error) {
	kind := octets(sleepPath, 64)
	runner := sleepRunner + "0" // a queue of 2,560: nothing is refused here
	counts := []int{1, 4}
	var stacks []*stack
	for _, workers := range counts {
		s, err := b.stack(ctx, fmt.Sprintf("sleep-%d", workers), topology{gateways: 1, workers: workers, runners: lines(runner)}, kind)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, s.close()) }()
		stacks = append(stacks, s)
	}
	rates := make([]rounds, len(counts))
	var ratio rounds
	for round := range b.times(3) {
		for i, workers := range counts {
			report, err := b.load(ctx, fmt.Sprintf("sleep, %d workers", workers), loadtest.Plan{
				Targets: stacks[i].targets(), Kinds: []loadtest.Kind{kind},
				// Three batches an instance: one runs, one waits, one is on its way.
				Connections: 3 * sleepBatch * workers,
				Warmup:      b.span(2 * time.Second), Duration: b.span(10 * time.Second),
			})
			if err == nil {
				err = clean(report)
			}
			if err != nil {
				return nil, err
			}
			rates[i] = append(rates[i], report.GoodputPerSecond)
		}
		ratio = append(ratio, rates[1][round]/(4*rates[0][round]))
	}
	return []Figure{
		fact(5, "sleep, one worker", fmt.Sprintf("%s rows/s, %.2f of capacity", rates[0].spread("%.0f"), rates[0].median()/sleepCapacity)),
		fact(5, "sleep, four workers", rates[1].spread("%.0f")+" rows/s"),
		atLeast(5, "four workers / four times one worker", ratio.spread("%.3f"), ratio.median(), 0.9),
	}, nil
}

package bench

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ekiben/ekiben/loadtest"
)

const (
	burstSize  = 32
	burstEvery = 250 * time.Millisecond

	// burstRunner costs the same whatever the size of a batch: shredding a
	// burst costs the most there. The runner pair takes matrices: rows of two
	// widths, which cannot run together.
	burstRunner = `  - {name: burst, runnable: sleep, init: {fixed: 5ms, per_row: 0s}, max_batch_size: 32, replicas: 1}`
	pairRunner  = `  - {name: pair, runnable: sleep, init: {fixed: 5ms, per_row: 0s, datatype: FP32, shape: [-1, -1]}, max_batch_size: 32, replicas: 1}`
)

// bursts is benchmark 4: many idle workers must not shred a burst that one
// would run in few batches, even when one of them is stuck.
func (b *bench) bursts(ctx context.Context) ([]Figure, error) {
	one, err := b.burstsWith(ctx, 1)
	if err != nil {
		return nil, err
	}
	figures := []Figure{
		fact(4, "mean batch of one worker, bursts of 32", one.same.formed.String()),
		fact(4, "mean batch of one worker, two groups mixed", one.mixed.formed.String()),
	}
	for _, workers := range []int{2, 4, 16} {
		many, err := b.burstsWith(ctx, workers)
		if err != nil {
			return figures, fmt.Errorf("%d workers: %w", workers, err)
		}
		same := many.same.formed.mean() / one.same.formed.mean()
		mixed := many.mixed.formed.mean() / one.mixed.formed.mean()
		unanswered := many.same.unanswered() + many.mixed.unanswered()
		name := fmt.Sprintf("%d workers, one paused", workers)
		figures = append(figures,
			atLeast(4, name+": mean batch / that of one worker", fmt.Sprintf("%.2f", same), same, 0.8),
			atLeast(4, name+": the same, two groups mixed 1:1", fmt.Sprintf("%.2f", mixed), mixed, 0.7),
			atMost(4, name+": calls without a good answer", fmt.Sprintf("%d of %d", unanswered, many.same.report.Sent+many.mixed.report.Sent), float64(unanswered), 0),
			fact(4, name+": batches", many.same.formed.String()),
			fact(4, name+": batches, two groups", many.mixed.formed.String()),
			fact(4, name+": p50 and p99", fmt.Sprintf("%.1f and %.1f ms (one worker: %.1f and %.1f ms)",
				many.same.report.Latency.Accepted.P50, many.same.report.Latency.Accepted.P99,
				one.same.report.Latency.Accepted.P50, one.same.report.Latency.Accepted.P99)),
		)
	}
	return figures, nil
}

// burstResult is what a number of workers made of the bursts.
type burstResult struct{ same, mixed burstLoad }

type burstLoad struct {
	report loadtest.Report
	formed batches
}

func (l burstLoad) unanswered() int64 { return l.report.Sent - l.report.Accepted }

// burstsWith sends bursts to a number of workers through two gateways. Of more
// than one, the first is paused: it holds connections and a place in the
// consumer group, and does nothing.
func (b *bench) burstsWith(ctx context.Context, workers int) (result burstResult, err error) {
	same := octets("/v1/runners/burst/run", 64)
	narrow := call("/v1/runners/pair/run", "application/json", []byte(`{"input": [[1, 2]]}`))
	wide := call("/v1/runners/pair/run", "application/json", []byte(`{"input": [[1, 2, 3]]}`))
	narrow.Name, wide.Name = "narrow", "wide"

	s, err := b.stack(ctx, fmt.Sprintf("bursts-%d", workers),
		topology{gateways: 2, workers: workers, runners: lines(burstRunner, pairRunner)}, same, narrow, wide)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	live := s.workers
	if workers > 1 {
		if err := s.pause(0); err != nil {
			return result, err
		}
		live = s.workers[1:]
	}
	if result.same, err = b.burst(ctx, s, live, "burst", same); err != nil {
		return result, err
	}
	result.mixed, err = b.burst(ctx, s, live, "pair", narrow, wide)
	return result, err
}

func (b *bench) burst(ctx context.Context, s *stack, live []server, runner string, kinds ...loadtest.Kind) (burstLoad, error) {
	plan := loadtest.Plan{
		Targets: s.targets(), Kinds: kinds, Connections: 10 * burstSize, Seed: 1,
		Pacer: loadtest.Burst{Size: burstSize, Every: burstEvery}, Duration: b.span(2 * time.Second),
	}
	// Once without counting: connections are opened, costs and rates learnt.
	if _, err := b.load(ctx, warmUp+runner, plan); err != nil {
		return burstLoad{}, err
	}
	before, err := readBatches(ctx, live, runner)
	if err != nil {
		return burstLoad{}, err
	}
	plan.Duration = b.span(20 * time.Second)
	var l burstLoad
	if l.report, err = b.load(ctx, fmt.Sprintf("bursts for %s, %d workers", runner, len(s.workers)), plan); err != nil {
		return l, err
	}
	after, err := readBatches(ctx, live, runner)
	l.formed = after.minus(before)
	return l, err
}

// String says how large batches were and why they went.
func (b batches) String() string {
	var reasons []string
	for _, reason := range slices.Sorted(maps.Keys(b.reasons)) {
		reasons = append(reasons, fmt.Sprintf("%s %.0f", reason, b.reasons[reason]))
	}
	return fmt.Sprintf("%.1f rows in %.0f batches (%s)", b.mean(), b.count, strings.Join(reasons, ", "))
}

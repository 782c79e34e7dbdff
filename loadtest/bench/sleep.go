package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ekiben/ekiben/loadtest"
)

const (
	sleepPath  = "/v1/runners/sleep/run"
	sleepBatch = 32

	// sleepCapacity is what one instance can do at most, in rows a second: 32
	// rows in 20 ms + 32 * 2 ms.
	sleepCapacity = sleepBatch / 0.084

	// sleepRunner has a queue of eight batches: what comes beyond them under
	// overload is refused at once rather than answered after a minute.
	sleepRunner = `  - name: sleep
    runnable: sleep
    init: {fixed: 20ms, per_row: 2ms}
    max_batch_size: 32
    max_latency_ms: 500
    max_queue: 256
    replicas: 1`
)

// sleep is benchmark 2: a model that costs time, below and above its capacity.
func (b *bench) sleep(ctx context.Context) (_ []Figure, err error) {
	kind := octets(sleepPath, 64)
	s, err := b.stack(ctx, "sleep", topology{gateways: 1, workers: 1, runners: lines(sleepRunner)}, kind)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()

	below, err := b.sleepAt(ctx, s, kind, 0.9)
	if err != nil {
		return nil, err
	}
	figures := []Figure{
		atMost(2, "refused at 0.9 of capacity", fmt.Sprintf("%d of %d", below.Refused, below.Sent), float64(below.Refused), 0),
		atMost(2, "not answered at 0.9", fmt.Sprint(below.Failed), float64(below.Failed), 0),
		atMost(2, "p99 at 0.9, ms", fmt.Sprintf("%.0f ms (p50 %.0f ms)", below.Latency.Accepted.P99, below.Latency.Accepted.P50), below.Latency.Accepted.P99, 200),
		fact(2, "batches at 0.9", below.formed.String()),
	}
	above, err := b.sleepAt(ctx, s, kind, 1.6)
	if err != nil {
		return figures, err
	}
	goodput := above.GoodputPerSecond / sleepCapacity
	other := above.Sent - above.Accepted - above.ByStatus[429]
	return append(figures,
		atLeast(2, "goodput / capacity at 1.6", fmt.Sprintf("%.3f (%.0f of %.0f rows/s)", goodput, above.GoodputPerSecond, sleepCapacity), goodput, 0.97),
		atMost(2, "neither answered nor refused with 429 at 1.6", fmt.Sprintf("%d; %d refused of %d", other, above.ByStatus[429], above.Sent), float64(other), 0),
		atMost(2, "growth of memory in the second half at 1.6, MiB", fmt.Sprintf("%.1f MiB; peaks: %s", above.memory.growth(), above.memory.peaks()), above.memory.growth(), 16),
		fact(2, "p99 of accepted calls at 1.6", fmt.Sprintf("%.0f ms", above.Latency.Accepted.P99)),
		fact(2, "batches at 1.6", above.formed.String()),
	), nil
}

// sleepLoad is what came of a load, in answers, batches and memory.
type sleepLoad struct {
	loadtest.Report
	formed batches
	memory memory
}

// sleepAt loads the runner with a share of its capacity.
func (b *bench) sleepAt(ctx context.Context, s *stack, kind loadtest.Kind, share float64) (sleepLoad, error) {
	before, err := readBatches(ctx, s.workers, "sleep")
	if err != nil {
		return sleepLoad{}, err
	}
	watched := make(chan memory, 1)
	watching, stop := context.WithCancel(ctx)
	go func() { watched <- s.watch(watching) }()
	report, err := b.load(ctx, fmt.Sprintf("sleep at %.1f of capacity", share), loadtest.Plan{
		Targets: s.targets(), Kinds: []loadtest.Kind{kind}, Connections: 4096,
		Pacer:  loadtest.Poisson{Rate: share * sleepCapacity, Seed: 1},
		Warmup: b.span(3 * time.Second), Duration: b.span(60 * time.Second),
	})
	stop()
	l := sleepLoad{Report: report, memory: <-watched}
	if err != nil {
		return l, err
	}
	after, err := readBatches(ctx, s.workers, "sleep")
	l.formed = after.minus(before)
	return l, err
}

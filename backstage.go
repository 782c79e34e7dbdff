package ekiben

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/worker"
)

// backstage makes what runs the jobs of services in the process of a gateway: a
// worker of its own, which ends before the gateway does.
func (p *process) backstage(
	kinds runnables.Kinds, runners []runnables.Runner, metrics prometheus.Registerer,
) (run func(context.Context) error, err error) {
	// What runs is given back a little before requests are cut off: a function must
	// not take the end of its gateway for an answer.
	drain := max(p.settings.Gateway.DrainTimeout*9/10, time.Millisecond)
	w, err := worker.New(worker.Config{ID: processName(), DrainTimeout: drain}, worker.On(p.queue), kinds, worker.Anywhere(runners...),
		worker.Telemetry{Log: p.log, Metrics: metrics})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		err := w.Run(ctx)
		if errors.Is(err, worker.ErrDrained) {
			p.log.WarnContext(ctx, "jobs of services were given back: they took longer than the drain timeout", "err", err)
			return nil
		}
		return err
	}, nil
}

package ekiben

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/ekiben/ekiben/internal/runnerfile"
	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/queue/tasks/schedule"
)

// newSchedules makes what submits the jobs of schedules. Those of the runners file
// become what the file says; without a file they stay.
func (p *process) newSchedules() (func(context.Context) error, error) {
	loop := schedule.NewLoop(p.queue, p.gateway.Calls(), p.log)
	if err := p.registry.Register(loop.Metrics()); err != nil {
		return nil, fmt.Errorf("schedules: register metrics: %w", err)
	}
	path := p.settings.Config
	if path == "" {
		path = defaultFile
	}
	all, err := runnerfile.ReadSchedules(path, os.LookupEnv)
	if err != nil {
		if p.settings.Config == "" && errors.Is(err, fs.ErrNotExist) {
			return loop.Run, nil
		}
		return nil, err
	}
	return func(ctx context.Context) error {
		if err := p.replaceSchedules(ctx, all); err != nil {
			return err
		}
		return loop.Run(ctx)
	}, nil
}

// replaceSchedules makes the schedules of the file those given, as soon as Redis
// is there. It returns nil when ctx is done.
func (p *process) replaceSchedules(ctx context.Context, all []queue.Schedule) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for said := false; ; said = true {
		removed, err := schedule.Book{Store: p.queue}.Replace(ctx, all)
		for _, name := range removed {
			p.log.WarnContext(ctx, "a schedule was removed: it is of a runners file, and not in the one of this process", "schedule", name)
		}
		switch {
		case err == nil || ctx.Err() != nil:
			return nil
		case !errors.Is(err, queue.ErrUnavailable) && !errors.Is(err, queue.ErrScheduleChanged):
			return fmt.Errorf("schedules of the runners file: %w", err)
		case !said:
			p.log.WarnContext(ctx, "the schedules of the runners file wait", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

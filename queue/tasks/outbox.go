package tasks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/hibiken/asynq"
	"golang.org/x/sync/errgroup"

	"github.com/ekiben/ekiben/queue"
)

const (
	// busyPause and idlePause are how long the outbox rests after it has moved
	// something, and after it has not.
	busyPause = 250 * time.Millisecond
	idlePause = time.Second

	// outboxPage is how many errands of a runner are moved at once.
	outboxPage = 200

	// outboxWidth is how many of them at a time.
	outboxWidth = 8
)

// enqueuer is *[asynq.Client].
type enqueuer interface {
	EnqueueContext(ctx context.Context, t *asynq.Task, o ...asynq.Option) (*asynq.TaskInfo, error)
}

// remover is *[asynq.Inspector].
type remover interface {
	DeleteTask(queue, id string) error
}

// outbox hands errands to asynq. It removes them only when asynq has them; one
// that it handed over and could not remove is handed over again, and is known by
// its id, or is found done by its handler.
type outbox struct {
	errands errands
	asynq   enqueuer
	remover remover
	names   names
	log     *slog.Logger
}

// run moves errands until ctx is done.
func (o *outbox) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		moved, err := o.flush(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			o.log.WarnContext(ctx, "errands wait: they cannot be handed over at present", "err", err)
		}
		failing = err != nil
		pause := idlePause
		if moved > 0 {
			pause = busyPause
		}
		timer.Reset(pause)
	}
}

// flush moves what is there, of all runners.
func (o *outbox) flush(ctx context.Context) (moved int, err error) {
	runners, err := o.errands.Runners(ctx)
	if err != nil {
		return 0, fmt.Errorf("tasks: list runners: %w", err)
	}
	var errs []error
	for _, runner := range runners {
		n, err := o.flushRunner(ctx, runner)
		moved += n
		if err != nil {
			errs = append(errs, err)
		}
	}
	return moved, errors.Join(errs...)
}

// flushRunner moves the errands of a runner, page by page.
func (o *outbox) flushRunner(ctx context.Context, runner string) (moved int, err error) {
	for ctx.Err() == nil {
		page, err := o.errands.Errands(ctx, runner, outboxPage)
		if err != nil {
			return moved, fmt.Errorf("tasks: errands of %s: %w", runner, err)
		}
		var group errgroup.Group
		group.SetLimit(outboxWidth)
		for _, e := range page {
			group.Go(func() error { return o.move(ctx, e) })
		}
		if err := group.Wait(); err != nil {
			return moved, err
		}
		moved += len(page)
		if len(page) < outboxPage {
			break
		}
	}
	return moved, nil
}

func (o *outbox) move(ctx context.Context, e queue.Errand) error {
	step := o.enqueue
	if e.Kind == queue.ErrandNever {
		step = o.remove
	}
	if err := step(ctx, e); err != nil {
		return fmt.Errorf("tasks: hand over %s: %w", e.ID(), err)
	}
	if err := o.errands.ErrandDone(ctx, e); err != nil {
		return fmt.Errorf("tasks: errand %s: %w", e.ID(), err)
	}
	return nil
}

func (o *outbox) enqueue(ctx context.Context, e queue.Errand) error {
	task, options := taskOf(e, o.names)
	_, err := o.asynq.EnqueueContext(ctx, task, options...)
	if errors.Is(err, asynq.ErrTaskIDConflict) {
		return nil
	}
	return err
}

// remove drops the task of a job that was canceled. One that runs is an error, and
// is not there the next time.
func (o *outbox) remove(_ context.Context, e queue.Errand) error {
	e.Kind = queue.ErrandLater
	err := o.remover.DeleteTask(o.names.of(e.Kind), e.ID())
	if errors.Is(err, asynq.ErrTaskNotFound) || errors.Is(err, asynq.ErrQueueNotFound) {
		return nil
	}
	return err
}

package tasks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/ekiben/ekiben/queue"
)

const (
	// checkEvery is how often an idle server looks for tasks, delayedEvery how often
	// it looks for those whose time has come.
	checkEvery, delayedEvery = 250 * time.Millisecond, time.Second

	// stopTime is how long running tasks may take when the server is told to stop;
	// it is longer than a POST. What takes longer goes back.
	stopTime = 20 * time.Second

	// laterConcurrency is how many jobs are brought back at once.
	laterConcurrency = 4

	// receiverPart of the webhooks that a process tells at once may be one receiver's.
	receiverPart = 4
)

// Server runs tasks. Any number of processes may have one.
type Server struct {
	config Config
	redis  *redis.Client
	names  names
	log    *slog.Logger

	outbox    *outbox
	deliverer *deliverer
	sweeper   *sweeper
	errands   errands
}

// New makes a server; it does not need Redis yet. It fails for a configuration or
// dependencies that cannot work, with all that is wrong.
func New(c Config, d Deps) (*Server, error) {
	if err := errors.Join(c.validate(), d.validate()); err != nil {
		return nil, fmt.Errorf("tasks: configuration: %w", err)
	}
	client, err := connect(d.URL)
	if err != nil {
		return nil, err
	}
	log := d.Log
	if log == nil {
		log = slog.Default()
	}
	counts := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "ekiben_webhook_deliveries_total",
		Help: "Deliveries of webhooks by what came of them: delivered, retried, failed, gone, or lost with the job's record.",
	}, []string{"runner", "result"})
	if err := d.Registry.Register(counts); err != nil {
		return nil, fmt.Errorf("tasks: register metrics: %w", err)
	}
	names := namesOf(d.Prefix)
	enqueuer := asynq.NewClientFromRedisClient(client)
	return &Server{
		config: c, redis: client, names: names, log: log, errands: d.Errands,
		outbox: &outbox{errands: d.Errands, asynq: enqueuer, remover: asynq.NewInspectorFromRedisClient(client), names: names, log: log},
		deliverer: &deliverer{
			hooks: d.Hooks, view: d.View, sender: d.Sender, receivers: newReceivers(c.Concurrency / receiverPart), counts: counts, log: log,
		},
		sweeper: newSweeper(client, enqueuer, names, log),
	}, nil
}

// Run runs tasks until ctx is done, and returns nil then: first no errands are
// handed over any more, then running tasks have some time to end; what does not
// is run again by another server. It is called once.
func (s *Server) Run(ctx context.Context) error {
	defer func() { _ = s.redis.Close() }()
	work, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	for name, width := range map[string]int{s.names.webhooks: s.config.Concurrency, s.names.later: laterConcurrency} {
		server := s.serverOf(work, name, width)
		if err := server.Start(asynq.HandlerFunc(s.handle)); err != nil {
			return fmt.Errorf("tasks: start: %w", err)
		}
		defer server.Shutdown()
	}
	var group errgroup.Group
	group.Go(func() error {
		s.outbox.run(ctx)
		return nil
	})
	group.Go(func() error {
		s.sweeper.run(ctx)
		return nil
	})
	return group.Wait()
}

// serverOf makes what runs the tasks of a queue, so many at once.
func (s *Server) serverOf(work context.Context, name string, width int) *asynq.Server {
	return asynq.NewServerFromRedisClient(s.redis, asynq.Config{
		Concurrency:              width,
		Queues:                   map[string]int{name: 1},
		BaseContext:              func() context.Context { return work },
		TaskCheckInterval:        checkEvery,
		DelayedTaskCheckInterval: delayedEvery,
		ShutdownTimeout:          stopTime,
		RetryDelayFunc:           retryDelay,
		IsFailure:                isFailure,
		ErrorHandler:             asynq.ErrorHandlerFunc(s.failed),
		Logger:                   newAsynqLog(s.log),
		LogLevel:                 asynq.DebugLevel,
	})
}

// handle runs a task.
func (s *Server) handle(ctx context.Context, t *asynq.Task) error {
	if t.Type() == kindSweep {
		return s.sweeper.sweep(ctx)
	}
	e, err := errandOf(t)
	if err != nil {
		return errors.Join(err, asynq.SkipRetry)
	}
	switch e.Kind {
	case queue.ErrandLater:
		if err := s.errands.Ripen(ctx, e); err != nil {
			return fmt.Errorf("tasks: bring job %s back: %w", e.Job, err)
		}
		return nil
	case queue.ErrandWebhook:
		return s.deliverer.deliver(ctx, e)
	case queue.ErrandNever: // the outbox does it
	}
	return errors.Join(fmt.Errorf("%w: kind %q", errMalformed, e.Kind), asynq.SkipRetry)
}

// failed says which tasks did not end, unless that is usual.
func (s *Server) failed(ctx context.Context, t *asynq.Task, err error) {
	if _, usual := errors.AsType[*againError](err); usual {
		return
	}
	s.log.WarnContext(ctx, "a task failed", "kind", t.Type(), "task", string(t.Payload()), "err", err)
}

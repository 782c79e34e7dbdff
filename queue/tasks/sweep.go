package tasks

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

const (
	// kindSweep is the kind of tasks that look after asynq itself.
	kindSweep = "sweep"

	// sweepEvery is how often one is made.
	sweepEvery = 10 * time.Minute

	// orphanFor is how long a task without a lease is left.
	orphanFor = time.Hour
)

//go:embed sweep.lua
var sweepSource string

// sweeper gives back what asynq has lost. Its inspector cannot: it neither shows
// active tasks without a lease nor touches active ones.
type sweeper struct {
	redis  *redis.Client
	asynq  enqueuer
	names  names
	script *redis.Script
	orphan time.Duration
	log    *slog.Logger
}

func newSweeper(client *redis.Client, e enqueuer, n names, log *slog.Logger) *sweeper {
	return &sweeper{redis: client, asynq: e, names: n, script: redis.NewScript(sweepSource), orphan: orphanFor, log: log}
}

// run makes a task of every tick until ctx is done. Its id is the tick's and stays
// for longer than it lasts, so that several processes make one.
func (s *sweeper) run(ctx context.Context) {
	ticker := time.NewTicker(sweepEvery / 10)
	defer ticker.Stop()
	made := ""
	for {
		tick := kindSweep + ":" + strconv.FormatInt(time.Now().UnixNano()/int64(sweepEvery), 10)
		if tick != made && s.enqueue(ctx, tick) == nil {
			made = tick
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// enqueue makes the task of a tick unless it is there.
func (s *sweeper) enqueue(ctx context.Context, tick string) error {
	_, err := s.asynq.EnqueueContext(ctx, asynq.NewTask(kindSweep, []byte(tick)), asynq.Queue(s.names.later), asynq.TaskID(tick),
		asynq.MaxRetry(1), asynq.Timeout(handlerTime), asynq.Retention(2*sweepEvery))
	if errors.Is(err, asynq.ErrTaskIDConflict) {
		return nil
	}
	return err
}

// sweep is the handler.
func (s *sweeper) sweep(ctx context.Context) error {
	for _, name := range s.names.all() {
		keys := []string{asynqKey(name, "active"), asynqKey(name, "lease"), asynqKey(name, "pending"), name + ":orphans"}
		n, err := s.script.Run(ctx, s.redis, keys, asynqKey(name, "t:"), s.orphan.Milliseconds()).Int64Slice()
		if err != nil {
			return fmt.Errorf("tasks: sweep: %w", err)
		}
		if len(n) == 2 && n[0]+n[1] > 0 {
			s.log.WarnContext(ctx, "tasks had no lease for long", "queue", name, "queued_again", n[0], "dropped", n[1])
		}
	}
	return nil
}

// asynqKey is a key of asynq's. A test holds these against asynq.
func asynqKey(name, part string) string { return "asynq:{" + name + "}:" + part }

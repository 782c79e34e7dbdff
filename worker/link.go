package worker

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// link remembers whether the queue answers, and logs only when that changes. It
// is safe for concurrent use.
type link struct {
	log *slog.Logger

	// down is read without the lock, so that success costs nothing.
	down atomic.Bool

	// mu guards what follows.
	mu sync.Mutex
	// step is what failed first; its next success ends the outage.
	step  string
	since time.Time
}

// report tells how a step went.
func (l *link) report(ctx context.Context, step string, err error) {
	if err == nil && !l.down.Load() || err != nil && ctx.Err() != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err != nil && !l.down.Load():
		l.step, l.since = step, time.Now()
		l.down.Store(true)
		l.log.WarnContext(ctx, "queue is not available, trying on", "step", step, "err", err)
	case err == nil && l.step == step:
		l.down.Store(false)
		l.log.InfoContext(ctx, "queue is available again", "step", step, "away", time.Since(l.since))
	}
}

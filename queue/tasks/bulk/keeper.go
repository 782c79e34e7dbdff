package bulk

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// keeper renews the lease of a batch while it is run, says how far it has come,
// and learns whether it is to be canceled.
type keeper struct {
	// canceled is set once, by the keeper.
	canceled atomic.Bool
	// progress is what the run has counted.
	progress atomic.Pointer[progressNow]
	done     chan struct{}
}

// progressNow is how many lines have ended, stored or not.
type progressNow struct{ completed, failed int }

func (k *keeper) wait() { <-k.done }

// startKeeper keeps a batch until ctx is done. It calls stop if the batch is
// another owner's.
func (e *Engine) startKeeper(ctx context.Context, stop context.CancelCauseFunc, id, owner string) *keeper {
	k := &keeper{done: make(chan struct{})}
	go func() {
		defer close(k.done)
		tick := time.NewTicker(max(min(e.config.Lease/5, time.Second), time.Millisecond))
		defer tick.Stop()
		for {
			canceled, err := e.records.NoteBatch(ctx, id, owner, e.config.Lease, queue.BatchChange{Live: k.live()})
			if errors.Is(err, queue.ErrBatchTaken) {
				stop(err)
				return
			}
			e.note(ctx, "lease of a batch is not renewed", err, "batch", id)
			if canceled {
				k.canceled.Store(true)
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	return k
}

func (k *keeper) live() *queue.BatchCounts {
	p := k.progress.Load()
	if p == nil {
		return nil
	}
	return &queue.BatchCounts{Completed: p.completed, Failed: p.failed}
}

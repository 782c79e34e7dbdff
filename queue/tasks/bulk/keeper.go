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
	// progress is what the run has counted: lines that have ended, stored or not.
	progress atomic.Pointer[queue.BatchCounts]
	done     chan struct{}
}

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

// counts are how many lines have ended, at least those that are stored.
func (k *keeper) counts(stored *queue.BatchProgress) (completed, failed int) {
	if p := k.live(); p != nil {
		return p.Completed, p.Failed
	}
	return stored.Stored - stored.StoredFailed, stored.StoredFailed
}

func (k *keeper) live() *queue.BatchCounts {
	return k.progress.Load()
}

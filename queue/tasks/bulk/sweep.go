package bulk

import (
	"context"
	"errors"
	"time"

	"gocloud.dev/blob"

	"github.com/ekiben/ekiben/queue"
)

// orphanAge is how old what nobody refers to must be to be dropped: a file may
// have come whose batch has not been made yet.
const orphanAge = 24 * time.Hour

// Sweep drops batches whose time is over with their files, and what is stored and
// nobody refers to any more. Any number of processes may sweep at once.
func (e *Engine) Sweep(ctx context.Context) error {
	now, err := e.records.Now(ctx)
	if err != nil {
		return err
	}
	if err := e.records.MendBatches(ctx); err != nil {
		return err
	}
	needed, err := e.sweepBatches(ctx, now)
	if err != nil {
		return err
	}
	old := now.Add(-max(orphanAge, e.config.Retention))
	drop := func(o *blob.ListObject) error {
		if id, ours := ownerOf(o.Key); !ours || needed[id] || o.ModTime.After(old) {
			return nil
		}
		return e.store.drop(ctx, o.Key)
	}
	return errors.Join(e.store.each(ctx, filesFolder, drop), e.store.each(ctx, batchesFolder, drop))
}

// sweepBatches drops batches whose time is over by now. It returns the ids of batches
// and files that are needed.
func (e *Engine) sweepBatches(ctx context.Context, now time.Time) (needed map[string]bool, err error) {
	needed = map[string]bool{}
	var over []queue.Batch
	for cursor := ""; ; {
		page, next, err := e.records.Batches(ctx, cursor, candidates)
		if err != nil {
			return nil, err
		}
		for i := range page {
			b := page[i]
			if b.State.Terminal() && b.Expires.Before(now) {
				over = append(over, b)
				continue
			}
			needed[b.ID], needed[b.File] = true, true
		}
		if cursor = next; next == "" {
			break
		}
	}
	for _, b := range over {
		if err := e.dropBatch(ctx, b, needed[b.File]); err != nil {
			return nil, err
		}
	}
	return needed, nil
}

// dropBatch drops what is stored of a batch and then its record, so that nothing
// is forgotten if it is interrupted.
func (e *Engine) dropBatch(ctx context.Context, b queue.Batch, fileNeeded bool) error {
	err := e.store.each(ctx, partsOf(b.ID), func(o *blob.ListObject) error {
		if _, ours := ownerOf(o.Key); !ours {
			return nil
		}
		return e.store.drop(ctx, o.Key)
	})
	if err == nil && !fileNeeded {
		err = errors.Join(e.store.drop(ctx, inputName(b.File)), e.store.drop(ctx, cardName(b.File)))
	}
	if err != nil {
		return err
	}
	return e.records.DropBatch(ctx, b.ID)
}

package bulk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gocloud.dev/blob"
	"golang.org/x/sync/errgroup"

	"github.com/ekiben/ekiben/queue"
)

// cardReaders is how many descriptions of files are read at once.
const cardReaders = 16

// Files lists the files that came, the newest first, up to limit behind the one with
// the id after; "" is from the start. more: there are others behind them.
func (d *Desk) Files(ctx context.Context, after string, limit int) (files []queue.BatchFile, more bool, err error) {
	type card struct {
		id   string
		when time.Time
	}
	var cards []card
	err = d.store.each(ctx, filesFolder, func(o *blob.ListObject) error {
		if id, ours := ownerOf(o.Key); ours && o.Key == cardName(id) {
			cards = append(cards, card{id, o.ModTime})
		}
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	slices.SortFunc(cards, func(a, b card) int {
		if c := b.when.Compare(a.when); c != 0 {
			return c
		}
		return strings.Compare(a.id, b.id)
	})
	if after != "" {
		at := slices.IndexFunc(cards, func(c card) bool { return c.id == after })
		if at < 0 {
			return nil, false, fmt.Errorf("%w: %s", queue.ErrUnknownFile, after)
		}
		cards = cards[at+1:]
	}
	more = len(cards) > limit
	cards = cards[:min(limit, len(cards))]
	files = make([]queue.BatchFile, len(cards))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(cardReaders)
	for i, c := range cards {
		group.Go(func() (err error) {
			if files[i], err = d.File(ctx, c.id); errors.Is(err, ErrNoFile) {
				return nil // it was dropped meanwhile
			}
			return err
		})
	}
	err = group.Wait()
	return slices.DeleteFunc(files, func(f queue.BatchFile) bool { return f.ID == "" }), more, err
}

// DropFile drops a file that came. It returns [queue.ErrUnknownFile], and
// [queue.ErrFileInUse] for one that a batch needs, or that has outcomes of one.
func (d *Desk) DropFile(ctx context.Context, id string) error {
	if _, err := d.File(ctx, id); err != nil {
		return err
	}
	if _, kind := outcomesOf(id); kind != "" {
		return fmt.Errorf("%w: it is dropped with its batch", queue.ErrFileInUse)
	}
	open, err := d.ledger.OpenBatches(ctx, candidates)
	if err != nil {
		return err
	}
	for _, batch := range open {
		b, err := d.ledger.Batch(ctx, batch)
		if err != nil && !errors.Is(err, queue.ErrUnknownBatch) {
			return err
		}
		if err == nil && b.File == id && !b.State.Terminal() {
			return fmt.Errorf("%w: batch %s has not ended", queue.ErrFileInUse, batch)
		}
	}
	// Without its description no batch can be made of it any more.
	if err := d.store.drop(ctx, cardName(id)); err != nil {
		return err
	}
	return d.store.drop(ctx, inputName(id))
}

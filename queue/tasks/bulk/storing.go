package bulk

import (
	"bytes"
	"context"
	"io"

	"github.com/ekiben/ekiben/queue"
)

// storing stores the parts of a run one after the other, while the run fills the
// next one.
type storing struct {
	claim
	keep *keeper

	todo chan *part
	// spare is a part that has been stored, to be filled again.
	spare chan *part

	// ended is closed when no part is stored any more: progress is how far the
	// batch has come then, err why it is no further.
	ended    chan struct{}
	progress queue.BatchProgress
	err      error
}

// startStoring begins behind what progress says is stored. It must be closed.
func startStoring(ctx context.Context, c claim, keep *keeper, progress queue.BatchProgress) *storing {
	s := &storing{
		claim: c, keep: keep, progress: progress,
		todo: make(chan *part), spare: make(chan *part, 1), ended: make(chan struct{}),
	}
	go func() {
		defer close(s.ended)
		for p := range s.todo {
			if s.err = s.store(ctx, p); s.err != nil {
				return
			}
			p.empty()
			select {
			case s.spare <- p:
			default:
			}
		}
	}()
	return s
}

// put has a part stored as soon as the one before it is, and returns an empty one.
// The error is why that one was not.
func (s *storing) put(p *part) (*part, error) {
	select {
	case s.todo <- p:
	case <-s.ended:
		return nil, s.err
	}
	select {
	case p = <-s.spare:
		return p, nil
	default:
		return &part{}, nil
	}
}

// close waits for the last part, and returns how far the batch has come.
func (s *storing) close() (queue.BatchProgress, error) {
	close(s.todo)
	<-s.ended
	return s.progress, s.err
}

// store stores a part, notes in the batch's record that it did, and forgets the
// jobs whose outcomes are safe then. What was stored and not noted is stored again
// by whoever goes on: their jobs are still there.
func (s *storing) store(ctx context.Context, p *part) error {
	next := s.progress
	next.Stored += p.lines
	next.StoredFailed += p.failed
	next.Completed, next.Failed = s.keep.counts(&next)
	change := queue.BatchChange{Progress: &next, State: p.ends, Retention: s.config.Retention}
	for _, kind := range []struct {
		name  string
		text  *bytes.Buffer
		parts *int
		bytes *int64
	}{
		{kindResults, &p.results, &next.Results, &next.ResultBytes},
		{kindErrors, &p.errors, &next.Errors, &next.ErrorBytes},
	} {
		if kind.text.Len() == 0 {
			continue
		}
		stored := queue.BatchPart{Kind: kind.name, N: *kind.parts}
		stored.Name = partName(stored, s.id, s.owner)
		if err := s.write(ctx, stored.Name, kind.text.Bytes()); err != nil {
			return err
		}
		*kind.parts++
		*kind.bytes += int64(kind.text.Len())
		change.Parts = append(change.Parts, stored)
	}
	if err := s.tell(ctx, change); err != nil {
		return err
	}
	s.progress = next
	if p.ends != "" { // its keeper ends ctx as soon as it learns that
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), longBackoff)
		defer cancel()
	}
	err := s.calls.Forget(ctx, p.ids)
	s.note(ctx, "jobs of a batch are kept for longer than they must be", err, "batch", s.id)
	return nil
}

func (s *storing) write(ctx context.Context, name string, text []byte) error {
	return s.insist(ctx, func() error {
		return s.Engine.store.write(ctx, name, func(w io.Writer) error {
			if _, err := w.Write(text); err != nil {
				return failing("store "+name, err)
			}
			return nil
		})
	})
}

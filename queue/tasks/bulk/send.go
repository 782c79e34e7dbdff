package bulk

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// submitters is how many calls are on their way into the queue at once.
	submitters = 128

	// shortBackoff and longBackoff are how long nothing is submitted after a
	// refusal that passes.
	shortBackoff = 50 * time.Millisecond
	longBackoff  = 5 * time.Second
)

// sender makes jobs of the lines of a run while the run does other things.
type sender struct {
	calls  Calls
	caller string

	// todo and done have room for a window, so that nobody waits to hand a line
	// over, or back.
	todo chan *line
	done chan sent

	stop    context.CancelFunc
	workers sync.WaitGroup
}

// sent is a line that is a job now, unless it was refused or an error says that
// it is not known.
type sent struct {
	line    *line
	refusal *Refusal
	err     error
}

// startSender starts one for at most window lines at a time. It must be closed.
func startSender(ctx context.Context, calls Calls, caller string, window int) *sender {
	ctx, stop := context.WithCancel(ctx)
	s := &sender{calls: calls, caller: caller, todo: make(chan *line, window), done: make(chan sent, window), stop: stop}
	for range min(submitters, window) {
		s.workers.Go(func() {
			for l := range s.todo {
				s.done <- s.send(ctx, l)
			}
		})
	}
	return s
}

// close returns when nothing is on its way any more.
func (s *sender) close() {
	s.stop()
	close(s.todo)
	s.workers.Wait()
}

func (s *sender) send(ctx context.Context, l *line) sent {
	err := s.calls.Submit(ctx, Call{ID: l.id, Runner: l.runner, Method: l.method, Body: l.body, Caller: s.caller})
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		return sent{l, refusal, nil}
	}
	return sent{l, nil, err}
}

// submit hands the lines that are no jobs yet to the sender, unless calls were
// refused a moment ago.
func (r *run) submit() {
	if r.fresh == 0 || time.Now().Before(r.notBefore) {
		return
	}
	for _, l := range r.lines {
		if l.stage == fresh {
			l.stage = leaving
			r.sender.todo <- l
			r.fresh--
			r.leaving++
		}
	}
}

// collect takes back what the sender has done, and returns how many lines that
// were. It waits for all of them if it is to.
func (r *run) collect(all bool) (n int, err error) {
	held := false
	for r.leaving > 0 && (all || len(r.sender.done) > 0) {
		s := <-r.sender.done
		r.leaving--
		if s.err != nil {
			return n, fmt.Errorf("bulk: submit line %d of batch %s: %w", s.line.number, r.batch.ID, s.err)
		}
		switch {
		case s.refusal == nil:
			s.line.stage = queued
		case s.refusal.Passes:
			s.line.stage, held = fresh, true
			r.fresh++
			continue
		default:
			r.endLine(s.line, s.refusal.Status, s.refusal.Body)
		}
		n++
	}
	r.hold(held, n > 0)
	return n, nil
}

// hold lets nothing be submitted for a while after a refusal, twice as long after
// each, and forgets that once all were accepted. What comes back meanwhile was
// submitted before.
func (r *run) hold(refused, some bool) {
	switch now := time.Now(); {
	case now.Before(r.notBefore):
	case refused:
		r.backoff = min(max(2*r.backoff, shortBackoff), longBackoff)
		r.notBefore = now.Add(r.backoff)
	case some:
		r.backoff = 0
	}
}

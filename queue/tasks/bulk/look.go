package bulk

import (
	"context"
	"time"
)

const (
	// shortPoll, busyPoll and longPoll are how soon calls are looked at again, after
	// many have ended, at most while some do, and while none does.
	shortPoll = time.Millisecond
	busyPoll  = 8 * time.Millisecond
	longPoll  = 200 * time.Millisecond

	// wholeLook is how often all calls are looked at, whatever the first of them
	// are like.
	wholeLook = 50 * time.Millisecond

	// lookBytes is how much one look at calls reads of their results.
	lookBytes = 16 << 20

	// maxLost is how many times a call is submitted again whose job is gone.
	maxLost = 3
)

// rest waits before calls are looked at again: longer while none of them ends, and
// so long while some do that a look finds a good part of them ended.
func (r *run) rest(ctx context.Context, ended, moved int) error {
	switch {
	case ended == 0 && moved == 0:
		r.pause = min(2*r.pause, longPoll)
	case 4*ended < r.inFlight:
		r.pause = min(2*r.pause, busyPoll)
	default:
		r.pause = max(r.pause/2, shortPoll)
	}
	return sleep(ctx, r.pause)
}

// look looks at the jobs that have not ended, and returns how many have since.
// Lanes are served in order, so that it begins with the oldest, and goes on as long
// as most have ended; but some runners are slower than others.
func (r *run) look(ctx context.Context) (ended int, err error) {
	var open []*line
	for _, l := range r.lines {
		if l.stage == queued {
			open = append(open, l)
		}
	}
	whole := time.Since(r.looked) >= wholeLook
	if whole {
		r.looked = time.Now()
	}
	for glance := max(r.config.Window/4, 1); len(open) > 0; {
		some := open[:min(glance, len(open))]
		open = open[len(some):]
		n, err := r.lookAt(ctx, some)
		ended += n
		if err != nil || !whole && 2*n < len(some) {
			return ended, err
		}
	}
	return ended, nil
}

// lookAt looks at some jobs, and returns how many have ended. While there is no room
// for answers, only the first line of all can make some.
func (r *run) lookAt(ctx context.Context, open []*line) (ended int, err error) {
	room := heldBytes - r.answers
	if room <= 0 && open[0] != r.lines[0] {
		return 0, nil
	}
	ids := make([]string, len(open))
	for i, l := range open {
		ids[i] = l.id
	}
	outcomes, err := r.outcomes(ctx, ids, int64(min(lookBytes, room)))
	if err != nil {
		return 0, err
	}
	for i, o := range outcomes {
		switch l := open[i]; o.State {
		case Pending:
			continue
		case Unknown:
			if l.lost++; l.lost <= maxLost {
				l.stage = fresh // Redis has lost it, or an operator dropped it
				r.fresh++
				continue
			}
			r.endLine(l, 500, problem(500, "call_lost", "the queue lost the call again and again"))
		case Canceled, Answered:
			r.endLine(l, o.Status, o.Body)
		}
		ended++
	}
	return ended, nil
}

// outcomes looks at jobs until they can be seen, and at no more bytes.
func (r *run) outcomes(ctx context.Context, ids []string, most int64) (outcomes []Outcome, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	err = r.insist(ctx, func() error {
		outcomes, err = r.calls.Outcomes(ctx, ids, most)
		return err
	})
	return outcomes, err
}

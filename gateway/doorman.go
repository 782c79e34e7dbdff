package gateway

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// refusedFor is how long after a call was refused the gateway counts as one
// that should get no calls, unless one is taken meanwhile.
const refusedFor = 10 * time.Second

// doorman is a producer that lets no more calls in than Redis accepts in time, and
// notes whether it takes them at all. A Redis whose memory is full, say, answers
// every ping and refuses every call.
type doorman struct {
	producer

	log       *slog.Logger
	accepting *accepting

	// refused is when a call was refused last; nil once a call was taken that
	// came after it.
	refused atomic.Pointer[time.Time]
}

// Do is that of the producer.
func (d *doorman) Do(ctx context.Context, call queue.Call) (queue.Reply, error) {
	permit := d.accepting.enter()
	if permit == nil {
		return queue.Reply{}, notAccepting()
	}
	defer permit.over()
	call.Answered = permit.answered
	before := d.refused.Load()
	reply, err := d.producer.Do(ctx, call)
	d.note(ctx, before, err)
	return reply, err
}

// Submit is that of the producer.
func (d *doorman) Submit(ctx context.Context, call queue.Call) (queue.Job, error) {
	permit := d.accepting.enter()
	if permit == nil {
		return queue.Job{}, notAccepting()
	}
	defer permit.over()
	call.Answered = permit.answered
	before := d.refused.Load()
	job, err := d.producer.Submit(ctx, call)
	d.note(ctx, before, err)
	return job, err
}

func notAccepting() error {
	return refuse(CodeOverloaded, refusedAccepting, "the queue does not accept calls as fast as they come")
}

// note takes what became of a call. before is the last refusal when it came: a
// call that was taken before Redis began to refuse says nothing about now.
func (d *doorman) note(ctx context.Context, before *time.Time, err error) {
	switch {
	case errors.Is(err, queue.ErrRefused):
		now := time.Now()
		if d.refused.Swap(&now) == nil {
			d.log.WarnContext(ctx, "redis refuses calls", "err", err)
		}
	case err == nil && before != nil && d.refused.CompareAndSwap(before, nil):
		d.log.InfoContext(ctx, "redis takes calls again")
	}
}

// refuses reports whether the last call was refused a little while ago.
func (d *doorman) refuses() bool {
	at := d.refused.Load()
	return at != nil && time.Since(*at) < refusedFor
}

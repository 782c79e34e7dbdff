package queue

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"

	"github.com/ekiben/ekiben/tensor"
)

// Outcome is how a delivery ended.
type Outcome struct {
	Delivery Delivery
	// Reply goes to who asked. Its ID is set by [Consumer.Finish].
	Reply Reply
}

// Finished says what a [Consumer.Finish] did.
type Finished struct {
	// Lost outcomes had no effect: the call had ended before, or it failed here
	// after the lease on it was lost.
	Lost int
}

// Finish ends calls: awaited ones are answered, jobs get their terminal state.
// After an error it may be called again with the same outcomes; what was done
// is not done twice.
//
// The reply of an awaited call is sent before its entry is removed, in one
// round trip: a crash between the two leads to a second reply, which the
// gateway drops. Failures are sent only by the owner of the call.
func (c *Consumer) Finish(ctx context.Context, outcomes []Outcome) (Finished, error) {
	var done Finished
	for len(outcomes) > 0 {
		n, bytes := 0, 0
		for n < min(len(outcomes), maxIDs) && bytes < maxFinishBytes {
			bytes += tensor.NamedSize(outcomes[n].Reply.Outputs)
			n++
		}
		lost, unstaged, err := c.finish(ctx, outcomes[:n], c.queue.config.MaxInline)
		if err == nil && len(unstaged) > 0 {
			// Redis takes nothing in, but scripts may end what there is.
			var more int
			more, _, err = c.finish(ctx, unstaged, math.MaxInt)
			lost += more
		}
		if err != nil {
			return done, err
		}
		done.Lost += lost
		outcomes = outcomes[n:]
	}
	return done, nil
}

// finish ends calls. The result of a job that has more than so many bytes goes beside
// its record, as inputs do; unstaged are the outcomes of those that did not arrive
// there, whose jobs have not ended.
func (c *Consumer) finish(ctx context.Context, outcomes []Outcome, inline int) (lost int, unstaged []Outcome, err error) {
	ps := make([]place, len(outcomes))
	for i := range outcomes {
		ps[i] = outcomes[i].Delivery.at
	}
	defer c.leave(ps)()
	mine, err := c.mayFail(ctx, outcomes)
	if err != nil {
		return 0, nil, unavailable("finish calls of "+c.runner, err)
	}
	replies, hints := mailbag{}, mailbag{}
	var stages []evaluation
	args := make([]any, 0, 3+10*len(outcomes))
	args = append(args, c.name, c.queue.config.Retention.Milliseconds(), len(outcomes))
	for i := range outcomes {
		d, r := &outcomes[i].Delivery, &outcomes[i].Reply
		job, result, outputs := "", []byte(nil), body{}
		reply := appendReply(make([]byte, 0, replySize(r)), r)
		switch {
		case d.job:
			job, result = d.ID, reply
			if r.Err == nil && len(reply) > inline {
				result, outputs = nil, newBody(reply)
				stages = append(stages, outputs.stage(c.queue.keys, c.runner)...)
			}
			hints.add(d.replyTo, d.ID, appendHint(nil))
		case r.Err == nil || mine[i]:
			replies.add(d.replyTo, d.ID, reply)
		}
		args = append(args, d.at.lane, d.at.entry, verdict(d, r), d.Rows, d.bytes, d.share, job, result, d.body, outputs.name)
	}
	answer, err := c.sendEnd(ctx, replies, stages, evaluation{&c.queue.scripts.finish, c.keys, args}, hints)
	if err != nil {
		return 0, nil, unavailable("finish calls of "+c.runner, err)
	}
	verdicts, err := list(answer)
	if err != nil || len(verdicts) != len(outcomes) {
		return 0, nil, fmt.Errorf("%w: %d verdicts on %d calls", ErrMalformed, len(verdicts), len(outcomes))
	}
	for i, o := range outcomes {
		verdict := text(verdicts[i])
		if verdict == noBody {
			unstaged = append(unstaged, o)
			continue
		}
		c.letGo(o.Delivery)
		if number(verdicts[i]) == 0 {
			lost++
		}
	}
	return lost, unstaged, nil
}

// verdict is what the script is told of how a call ended.
func verdict(d *Delivery, r *Reply) string {
	switch {
	case r.Err == nil:
		return "ok"
	case r.Err.Retryable && d.job:
		return "retry " + strconv.FormatFloat(rand.Float64(), 'f', 3, 64) //nolint:gosec // spreads load, keeps no secret
	}
	return "failed"
}

// sendEnd sends replies, stages results, then ends calls and sends hints, in one round
// trip. It returns what the script that ends them answered.
func (c *Consumer) sendEnd(ctx context.Context, replies mailbag, stages []evaluation, end evaluation, hints mailbag) (any, error) {
	sent := c.post.send(c.queue, replies)
	at := len(sent) + len(stages)
	evs := append(append(sent, stages...), end)
	evs = append(evs, hints.checked(c.queue)...)
	results := c.queue.scripts.runEach(ctx, evs)
	err := c.post.heard(c.queue, sent, results)
	if isFull(err) {
		// Redis takes nothing in, but lets go of what it has: scripts may do that.
		_, err = c.queue.scripts.runAll(ctx, replies.checked(c.queue))
	}
	if err == nil {
		err = firstError(results[at:])
	}
	return results[at].value, err
}

// mayFail reports for each awaited call that failed whether this consumer still
// owns it, and so may say so.
func (c *Consumer) mayFail(ctx context.Context, outcomes []Outcome) ([]bool, error) {
	may := make([]bool, len(outcomes))
	var ask []place
	var which []int
	for i := range outcomes {
		if outcomes[i].Reply.Err != nil && !outcomes[i].Delivery.job {
			ask = append(ask, outcomes[i].Delivery.at)
			which = append(which, i)
		}
	}
	if len(ask) == 0 {
		return may, nil
	}
	verdicts, err := c.owned(ctx, ask)
	if err != nil {
		return nil, err
	}
	for k, i := range which {
		may[i] = verdicts[k] != notOwned
	}
	return may, nil
}

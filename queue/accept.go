package queue

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
)

// Calls that arrive while a script is under way share the next one: that many
// share one round trip, and one look at the meter.
const (
	maxAccept      = 64
	maxAcceptBytes = 4 << 20
)

// accept serves one intake. It takes what is there, runs one script for each
// runner and lane in it, all in one round trip, and tells each ticket.
func (p *Producer) accept(ctx context.Context, in <-chan *ticket) error {
	batch := make([]*ticket, 0, maxAccept)
	for {
		select {
		case <-ctx.Done():
			return nil
		case t := <-in:
			batch = append(batch[:0], t)
		}
		bytes := batch[0].size()
		for len(batch) < maxAccept && bytes < maxAcceptBytes && len(in) > 0 {
			t := <-in
			batch = append(batch, t)
			bytes += t.size()
		}
		if err := p.acceptAll(ctx, batch); err != nil {
			// Who waits behind would wait for the same time-out.
			for range len(in) {
				refuse([]*ticket{<-in}, err)
			}
		}
		clear(batch)
	}
}

// door is where calls are accepted together: the same lane and bounds.
type door struct {
	runner    string
	lane      int
	admission Admission
}

// acceptAll returns an error if Redis did not answer.
func (p *Producer) acceptAll(ctx context.Context, batch []*ticket) error {
	var doors []door
	through := map[door][]*ticket{}
	for _, t := range batch {
		d := door{t.call.Runner, t.call.Lane.number(), t.call.Admission}
		if _, known := through[d]; !known {
			doors = append(doors, d)
		}
		through[d] = append(through[d], t)
	}
	if err := p.listen(ctx); err != nil {
		refuse(batch, err)
		return err
	}
	var evs []evaluation
	steps := make([]int, len(doors))
	for i, d := range doors {
		acceptance := p.acceptance(d, through[d])
		evs, steps[i] = append(evs, acceptance...), len(acceptance)
	}
	results := p.queue.scripts.runEach(ctx, evs)
	var lost error
	for i, d := range doors {
		n := steps[i]
		err := results[n-1].err
		if isConnection(err) {
			lost = err
		} else if err != nil {
			p.queue.unstage(ctx, d.runner, bodiesOf(through[d])...)
		}
		p.tell(through[d], results[:n])
		results = results[n:]
	}
	return lost
}

// refuse tells tickets that they were not accepted, or that it is not known.
func refuse(ts []*ticket, err error) {
	for _, t := range ts {
		if t.call.Answered != nil {
			t.call.Answered()
		}
		t.settle(answer{err: unavailable("accept a call of "+t.call.Runner, err)})
	}
}

// acceptance stages the bodies of calls, and accepts them all in the last step.
func (p *Producer) acceptance(d door, ts []*ticket) []evaluation {
	ttl := int64(0)
	if d.admission.NeedWorker {
		ttl = p.queue.config.WorkerTTL.Milliseconds()
	}
	args := make([]any, 0, 8+11*len(ts))
	args = append(args, d.lane, d.admission.MaxCalls, d.admission.MaxBytes, ttl, int64(d.admission.CallerShare*1e6),
		d.admission.RowTime.Nanoseconds(), p.queue.config.MaxResultBytes, len(ts))
	evs := make([]evaluation, 0, 1+len(ts))
	for _, t := range ts {
		evs = append(evs, t.body.stage(p.queue.keys, d.runner)...)
		job := ""
		if t.call.job {
			job = t.call.ID
		}
		args = append(args, t.envelope, job, t.call.Rows, t.call.Group, t.size(),
			t.call.begin().Microseconds(), t.call.Timeout.Microseconds(), t.call.Method, callerKey(t.call.Caller), special(t.call), t.body.name)
	}
	script := &p.queue.scripts.accept
	if len(evs) > 0 {
		script = &p.queue.scripts.acceptStaged
	}
	return append(evs, evaluation{script, p.queue.keys.shardKeys(d.runner), args})
}

func bodiesOf(ts []*ticket) []body {
	bs := make([]body, len(ts))
	for i, t := range ts {
		bs[i] = t.body
	}
	return bs
}

// tell tells tickets what became of them, by the results of their acceptance. Awaited
// calls that were accepted hear nothing before their reply.
func (p *Producer) tell(ts []*ticket, results []result) {
	last := len(results) - 1
	r, unstaged := results[last], firstError(results[:last])
	if r.err != nil {
		refuse(ts, r.err)
		return
	}
	verdicts, err := list(r.value)
	if err == nil && len(verdicts) != len(ts)+1 {
		err = fmt.Errorf("%w: %d verdicts on %d calls", ErrMalformed, len(verdicts)-1, len(ts))
	}
	if err != nil {
		refuse(ts, err)
		return
	}
	for i, t := range ts {
		verdict := text(verdicts[i+1])
		if verdict == noBody {
			refuse([]*ticket{t}, cmp.Or(unstaged, errNoBody))
			continue
		}
		if t.call.Answered != nil {
			t.call.Answered()
		}
		if known, err := refusal(t.call, verdict); known {
			t.settle(answer{err: err})
			continue
		}
		lane, rest, _ := strings.Cut(verdict, " ")
		entry, ahead, _ := strings.Cut(rest, " ")
		if !t.accepted(place{int(number(lane)), entry}) {
			p.giveUp(t)
		}
		if t.call.job {
			t.settle(answer{created: at(verdicts[0]), ahead: int(number(ahead))})
		}
	}
}

// noBody is what scripts say of a call whose body is not there.
const noBody = "no body"

// refusal is the error of a call that was not taken; refused is false for one
// that was. A job that is there already is not taken either, without an error.
func refusal(c *Call, verdict string) (refused bool, err error) {
	if wait, ok := strings.CutPrefix(verdict, "late "); ok {
		return true, &TooLateError{Wait: micros(wait), Left: c.begin()}
	}
	reasons := map[string]error{
		"full": ErrFull, "caller": ErrCallerFull, "closed": ErrClosed, "kept": ErrResultsFull, "no worker": ErrNoWorker,
	}
	if reason := reasons[verdict]; reason != nil {
		return true, fmt.Errorf("%w: runner %s", reason, c.Runner)
	}
	return verdict == "known", nil
}

// special is what a job has beside the usual, as text; "" if nothing.
func special(c *Call) string {
	if c.Delay == 0 && c.Retry.Most == 0 && c.Webhook.URL == "" {
		return ""
	}
	events := make([]string, len(c.Webhook.Events))
	for i, e := range c.Webhook.Events {
		events[i] = string(e)
	}
	return fmt.Sprintf("%d %d %d %d %s %s", c.Delay.Microseconds(), c.Retry.Most, c.Retry.Backoff.Microseconds(),
		c.Retry.MaxBackoff.Microseconds(), strings.Join(events, ","), c.Webhook.URL)
}

// callerKey is what a caller is counted as: names may be long, and are nobody
// else's business.
func callerKey(caller string) string {
	if caller == "" {
		return ""
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(caller)) // never fails
	return strconv.FormatUint(h.Sum64(), 36)
}

package queue

import (
	"context"
	"fmt"
	"strings"
)

// Renewal is what became of the calls that a consumer held.
type Renewal struct {
	// Lost are the ids of calls that are not this consumer's any more: what it
	// answers has no effect unless it is a success that comes first.
	Lost []string

	// Canceled are the ids of calls, still held, that nobody wants any more.
	Canceled []string
}

// What the script says of a call.
const (
	notOwned = iota
	owned
	unwanted
)

// Renew renews the lease on all that the consumer holds.
func (c *Consumer) Renew(ctx context.Context) (Renewal, error) {
	var r Renewal
	ps := c.places()
	for len(ps) > 0 {
		n := min(len(ps), maxIDs)
		verdicts, err := c.owned(ctx, ps[:n])
		if err != nil {
			return r, unavailable("renew leases of "+c.runner, err)
		}
		c.mu.Lock()
		for i, p := range ps[:n] {
			id, held := c.held[p]
			switch {
			case !held || c.leaving[p] > 0:
			case verdicts[i] == notOwned:
				r.Lost = append(r.Lost, id)
				delete(c.held, p)
			case verdicts[i] == unwanted:
				r.Canceled = append(r.Canceled, id)
			}
		}
		c.mu.Unlock()
		ps = ps[n:]
	}
	return r, nil
}

// owned says which entries are still this consumer's, and renews those.
func (c *Consumer) owned(ctx context.Context, ps []place) ([]int, error) {
	answer, err := c.queue.scripts.run(ctx, &c.queue.scripts.owned, c.keys, appendPlaces([]any{c.name, len(ps)}, ps)...)
	if err != nil {
		return nil, err
	}
	l, err := list(answer)
	if err != nil || len(l) != len(ps) {
		return nil, fmt.Errorf("%w: %d verdicts on %d calls", ErrMalformed, len(l), len(ps))
	}
	verdicts := make([]int, len(ps))
	for i := range verdicts {
		verdicts[i] = int(number(l[i]))
	}
	return verdicts, nil
}

// maxHow is how much is told of a crash, in bytes.
const maxHow = 300

// Crash is what is known of one of an instance, which may be nothing.
type Crash struct {
	// How is what follows "the instance crashed: ".
	How string

	// Wrote is what the instance wrote of its end, which is for operators only.
	Wrote string
}

// Blame is what is told of a call that crashed its instance so many times alone, the
// last time like this: to its caller, and as the reason of its dead letter.
func Blame(times int, c Crash) (message, reason string) {
	if c.How == "" {
		return fmt.Sprintf("the instance crashed %d times while it ran this call alone", times),
			fmt.Sprintf("crashed its instance %d times alone", times)
	}
	all := c.How
	if c.Wrote != "" {
		all += fmt.Sprintf(" and wrote %q", c.Wrote)
	}
	return fmt.Sprintf("the instance crashed %d times while it ran this call alone: %s", times, clipped(c.How)),
		fmt.Sprintf("crashed its instance %d times alone: %s", times, clipped(all))
}

// clipped is the beginning of how a crash was, if that is long.
func clipped(how string) string {
	if len(how) <= maxHow {
		return how
	}
	return strings.ToValidUTF8(how[:maxHow], "") + "…"
}

// Crashed says that the consumer's instance crashed while it ran these calls
// together, and how. They wait again and run alone; one that crashes its instance
// [Config.MaxCrashes] times alone is given up. It returns how many were.
//
// It is for a crash that the worker has seen. A worker that is lost itself loses
// its leases, which is counted apart: that may not be the call's fault.
func (c *Consumer) Crashed(ctx context.Context, ds []Delivery, how Crash) (buried int, err error) {
	message, reason := Blame(c.queue.config.MaxCrashes, how)
	failure := &CallError{Code: CodeWorkerLost, Message: message}
	result := appendReply(nil, &Reply{Err: failure})
	defer c.leave(placesOf(ds))()
	first := 1
	for rest := ds; len(rest) > 0; first = 0 {
		n := min(len(rest), maxIDs)
		ps := placesOf(rest[:n])
		answer, err := c.queue.scripts.run(ctx, &c.queue.scripts.crash, c.keys, appendPlaces([]any{
			c.name, c.queue.config.Retention.Milliseconds(), c.queue.config.MaxCrashes,
			c.queue.config.CrashBackoff.Microseconds(), result, reason, len(ds), first,
		}, ps)...)
		if err != nil {
			return buried, unavailable("report a crash of "+c.runner, err)
		}
		envelopes, err := list(answer)
		if err != nil {
			return buried, err
		}
		buried += len(envelopes)
		if err := c.queue.tellBuried(ctx, envelopes, result); err != nil {
			return buried, err
		}
		rest = rest[n:]
	}
	c.letGo(ds...)
	return buried, nil
}

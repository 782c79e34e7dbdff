package queue

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Swept says what a [Queue.Sweep] did.
type Swept struct {
	// Expired calls were past their deadline before they ran.
	Expired int
	// Reclaimed calls were taken back from workers that are gone.
	Reclaimed int
	// Buried calls were lost with too many workers and given up.
	Buried int
	// Missing entries were in flight and had no payload any more. That is a sign
	// of a foreign hand in Redis, or of lost data.
	Missing int
	// Orphans are jobs that no stream held, and calls that waited for a job that
	// was not there any more.
	Orphans int
}

// Sweep ends calls that are past their deadline and takes calls back from
// workers that have not renewed their lease. Every worker and gateway calls it
// about once a second; it does not matter how many do.
//
// Leases age while Redis is away. For one lease after Redis has started nothing
// is taken back, so that workers can renew.
func (q *Queue) Sweep(ctx context.Context, runner string) (Swept, error) {
	uptime, err := q.uptime(ctx)
	if err != nil {
		return Swept{}, err
	}
	lease := q.config.Lease.Milliseconds()
	if uptime < q.config.Lease {
		lease = 0
	}
	failure := &CallError{
		Code:      CodeWorkerLost,
		Message:   fmt.Sprintf("%d workers were lost while they ran the call", q.config.MaxLostLeases),
		Retryable: false,
	}
	result := appendReply(nil, &Reply{Err: failure})
	ev := evaluation{&q.scripts.sweep, q.keys.shardKeys(runner), []any{
		q.config.Retention.Milliseconds(), lease, q.config.MaxLostLeases, result, q.config.CrashBackoff.Microseconds(),
	}}
	var all Swept
	for range maxSweeps {
		s, more, err := q.sweep(ctx, ev, result)
		all.add(s)
		if err != nil {
			return all, err
		}
		if !more {
			break
		}
	}
	all.Orphans, err = q.audit(ctx, runner)
	return all, err
}

// audit looks for jobs and calls that have lost each other, at some of them each
// time.
func (q *Queue) audit(ctx context.Context, runner string) (found int, err error) {
	result := appendReply(nil, &Reply{Err: &CallError{
		Code: CodeLost, Message: "redis lost the call while it was queued or running", Retryable: true,
	}})
	answer, err := q.scripts.run(ctx, &q.scripts.audit, q.keys.shardKeys(runner), q.config.Retention.Milliseconds(), result)
	if err != nil {
		return 0, unavailable("audit", err)
	}
	return int(number(answer)), nil
}

// maxSweeps is how many scripts one sweep runs at most; each does a bounded
// amount.
const maxSweeps = 20

func (q *Queue) sweep(ctx context.Context, ev evaluation, failure []byte) (s Swept, more bool, err error) {
	answers, err := q.scripts.runAll(ctx, []evaluation{ev})
	if err != nil {
		return Swept{}, false, unavailable("sweep", err)
	}
	l, err := list(answers[0])
	if err != nil || len(l) < sweepCounts {
		return Swept{}, false, fmt.Errorf("%w: a sweep answered %d values", ErrMalformed, len(l))
	}
	buried := l[sweepCounts:]
	s = Swept{Expired: int(number(l[1])), Reclaimed: int(number(l[2])), Missing: int(number(l[3])), Buried: len(buried)}
	return s, number(l[0]) == 1, q.tellBuried(ctx, buried, failure)
}

// sweepCounts is how many numbers the answer to a sweep begins with.
const sweepCounts = 4

func (s *Swept) add(more Swept) {
	s.Expired += more.Expired
	s.Reclaimed += more.Reclaimed
	s.Buried += more.Buried
	s.Missing += more.Missing
}

// tellBuried tells the gateways that wait for calls that were given up.
func (q *Queue) tellBuried(ctx context.Context, envelopes []any, failure []byte) error {
	replies := mailbag{}
	for _, e := range envelopes {
		call, err := decodeEnvelope(bytesOf(text(e)))
		if err != nil {
			continue // nobody can be told
		}
		if call.job {
			replies.add(call.replyTo, call.ID, appendHint(nil))
		} else {
			replies.add(call.replyTo, call.ID, failure)
		}
	}
	if len(replies) == 0 {
		return nil
	}
	if _, err := q.scripts.runAll(ctx, replies.checked(q)); err != nil {
		return unavailable("answer calls that were given up", err)
	}
	return nil
}

// uptime is how long the server has run; very long if it does not say.
func (q *Queue) uptime(ctx context.Context) (time.Duration, error) {
	info, err := q.redis.Info(ctx, "server").Result()
	if isConnection(err) {
		return 0, unavailable("ask for the uptime", err)
	}
	seconds, err := strconv.ParseInt(infoField(info, "uptime_in_seconds"), 10, 64)
	if err != nil {
		seconds = math.MaxInt32 // it does not say
	}
	return time.Duration(seconds) * time.Second, nil
}

// infoField returns a field of what INFO answered, or "".
func infoField(info, name string) string {
	for line := range strings.Lines(info) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok && key == name {
			return value
		}
	}
	return ""
}

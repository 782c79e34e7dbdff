package queue

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unsafe"
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
	answer, err := q.scripts.run(ctx, &q.scripts.sweep, q.keys.shardKeys(runner),
		q.config.Retention.Milliseconds(), lease, q.config.MaxLostLeases, result)
	if err != nil {
		return Swept{}, unavailable("sweep "+runner, err)
	}
	l, err := list(answer)
	if err != nil || len(l) < 3 {
		return Swept{}, fmt.Errorf("%w: a sweep answered %d values", ErrMalformed, len(l))
	}
	s := Swept{Expired: int(number(l[0])), Reclaimed: int(number(l[1])), Missing: int(number(l[2])), Buried: len(l) - 3}
	return s, q.tellBuried(ctx, l[3:], result)
}

// tellBuried tells the gateways that wait for calls that were given up.
func (q *Queue) tellBuried(ctx context.Context, envelopes []any, failure []byte) error {
	replies := mailbag{}
	for _, e := range envelopes {
		envelope := text(e)
		call, err := decodeEnvelope(unsafe.Slice(unsafe.StringData(envelope), len(envelope))) // only read
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
	if _, err := q.scripts.runAll(ctx, replies.evaluations(q)); err != nil {
		return unavailable("answer calls that were given up", err)
	}
	return nil
}

// uptime is how long the server has run; very long if it does not say.
func (q *Queue) uptime(ctx context.Context) (time.Duration, error) {
	info, err := q.redis.Info(ctx, "server").Result()
	if err != nil && isConnection(err) {
		return 0, unavailable("ask for the uptime", err)
	}
	seconds, err := strconv.ParseInt(infoField(info, "uptime_in_seconds"), 10, 64)
	if err != nil {
		return time.Duration(1<<63 - 1), nil
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

// Lease is how long a delivery stays with a worker that does not renew it.
func (q *Queue) Lease() time.Duration { return q.config.Lease }

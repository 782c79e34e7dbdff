package queue

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ErrandKind is what an errand is about.
type ErrandKind string

// The kinds of errands.
const (
	// ErrandLater: a job is to be queued at a time that is more than a minute
	// ahead.
	ErrandLater ErrandKind = "later"
	// ErrandNever: a job whose ErrandLater somebody has already was canceled.
	ErrandNever ErrandKind = "never"
	// ErrandWebhook: a job has ended, and somebody is to be told.
	ErrandWebhook ErrandKind = "webhook"
)

// Errand is something to be done about a job by other means than the queue. The
// script that makes it necessary writes it down in the same step.
type Errand struct {
	Kind   ErrandKind
	Runner string
	Job    string
	// N tells errands of one kind about one job apart.
	N int
	// At is when it is to be done.
	At time.Time
}

// ID is the errand's own, the same whoever asks.
func (e Errand) ID() string { return fmt.Sprintf("%s:%s:%d", e.Kind, e.Job, e.N) }

// member is the errand as it is kept.
func (e Errand) member() string { return fmt.Sprintf("%s:%d:%s", e.Kind, e.N, e.Job) }

// ErrandOf reads what [Errand.ID] wrote. The time is not in it.
func ErrandOf(id string) (Errand, error) {
	kind, rest, _ := strings.Cut(id, ":")
	job, n, ok := strings.Cut(rest, ":")
	runner, err := RunnerOf(job)
	attempt, numberErr := strconv.Atoi(n)
	if !ok || err != nil || numberErr != nil || (kind != string(ErrandLater) && kind != string(ErrandWebhook)) {
		return Errand{}, fmt.Errorf("%w: %q is not the id of an errand", ErrMalformed, id)
	}
	return Errand{Kind: ErrandKind(kind), Runner: runner, Job: job, N: attempt}, nil
}

// Errands returns at most limit errands of a runner, those with the earliest time
// first.
func (q *Queue) Errands(ctx context.Context, runner string, limit int) ([]Errand, error) {
	zs, err := q.redis.ZRangeWithScores(ctx, q.keys.errands(runner), 0, int64(limit)-1).Result()
	if err != nil {
		return nil, unavailable("list errands of "+runner, err)
	}
	var es []Errand
	for _, z := range zs {
		member, _ := z.Member.(string)
		kind, rest, _ := strings.Cut(member, ":")
		n, job, _ := strings.Cut(rest, ":")
		es = append(es, Errand{ErrandKind(kind), runner, job, int(number(n)), time.UnixMicro(int64(z.Score)).UTC()})
	}
	return es, nil
}

// ErrandDone says that somebody else has the errand now.
func (q *Queue) ErrandDone(ctx context.Context, e Errand) error {
	if err := q.redis.ZRem(ctx, q.keys.errands(e.Runner), e.member()).Err(); err != nil {
		return unavailable("an errand of "+e.Runner+" is done", err)
	}
	return nil
}

// Ripen has the sorted set queue a job from now on, at its time. It has no effect
// if the job has ended or another attempt is under way.
func (q *Queue) Ripen(ctx context.Context, e Errand) error {
	_, err := q.scripts.run(ctx, &q.scripts.errand, q.keys.shardKeys(e.Runner), "ripen", e.Job, e.N)
	if err != nil {
		return unavailable("ripen job "+e.Job, err)
	}
	return nil
}

package queue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
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
	return errandsOf(runner, zs), nil
}

// errandsOf reads members of the set of errands.
func errandsOf(runner string, zs []redis.Z) (es []Errand) {
	for _, z := range zs {
		member, _ := z.Member.(string)
		kind, rest, _ := strings.Cut(member, ":")
		n, job, _ := strings.Cut(rest, ":")
		es = append(es, Errand{ErrandKind(kind), runner, job, int(number(n)), time.UnixMicro(int64(z.Score)).UTC()})
	}
	return es
}

// Outstanding is which of the things that are to be done are meant.
type Outstanding int

// What is counted in [ErrandStats].
const (
	ErrandsDue Outstanding = iota
	ErrandsAhead
	JobsNear
)

// Outstanding lists what is to be done about the jobs of a runner, the earliest
// first: errands that nobody has taken up, or jobs that need none and are shown as
// errands.
func (q *Queue) Outstanding(ctx context.Context, runner string, which Outstanding, offset, limit int) ([]Errand, error) {
	if which == JobsNear {
		return q.near(ctx, runner, offset, limit)
	}
	now, err := q.Now(ctx)
	if err != nil {
		return nil, err
	}
	between := &redis.ZRangeBy{Min: "-inf", Max: strconv.FormatInt(now.UnixMicro(), 10), Offset: int64(offset), Count: int64(limit)}
	if which == ErrandsAhead {
		between.Min, between.Max = "("+between.Max, "+inf"
	}
	zs, err := q.redis.ZRangeByScoreWithScores(ctx, q.keys.errands(runner), between).Result()
	if err != nil {
		return nil, unavailable("list errands of "+runner, err)
	}
	return errandsOf(runner, zs), nil
}

// near lists jobs that the sorted set queues.
func (q *Queue) near(ctx context.Context, runner string, offset, limit int) ([]Errand, error) {
	zs, err := q.redis.ZRangeWithScores(ctx, q.keys.later(runner), int64(offset), int64(offset+limit)-1).Result()
	if err != nil {
		return nil, unavailable("list jobs of "+runner+" that are queued soon", err)
	}
	pipe := q.redis.Pipeline()
	attempts := make([]*redis.StringCmd, len(zs))
	for i, z := range zs {
		job, _ := z.Member.(string)
		attempts[i] = pipe.HGet(ctx, q.keys.job(runner, job), fieldAttempt)
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return nil, unavailable("list jobs of "+runner+" that are queued soon", err)
	}
	es := make([]Errand, len(zs))
	for i, z := range zs {
		job, _ := z.Member.(string)
		es[i] = Errand{ErrandLater, runner, job, int(number(attempts[i].Val())), time.UnixMicro(int64(z.Score)).UTC()}
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

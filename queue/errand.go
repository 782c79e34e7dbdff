package queue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/redis/go-redis/v9"
)

// ErrandKind is what an errand is about.
type ErrandKind string

// The kinds of errands.
const (
	// ErrandLater: a job is to be queued at a time that is more than a minute
	// ahead.
	ErrandLater ErrandKind = "later"
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

// Hook returns what became of the webhook of a job. It returns [ErrUnknownJob];
// a job without a webhook has the zero Hook.
func (q *Queue) Hook(ctx context.Context, id string) (Hook, error) {
	runner, err := RunnerOf(id)
	if err != nil {
		return Hook{}, err
	}
	v, err := q.redis.HMGet(ctx, q.keys.job(runner, id), fieldState, "hook", "events", "hook_state", "deliveries",
		"hook_status", "hook_answer", "hook_at").Result()
	if err != nil {
		return Hook{}, unavailable("read the webhook of job "+id, err)
	}
	if v[0] == nil {
		return Hook{}, fmt.Errorf("%w: %s", ErrUnknownJob, id)
	}
	h := Hook{
		Webhook: Webhook{URL: text(v[1])}, State: HookState(text(v[3])), Deliveries: int(number(v[4])),
		Status: int(number(v[5])), Answer: text(v[6]), At: at(v[7]),
	}
	if events := text(v[2]); events != "" {
		for e := range strings.SplitSeq(events, ",") {
			h.Events = append(h.Events, State(e))
		}
	}
	return h, nil
}

// NoteHook writes down what came of a delivery: state, deliveries, status and
// answer. It returns [ErrUnknownJob] if the record is not there any more.
func (q *Queue) NoteHook(ctx context.Context, id string, h Hook) error {
	return q.errandOf(ctx, id, ErrUnknownJob, "note", id, string(h.State), h.Deliveries, h.Status, h.Answer)
}

// Redeliver has the webhook of an ended job delivered again. It returns
// [ErrNotDone] for one that has not ended or has no webhook.
func (q *Queue) Redeliver(ctx context.Context, id string) error {
	if _, err := q.Hook(ctx, id); err != nil {
		return err
	}
	return q.errandOf(ctx, id, ErrNotDone, "again", id)
}

// errandOf runs the script, and returns none if it had no effect.
func (q *Queue) errandOf(ctx context.Context, id string, none error, args ...any) error {
	runner, err := RunnerOf(id)
	if err != nil {
		return err
	}
	answer, err := q.scripts.run(ctx, &q.scripts.errand, q.keys.shardKeys(runner), args...)
	if err != nil {
		return unavailable("write down the webhook of job "+id, err)
	}
	if number(answer) == 0 {
		return fmt.Errorf("%w: %s", none, id)
	}
	return nil
}

// Tries returns the attempts of a job that failed and were followed by another,
// the oldest first.
func (q *Queue) Tries(ctx context.Context, id string) ([]Try, error) {
	runner, err := RunnerOf(id)
	if err != nil {
		return nil, err
	}
	key := q.keys.job(runner, id)
	n, err := q.redis.HGet(ctx, key, fieldTried).Int()
	if errors.Is(err, redis.Nil) || n == 0 && err == nil {
		return nil, nil
	}
	if err != nil {
		return nil, unavailable("read the attempts of job "+id, err)
	}
	fields := make([]string, n)
	for i := range fields {
		fields[i] = "try:" + strconv.Itoa(i+1)
	}
	v, err := q.redis.HMGet(ctx, key, fields...).Result()
	if err != nil {
		return nil, unavailable("read the attempts of job "+id, err)
	}
	var tries []Try
	for _, field := range v {
		when, body, ok := strings.Cut(text(field), " ")
		if !ok {
			continue
		}
		r, _, err := decodeReply(unsafe.Slice(unsafe.StringData(body), len(body))) // only read
		if err != nil {
			return nil, err
		}
		tries = append(tries, Try{at(when), r.Err})
	}
	return tries, nil
}

// Now is Redis's clock.
func (q *Queue) Now(ctx context.Context) (time.Time, error) {
	t, err := q.redis.Time(ctx).Result()
	if err != nil {
		return time.Time{}, unavailable("ask for the time", err)
	}
	return t.UTC(), nil
}

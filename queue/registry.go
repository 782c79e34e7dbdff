package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Announce publishes a runner's spec. It stays until another one replaces it.
func (q *Queue) Announce(ctx context.Context, runner string, spec []byte) error {
	pipe := q.redis.Pipeline()
	pipe.SAdd(ctx, q.keys.runners(), runner)
	pipe.Set(ctx, q.keys.spec(runner), spec, 0)
	if _, err := pipe.Exec(ctx); err != nil {
		return unavailable("announce runner "+runner, err)
	}
	return nil
}

// Spec returns what was last announced for a runner, or [ErrUnknownRunner].
func (q *Queue) Spec(ctx context.Context, runner string) ([]byte, error) {
	spec, err := q.redis.Get(ctx, q.keys.spec(runner)).Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("%w: %s", ErrUnknownRunner, runner)
	}
	if err != nil {
		return nil, unavailable("read the spec of "+runner, err)
	}
	return spec, nil
}

// Runners returns the names of all runners that were ever announced, sorted.
func (q *Queue) Runners(ctx context.Context) ([]string, error) {
	names, err := q.redis.SMembers(ctx, q.keys.runners()).Result()
	if err != nil {
		return nil, unavailable("list runners", err)
	}
	slices.Sort(names)
	return names, nil
}

// forgetAfter is how long a silent worker's heartbeat is kept.
const forgetAfter = time.Hour

// Beat says that a worker is alive. known is false if Redis does not have the
// runner's spec (any more): announce it again.
func (q *Queue) Beat(ctx context.Context, runner string, beat Heartbeat) (known bool, err error) {
	body, err := json.Marshal(beat)
	if err != nil {
		return false, fmt.Errorf("queue: heartbeat: %w", err)
	}
	if err := q.beat(ctx, runner, beat.Worker, string(body)); err != nil {
		return false, err
	}
	n, err := q.redis.Exists(ctx, q.keys.spec(runner)).Result()
	if err != nil {
		return false, unavailable("look for the spec of "+runner, err)
	}
	return n == 1, nil
}

// Leave says that a worker stops serving a runner.
func (q *Queue) Leave(ctx context.Context, runner, worker string) error {
	return q.beat(ctx, runner, worker, "")
}

func (q *Queue) beat(ctx context.Context, runner, worker, body string) error {
	_, err := q.scripts.run(ctx, &q.scripts.beat, q.keys.shardKeys(runner), worker, body, forgetAfter.Milliseconds())
	if err != nil {
		return unavailable("heartbeat of "+runner, err)
	}
	return nil
}

// Workers returns the heartbeats of a runner's living workers, by name.
func (q *Queue) Workers(ctx context.Context, runner string) ([]Heartbeat, error) {
	pipe := q.redis.Pipeline()
	now := pipe.Time(ctx)
	seen := pipe.ZRangeWithScores(ctx, q.keys.workers(runner), 0, -1)
	bodies := pipe.HGetAll(ctx, q.keys.beats(runner))
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, unavailable("list the workers of "+runner, err)
	}
	var beats []Heartbeat
	for _, z := range seen.Val() {
		worker, _ := z.Member.(string)
		age := now.Val().Sub(time.UnixMilli(int64(z.Score)))
		if age > q.config.WorkerTTL {
			continue
		}
		var b Heartbeat
		if err := json.Unmarshal([]byte(bodies.Val()[worker]), &b); err != nil {
			continue // it said nothing that we understand
		}
		b.Age = age
		beats = append(beats, b)
	}
	slices.SortFunc(beats, func(a, b Heartbeat) int { return strings.Compare(a.Worker, b.Worker) })
	return beats, nil
}

// Stats returns what the queues of some runners look like, in one round trip.
func (q *Queue) Stats(ctx context.Context, runners ...string) ([]Stats, error) {
	if len(runners) == 0 {
		return nil, nil
	}
	evs := make([]evaluation, len(runners))
	for i, r := range runners {
		evs[i] = evaluation{&q.scripts.stats, q.keys.shardKeys(r), []any{q.config.WorkerTTL.Milliseconds()}}
	}
	answers, err := q.scripts.runAll(ctx, evs)
	if err != nil {
		return nil, unavailable("read queue statistics", err)
	}
	out := make([]Stats, len(runners))
	for i, answer := range answers {
		if out[i], err = readStats(runners[i], answer); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func readStats(runner string, answer any) (Stats, error) {
	l, err := list(answer)
	if err != nil || len(l) != 7 {
		return Stats{}, fmt.Errorf("%w: statistics of %d values", ErrMalformed, len(l))
	}
	fields, err := list(l[5])
	if err != nil {
		return Stats{}, err
	}
	errands, err := list(l[6])
	if err != nil || len(errands) != 4 {
		return Stats{}, fmt.Errorf("%w: statistics of %d values of errands", ErrMalformed, len(errands))
	}
	m := map[string]any{}
	for i := 0; i+1 < len(fields); i += 2 {
		m[text(fields[i])] = fields[i+1]
	}
	s := Stats{
		Runner: runner, At: micros(l[0]), Depth: int(number(l[1])), Workers: int(number(l[2])), DeadLetters: int(number(l[3])), Callers: int(number(l[4])),
		Bytes: number(m["bytes"]), Accepted: number(m["n_accepted"]), Finished: number(m["n_finished"]),
		FinishedRows: number(m["n_finished_rows"]), Expired: number(m["n_expired"]),
		Canceled: number(m["n_canceled"]), Buried: number(m["n_buried"]),
	}
	for i, lane := range []string{"1", "2", "3"} {
		if calls := int(number(m["c"+lane])); calls > 0 {
			s.Lanes[i] = LaneStats{calls, int(number(m["r"+lane])), s.At - micros(m["o"+lane])}
			s.Waiting += calls
			s.WaitingRows += s.Lanes[i].Rows
			s.Oldest = max(s.Oldest, s.Lanes[i].Oldest)
		}
	}
	s.Gate = gates()[min(max(number(m["gate"]), 0), 2)]
	s.ResultBytes = number(m["kept"])
	s.Errands = ErrandStats{Due: int(number(errands[0])), Near: int(number(errands[2]))}
	s.Errands.Ahead = int(number(errands[1])) - s.Errands.Due
	if s.Errands.Due > 0 {
		s.Errands.Oldest = s.At - micros(errands[3])
	}
	s.Degraded = number(m["crashed"]) > 3 && s.At-micros(m["at"]) < time.Minute
	return s, nil
}

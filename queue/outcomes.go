package queue

import (
	"context"
	"slices"
	"unsafe"

	"github.com/redis/go-redis/v9"
)

// JobOutcome is what became of a job, as far as it is known.
type JobOutcome struct {
	ID, Runner, Method string
	// State is "" if there is no such job, or none any more.
	State State
	// Reply is that of a job that succeeded or failed.
	Reply Reply
}

// Outcomes looks at many jobs in one round trip, in the order of their ids. It
// returns [ErrUnknownJob] for an id that cannot be one. A result that cannot be
// decoded is a failure of its job.
func (q *Queue) Outcomes(ctx context.Context, ids []string) ([]JobOutcome, error) {
	all := make([]JobOutcome, len(ids))
	reads := make([]*redis.SliceCmd, len(ids))
	pipe := q.redis.Pipeline()
	for i, id := range ids {
		runner, err := RunnerOf(id)
		if err != nil {
			return nil, err
		}
		all[i] = JobOutcome{ID: id, Runner: runner}
		reads[i] = pipe.HMGet(ctx, q.keys.job(runner, id), fieldState, fieldMethod, fieldResult)
	}
	if len(ids) == 0 {
		return nil, nil
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, unavailable("read jobs", err)
	}
	for i, read := range reads {
		v := read.Val()
		o := &all[i]
		o.State, o.Method = State(text(v[0])), text(v[1])
		if o.State != Succeeded && o.State != Failed || v[2] == nil {
			continue
		}
		body := text(v[2])
		r, _, err := decodeReply(unsafe.Slice(unsafe.StringData(body), len(body))) // outputs are never written to
		if err != nil {
			r = Reply{Err: &CallError{Code: CodeRunnerFailed, Message: err.Error()}}
		}
		r.ID = o.ID
		o.Reply = r
	}
	return all, nil
}

// forgotten is how many jobs one script drops: few enough that others need not
// wait for it.
const forgotten = 128

// Forget drops the records of jobs that have ended before their time, in one round
// trip. Those that have not stay.
func (q *Queue) Forget(ctx context.Context, ids []string) error {
	byRunner := map[string][]any{}
	for _, id := range ids {
		runner, err := RunnerOf(id)
		if err != nil {
			return err
		}
		byRunner[runner] = append(byRunner[runner], id)
	}
	var evs []evaluation
	for runner, all := range byRunner {
		for some := range slices.Chunk(all, forgotten) {
			evs = append(evs, evaluation{&q.scripts.forget, q.keys.shardKeys(runner), some})
		}
	}
	if len(evs) == 0 {
		return nil
	}
	if _, err := q.scripts.runAll(ctx, evs); err != nil {
		return unavailable("forget jobs", err)
	}
	return nil
}

package queue

import (
	"context"
	"slices"

	"github.com/redis/go-redis/v9"
)

// JobOutcome is what became of a job, as far as it is known.
type JobOutcome struct {
	ID, Runner, Method string
	// State is "" if there is no such job, or none any more.
	State State
	// Reply is that of a job that succeeded or failed.
	Reply Reply
	// Unread: there is a reply that was not read, for want of room.
	Unread bool
}

// Outcomes looks at many jobs, in the order of their ids, in one round trip, or in a
// second one if there are large results. The replies have at most so many bytes
// together; that of the first job is always read. It returns [ErrUnknownJob] for an id
// that cannot be one. A result that cannot be decoded is a failure of its job.
func (q *Queue) Outcomes(ctx context.Context, ids []string, most int64) ([]JobOutcome, error) {
	all := make([]JobOutcome, len(ids))
	reads := make([]*redis.SliceCmd, len(ids))
	pipe := q.redis.Pipeline()
	for i, id := range ids {
		runner, err := RunnerOf(id)
		if err != nil {
			return nil, err
		}
		all[i] = JobOutcome{ID: id, Runner: runner}
		reads[i] = pipe.HMGet(ctx, q.keys.job(runner, id), fieldState, fieldMethod, fieldResult, fieldOutputs)
	}
	if len(ids) == 0 {
		return nil, nil
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, unavailable("read jobs", err)
	}
	results := make([][]byte, len(ids))
	apart := map[string][]int{} // those whose result is beside the record, by runner
	for i, read := range reads {
		v := read.Val()
		o := &all[i]
		o.State, o.Method = State(text(v[0])), text(v[1])
		result := text(v[2])
		most -= int64(len(result)) + number(v[3])
		switch {
		case most < 0 && i > 0:
			o.Unread = o.replied()
		case v[3] != nil:
			apart[o.Runner] = append(apart[o.Runner], i)
		default:
			results[i] = bytesOf(result)
		}
	}
	if err := q.readApart(ctx, apart, ids, results); err != nil {
		return nil, err
	}
	for i := range all {
		all[i].decode(results[i])
	}
	return all, nil
}

// readApart reads the results of jobs that are beside their records.
func (q *Queue) readApart(ctx context.Context, apart map[string][]int, ids []string, results [][]byte) error {
	for runner, at := range apart {
		names := make([]string, len(at))
		for k, i := range at {
			names[k] = nameOfResult(ids[i])
		}
		found, err := q.bodies(ctx, runner, names)
		if err != nil {
			return err
		}
		for k, i := range at {
			results[i] = found[k]
		}
	}
	return nil
}

// replied reports whether there is a reply.
func (o *JobOutcome) replied() bool { return o.State == Succeeded || o.State == Failed }

// decode reads the result of a job that has one. One that is gone by now has gone with
// its job.
func (o *JobOutcome) decode(result []byte) {
	if !o.replied() || o.Unread {
		return
	}
	if len(result) == 0 {
		o.State = ""
		return
	}
	r, _, err := decodeReply(result) // outputs are never written to
	if err != nil {
		r = Reply{Err: &CallError{Code: CodeRunnerFailed, Message: err.Error()}}
	}
	r.ID = o.ID
	o.Reply = r
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

package queue

import (
	"context"
	"fmt"
	"time"
	"unsafe"
)

// Fields of a job's record, as the scripts write them.
const (
	fieldState    = "state"
	fieldMethod   = "method"
	fieldRows     = "rows"
	fieldCreated  = "created"
	fieldStarted  = "started"
	fieldFinished = "finished"
	fieldDeadline = "deadline"
	fieldExpires  = "expires"
	fieldResult   = "result"
)

// Job returns the record of a job, or [ErrUnknownJob].
func (q *Queue) Job(ctx context.Context, id string) (Job, error) {
	runner, err := RunnerOf(id)
	if err != nil {
		return Job{}, err
	}
	v, err := q.redis.HMGet(ctx, q.keys.job(runner, id), fieldState, fieldMethod, fieldRows,
		fieldCreated, fieldStarted, fieldFinished, fieldDeadline, fieldExpires).Result()
	if err != nil {
		return Job{}, unavailable("read job "+id, err)
	}
	if v[0] == nil {
		return Job{}, fmt.Errorf("%w: %s", ErrUnknownJob, id)
	}
	j := Job{
		ID: id, Runner: runner, State: State(text(v[0])), Method: text(v[1]), Rows: int(number(v[2])),
		Created: at(v[3]), Started: at(v[4]), Finished: at(v[5]), Deadline: at(v[6]), Expires: at(v[7]),
	}
	if j.State == Failed {
		r, err := q.result(ctx, runner, id)
		if err != nil {
			return Job{}, err
		}
		j.Err = r.Err
	}
	return j, nil
}

// Result returns the outcome of a job: outputs if it succeeded, Err if it failed.
// It returns [ErrNotDone] for a job that is queued or running, and for one that
// was canceled or has expired, which will never have a result.
func (q *Queue) Result(ctx context.Context, id string) (Reply, error) {
	j, err := q.Job(ctx, id)
	if err != nil {
		return Reply{}, err
	}
	if j.State != Succeeded && j.State != Failed {
		return Reply{}, fmt.Errorf("%w: job %s is %s", ErrNotDone, id, j.State)
	}
	return q.result(ctx, j.Runner, id)
}

func (q *Queue) result(ctx context.Context, runner, id string) (Reply, error) {
	v, err := q.redis.HMGet(ctx, q.keys.job(runner, id), fieldResult).Result()
	if err != nil {
		return Reply{}, unavailable("read the result of job "+id, err)
	}
	if v[0] == nil {
		return Reply{}, fmt.Errorf("%w: %s", ErrUnknownJob, id)
	}
	body := text(v[0])
	r, _, err := decodeReply(unsafe.Slice(unsafe.StringData(body), len(body))) // outputs are never written to
	r.ID = id
	return r, err
}

// Cancel ends a job that has not ended: one that is queued will not run, and the
// result of one that runs is dropped. It returns the job as it is then; one that
// had ended before is unchanged.
func (q *Queue) Cancel(ctx context.Context, id string) (Job, error) {
	runner, err := RunnerOf(id)
	if err != nil {
		return Job{}, err
	}
	_, err = q.scripts.run(ctx, &q.scripts.cancel, q.keys.shardKeys(runner), id, 0, "", q.config.Retention.Milliseconds())
	if err != nil {
		return Job{}, unavailable("cancel job "+id, err)
	}
	return q.Job(ctx, id)
}

// pollEvery is how often a job that is waited for is looked at. Replies only
// hint that it has ended, and not to every gateway.
const pollEvery = 250 * time.Millisecond

// Wait waits until the job has ended, wait is over, or ctx ends, and returns the
// job as it is then.
func (p *Producer) Wait(ctx context.Context, id string, wait time.Duration) (Job, error) {
	ended, forget := p.waiting.watch(id)
	defer forget()
	over := time.NewTimer(wait)
	defer over.Stop()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		j, err := p.queue.Job(ctx, id)
		if err != nil || j.State.Terminal() {
			return j, err
		}
		select {
		case <-ended:
		case <-poll.C:
		case <-over.C:
			return j, nil
		case <-ctx.Done():
			return j, nil
		case <-p.stopped:
			return j, nil
		}
	}
}

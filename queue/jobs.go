package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
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
	fieldOutputs  = "outputs" // how large the result is that is kept beside the record
	fieldAsked    = "asked"   // the lane that was asked for
	fieldLane     = "lane"    // the lane that it went into
	fieldSeq      = "seq"     // how many had come into that lane with it
	fieldAttempt  = "attempt" // how many times it was queued again
	fieldStartBy  = "start_by"
	fieldCall     = "call"  // the envelope of one that may be queued again; body: the bytes of its body
	fieldGroup    = "group" // and its group
	fieldRunAt    = "run_at"
	fieldTimeout  = "timeout" // of one that was queued later than it was accepted, in µs
	fieldRetries  = "retries" // that are left
	fieldTried    = "tried"   // how many attempts failed and were followed by another: try:1, try:2, ...
)

// jobFields are read of a record, in this order.
func jobFields() []string {
	return []string{
		fieldState, fieldMethod, fieldRows, fieldCreated, fieldStarted, fieldFinished, fieldDeadline, fieldExpires,
		fieldAsked, fieldAttempt, fieldStartBy, fieldLane, fieldSeq, fieldRunAt, fieldRetries,
	}
}

// Job returns the record of a job, or [ErrUnknownJob].
func (q *Queue) Job(ctx context.Context, id string) (Job, error) {
	runner, err := RunnerOf(id)
	if err != nil {
		return Job{}, err
	}
	found, err := q.records(ctx, runner, []string{id})
	if err != nil {
		return Job{}, err
	}
	if len(found) == 0 {
		return Job{}, fmt.Errorf("%w: %s", ErrUnknownJob, id)
	}
	return found[0], nil
}

// records reads the records of some jobs of a runner, those that there are, in
// one round trip; in a second one what failed jobs failed of.
func (q *Queue) records(ctx context.Context, runner string, ids []string) ([]Job, error) {
	pipe := q.redis.Pipeline()
	meter := pipe.HMGet(ctx, q.keys.meter(runner), "c1", "a1", "c2", "a2", "c3", "a3")
	reads := make([]*redis.SliceCmd, len(ids))
	for i, id := range ids {
		reads[i] = pipe.HMGet(ctx, q.keys.job(runner, id), jobFields()...)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, unavailable("read jobs of "+runner, err)
	}
	var found []Job
	for i, read := range reads {
		v := read.Val()
		if v[0] == nil {
			continue
		}
		j := Job{
			ID: ids[i], Runner: runner, State: State(text(v[0])), Method: text(v[1]), Rows: int(number(v[2])),
			Created: at(v[3]), Started: at(v[4]), Finished: at(v[5]), Deadline: at(v[6]), Expires: at(v[7]),
			Lane: laneOf(int(number(v[8]))), Attempt: int(number(v[9])), StartBy: at(v[10]), Ahead: -1,
			RunAt: at(v[13]), RetriesLeft: int(number(v[14])),
		}
		if j.State == Queued && j.RunAt.IsZero() {
			j.Ahead = ahead(meter.Val(), int(number(v[11])), number(v[12]))
		}
		found = append(found, j)
	}
	return found, q.readErrors(ctx, found)
}

// ahead is about how many calls are before one of a lane that was the nth to
// come into it: all that wait in the lanes that go first, and of its own those
// that did not come later. Calls that were canceled behind it make it too small.
func ahead(meter []any, lane int, nth int64) int {
	if lane < laneHigh || lane > laneLow {
		return -1
	}
	n := int64(0)
	for l := laneHigh; l < lane; l++ {
		n += number(meter[2*(l-1)])
	}
	waiting, came := number(meter[2*(lane-1)]), number(meter[2*(lane-1)+1])
	return int(n + max(waiting-(came-nth)-1, 0))
}

// readErrors reads why jobs failed.
func (q *Queue) readErrors(ctx context.Context, jobs []Job) error {
	for i := range jobs {
		if jobs[i].State != Failed {
			continue
		}
		r, err := q.result(ctx, jobs[i].Runner, jobs[i].ID)
		if errors.Is(err, ErrUnknownJob) {
			continue // it was dropped just now
		}
		if err != nil {
			return err
		}
		jobs[i].Err = r.Err
	}
	return nil
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
	v, err := q.redis.HMGet(ctx, q.keys.job(runner, id), fieldResult, fieldOutputs).Result()
	if err != nil {
		return Reply{}, unavailable("read the result of job "+id, err)
	}
	result := bytesOf(text(v[0]))
	if v[1] != nil {
		found, err := q.bodies(ctx, runner, []string{nameOfResult(id)})
		if err != nil {
			return Reply{}, err
		}
		result = found[0]
	}
	if len(result) == 0 {
		return Reply{}, fmt.Errorf("%w: %s", ErrUnknownJob, id)
	}
	r, _, err := decodeReply(result)
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

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

// Retry queues a job again that has ended without success, under its id and with
// the times that it had at first. Of the admission, only the bounds count. It
// returns [ErrNotRetryable], or what [Producer.Submit] returns.
func (q *Queue) Retry(ctx context.Context, id string, a Admission) (Job, error) {
	runner, err := RunnerOf(id)
	if err != nil {
		return Job{}, err
	}
	v, err := q.redis.HMGet(ctx, q.keys.job(runner, id), fieldState, fieldCall, fieldRows, fieldCreated, fieldDeadline,
		fieldAsked, fieldAttempt, fieldGroup, fieldTimeout).Result()
	if err != nil {
		return Job{}, unavailable("read job "+id, err)
	}
	if v[0] == nil {
		return Job{}, fmt.Errorf("%w: %s", ErrUnknownJob, id)
	}
	if state := State(text(v[0])); state == Succeeded || !state.Terminal() {
		return Job{}, fmt.Errorf("%w: it is %s", ErrNotRetryable, state)
	}
	if v[1] == nil {
		return Job{}, fmt.Errorf("%w: its input is not kept", ErrNotRetryable)
	}
	c, err := decodeEnvelope(bytesOf(text(v[1])))
	if err == nil && c.apart {
		err = q.fetchInputs(ctx, runner, id, &c)
	}
	if err != nil && !errors.Is(err, ErrUnavailable) {
		err = fmt.Errorf("%w: %w", ErrNotRetryable, err)
	}
	if err != nil {
		return Job{}, err
	}
	c.Runner, c.Rows, c.Group = runner, int(number(v[2])), text(v[7])
	c.Timeout = at(v[4]).Sub(at(v[3]))
	if v[8] != nil {
		c.Timeout = time.Duration(number(v[8])) * time.Microsecond
	}
	c.Attempt = int(number(v[6])) + 1
	return q.again(ctx, &c, "", a)
}

// again queues a call that was queued before, as a job.
func (q *Queue) again(ctx context.Context, c *Call, letter string, a Admission) (Job, error) {
	c.job, c.replyTo = true, ""
	if err := checkFields(c); err != nil {
		return Job{}, fmt.Errorf("%w: %w", ErrNotRetryable, err)
	}
	envelope, body := q.pack(c)
	answers, err := q.scripts.runAll(ctx, append(body.stage(q.keys, c.Runner), evaluation{&q.scripts.again, q.keys.shardKeys(c.Runner), []any{
		c.ID, letter, a.MaxCalls, a.MaxBytes, c.Lane.number(), envelope, c.Rows, c.Group,
		c.begin().Microseconds(), c.Timeout.Microseconds(), c.Method, body.name,
	}}))
	if err == nil && text(answers[len(answers)-1]) == noBody {
		err = errNoBody
	}
	if err != nil && !isConnection(err) {
		q.unstage(ctx, c.Runner, body)
	}
	if err != nil {
		return Job{}, unavailable("queue "+c.ID+" again", err)
	}
	verdict, _, accepted := strings.Cut(text(answers[len(answers)-1]), " ")
	switch {
	case accepted:
		return q.Job(ctx, c.ID)
	case verdict == "unknown":
		return Job{}, fmt.Errorf("%w: %s", ErrUnknownJob, c.ID)
	case verdict == "letter":
		return Job{}, fmt.Errorf("%w: %s", ErrUnknownDeadLetter, letter)
	}
	if _, err := refusal(c, verdict); err != nil {
		return Job{}, err
	}
	return Job{}, fmt.Errorf("%w: it is %s", ErrNotRetryable, verdict)
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
		r, _, err := decodeReply(bytesOf(body))
		if err != nil {
			return nil, err
		}
		tries = append(tries, Try{at(when), r.Err})
	}
	return tries, nil
}

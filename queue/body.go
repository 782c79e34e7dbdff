package queue

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"
	"unsafe"

	"github.com/redis/go-redis/v9"
)

// Large inputs are no part of their envelope, and large results of jobs no part of
// their record: they are bodies, each a string under a key of its own. Scripts check,
// copy, move and drop bodies and never see them, because Lua hashes every byte that it
// is given, 1 ms for 600 KB.
//
// A body is staged under a name that nobody else has, in one round trip with the
// script that accepts its call or ends it; if that does not happen it expires. From
// then on whoever keeps a call has its inputs: the entry under the name in its field b,
// the record of a job that may be run again under the job's id, and a dead letter under
// the name in its field b. The result is the record's, under result~ and the job's id.
// Each is dropped with who has it.
//
//	inputs: see tensor.AppendNamed        a result: see reply.go

// stagedFor is how long a body is kept whose call was neither accepted nor ended.
const stagedFor = time.Minute

// errNoBody means that inputs are not there any more: a foreign hand dropped them, or
// Redis took none.
var errNoBody = errors.New("the inputs are not in redis")

// nameOfResult is that of a job's result.
func nameOfResult(id string) string { return "result~" + id }

// body is one on its way to Redis. None is the zero body.
type body struct {
	name  string
	bytes []byte
}

func newBody(bytes []byte) body { return body{rand.Text(), bytes} }

// stage is the command that stores it, none for none.
func (b body) stage(k keys, runner string) []evaluation {
	if b.name == "" {
		return nil
	}
	return []evaluation{{args: []any{"SET", k.body(runner, b.name), b.bytes, "PX", stagedFor.Milliseconds()}}}
}

// unstage drops bodies, if there are any, that Redis did not take further: they would
// take its room for as long as they are staged.
func (q *Queue) unstage(ctx context.Context, runner string, bs ...body) {
	var keys []string
	for _, b := range bs {
		if b.name != "" {
			keys = append(keys, q.keys.body(runner, b.name))
		}
	}
	if len(keys) > 0 {
		_ = q.redis.Unlink(ctx, keys...).Err() // else they expire
	}
}

// bodies reads the bodies of a runner by their names, in one round trip at most; nil
// for the name "", and for what is not there.
func (q *Queue) bodies(ctx context.Context, runner string, names []string) ([][]byte, error) {
	pipe := q.redis.Pipeline()
	reads := make([]*redis.StringCmd, len(names))
	for i, name := range names {
		if name != "" {
			reads[i] = pipe.Get(ctx, q.keys.body(runner, name))
		}
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	found := make([][]byte, len(names))
	for i, read := range reads {
		if read == nil {
			continue
		}
		s, err := read.Result()
		switch {
		case err == nil:
			found[i] = bytesOf(s)
		case !errors.Is(err, redis.Nil) && !redis.HasErrorPrefix(err, "WRONGTYPE"): // a foreign hand
			return nil, unavailable("read inputs or results of "+runner, err)
		}
	}
	return found, nil
}

// fetchInputs gives a call the inputs that are apart under a name.
func (q *Queue) fetchInputs(ctx context.Context, runner, name string, c *Call) error {
	found, err := q.bodies(ctx, runner, []string{name})
	if err != nil {
		return err
	}
	return c.take(found[0])
}

// take gives a call its inputs, if they were kept apart.
func (c *Call) take(body []byte) error {
	if !c.apart {
		return nil
	}
	if body == nil {
		return fmt.Errorf("%w: %w", ErrMalformed, errNoBody)
	}
	var err error
	c.Inputs, err = decodeInputs(body)
	return err
}

// bytesOf are the bytes of what came from Redis. They must not be written to.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

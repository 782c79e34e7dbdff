package queue

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Alias is a caller's own name for a call.
type Alias struct{ Caller, Key string }

// alias is the key of what an alias stands for.
func (q *Queue) alias(a Alias) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s %s", len(a.Caller), a.Caller, a.Key))
	return q.keys.alias(hex.EncodeToString(sum[:]))
}

// Claim binds an alias to the id of a call that is about to be queued, and
// to a digest of what it is made of, for ttl. It returns the id that the alias is
// bound to: id, or the one that was bound to it before with the same digest. It
// returns [ErrKeyReused] if the digest was another.
//
// It comes before the call is queued: a call whose accept nobody heard of is
// queued again under the same id, which does nothing if it had been.
func (q *Queue) Claim(ctx context.Context, a Alias, digest, id string, ttl time.Duration) (bound string, err error) {
	alias := q.alias(a)
	pipe := q.redis.TxPipeline()
	pipe.SetNX(ctx, alias, id+" "+digest, ttl)
	value := pipe.Get(ctx, alias)
	if _, err := pipe.Exec(ctx); err != nil {
		return "", unavailable("claim a key", err)
	}
	bound, was, _ := strings.Cut(value.Val(), " ")
	if was != digest {
		return "", ErrKeyReused
	}
	return bound, nil
}

// Resolve returns the id that an alias is bound to, or [ErrUnknownJob].
func (q *Queue) Resolve(ctx context.Context, a Alias) (id string, err error) {
	value, err := q.redis.Get(ctx, q.alias(a)).Result()
	if errors.Is(err, redis.Nil) {
		return "", fmt.Errorf("%w: there is none with this key", ErrUnknownJob)
	}
	if err != nil {
		return "", unavailable("look up a key", err)
	}
	id, _, _ = strings.Cut(value, " ")
	return id, nil
}

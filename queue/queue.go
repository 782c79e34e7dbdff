package queue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Errors that callers act on, with errors.Is.
var (
	// ErrFull means that the runner has as many calls or bytes queued as it may.
	ErrFull = errors.New("queue is full")

	// ErrCallerFull means that the caller has its share of a queue that others
	// need too; see [Admission].
	ErrCallerFull = errors.New("the caller has its share of the queue")

	// ErrTooLate means that the call would have to wait for longer than it has
	// time. It comes as a [*TooLateError].
	ErrTooLate = errors.New("the wait would be longer than the call has time")

	// ErrClosed means that the runner's queue is being drained.
	ErrClosed = errors.New("queue takes no calls: it is being drained")

	// ErrResultsFull means that the stored results of a runner's jobs have as
	// many bytes as they may. Some are dropped when their time is over.
	ErrResultsFull = errors.New("stored results take all the room they have")

	// ErrKeyReused means that a client's key was used for another call.
	ErrKeyReused = errors.New("the key was used for another call")

	// ErrNotRetryable means that a job cannot be run again: it has not ended, or
	// has succeeded, or its input is not kept.
	ErrNotRetryable = errors.New("job cannot be run again")

	// ErrNoWorker means that no worker serves the runner at present.
	ErrNoWorker = errors.New("no worker serves the runner")

	// ErrDeadline means that the call's time was over before it was answered.
	ErrDeadline = errors.New("deadline passed")

	// ErrUnavailable means that Redis did not answer, or refused. Whether a
	// call was accepted is then not known.
	ErrUnavailable = errors.New("queue is not available")

	// ErrRefused means that Redis is there but does not do what it is asked: its
	// memory is full, it cannot save, is a replica, still loads, or wants other
	// credentials. It comes with [ErrUnavailable]; the message has Redis's words.
	ErrRefused = errors.New("redis refuses")

	// ErrUnknownRunner means that no worker ever announced the runner.
	ErrUnknownRunner = errors.New("unknown runner")

	// ErrUnknownDeadLetter means that there is no such dead letter, or none any
	// more.
	ErrUnknownDeadLetter = errors.New("unknown dead letter")

	// ErrUnknownJob means that there is no such job, or none any more.
	ErrUnknownJob = errors.New("unknown job")

	// ErrNotDone means that a job has no result yet.
	ErrNotDone = errors.New("job is not done")

	// ErrMalformed means that an entry or reply cannot be decoded.
	ErrMalformed = errors.New("malformed entry")
)

// Config says where the queue is and how it behaves. Start from
// [DefaultConfig].
type Config struct {
	// URL is that of the Redis server, redis://, rediss:// or unix://.
	URL string

	// Prefix comes before all keys. Deployments that share a Redis differ in it.
	Prefix string

	// Lease is how long a delivery stays with a worker that shows no sign of
	// life. Workers renew it every quarter.
	Lease time.Duration

	// MaxLostLeases is how many workers may be lost while they hold a call before
	// it is given up as a dead letter. A worker may be lost for reasons that are
	// not the call's.
	MaxLostLeases int

	// MaxCrashes is how many times a call may crash its instance while it runs
	// alone before it is given up. A crash in company does not count.
	MaxCrashes int

	// CrashBackoff is how long a call waits that lost its worker or crashed its
	// instance alone for the second time, and a runner whose instances crashed
	// four times in a row; it doubles with every further time, to half a minute. 0 is not at
	// all.
	CrashBackoff time.Duration

	// Aging is how long a call waits behind lanes that go first before every
	// fourth batch begins with it.
	Aging time.Duration

	// Retention is how long the record and result of an ended job are kept.
	Retention time.Duration

	// MaxResultBytes bounds what is kept of the ended jobs of one runner. Beyond
	// it no new job is accepted; awaited calls are.
	MaxResultBytes int64

	// WorkerTTL is how long after its last heartbeat a worker counts as alive.
	WorkerTTL time.Duration

	// MaxReplyBytes bounds the replies that wait for one gateway.
	MaxReplyBytes int64

	// MaxInline is how many bytes the inputs of a call may have and yet travel in its
	// entry, and the result of a job in its record. Larger ones have a key of their own,
	// which costs a round trip more and spares Redis's Lua the sight of them.
	MaxInline int
}

// DefaultConfig returns the configuration that most deployments run with. It
// has no URL.
func DefaultConfig() Config {
	return Config{
		Prefix:         "ekiben",
		Lease:          15 * time.Second,
		MaxLostLeases:  5,
		MaxCrashes:     2,
		CrashBackoff:   time.Second,
		Aging:          5 * time.Second,
		Retention:      time.Hour,
		MaxResultBytes: 1 << 30,
		WorkerTTL:      10 * time.Second,
		MaxReplyBytes:  256 << 20,
		MaxInline:      16 << 10,
	}
}

func (c Config) validate() error {
	var errs []error
	if c.Prefix == "" {
		errs = append(errs, errors.New("prefix is empty"))
	}
	for name, d := range map[string]time.Duration{"lease": c.Lease, "retention": c.Retention, "worker ttl": c.WorkerTTL} {
		if d < time.Millisecond {
			errs = append(errs, fmt.Errorf("%s is %s, want at least 1ms", name, d))
		}
	}
	for name, n := range map[string]int64{
		"max lost leases": int64(c.MaxLostLeases), "max crashes": int64(c.MaxCrashes),
		"max reply bytes": c.MaxReplyBytes, "max result bytes": c.MaxResultBytes,
	} {
		if n < 1 {
			errs = append(errs, fmt.Errorf("%s is %d, want at least 1", name, n))
		}
	}
	if c.Aging < 0 || c.CrashBackoff < 0 {
		errs = append(errs, errors.New("aging and crash back-off must not be negative"))
	}
	return errors.Join(errs...)
}

// Queue is a connection to the queues of all runners. It is safe for concurrent
// use.
type Queue struct {
	config Config
	keys   keys

	// redis serves commands that answer at once, block those that wait. Neither
	// retries by itself: a retried accept would queue a call twice.
	redis, block *redis.Client

	scripts *scripts
}

// Open prepares a connection; it does not need the server yet.
func Open(c Config) (*Queue, error) {
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("queue: configuration: %w", err)
	}
	options, err := redis.ParseURL(c.URL)
	if err != nil {
		return nil, fmt.Errorf("queue: redis url: %w", err)
	}
	silence()
	options.MaxRetries = -1
	options.ContextTimeoutEnabled = true
	options.DisableIdentity = true
	blocking := *options
	// A blocking read holds a connection; there is one for every idle instance.
	blocking.PoolSize = 1024
	blocking.ReadTimeout = maxBlock + 5*time.Second
	q := &Queue{
		config: c, keys: keys{c.Prefix},
		redis: redis.NewClient(options), block: redis.NewClient(&blocking),
	}
	q.scripts = newScripts(q.redis)
	return q, nil
}

// silence stops go-redis from writing lines of its own to standard error. What
// they say comes back as an error too.
var silence = sync.OnceFunc(func() { redis.SetLogger(discard{}) })

type discard struct{}

func (discard) Printf(context.Context, string, ...any) {}

// Close closes the connection.
func (q *Queue) Close() error { return errors.Join(q.redis.Close(), q.block.Close()) }

// Ping reports whether Redis answers.
func (q *Queue) Ping(ctx context.Context) error {
	if err := q.redis.Ping(ctx).Err(); err != nil {
		return unavailable("ping", err)
	}
	return nil
}

// Now is Redis's clock.
func (q *Queue) Now(ctx context.Context) (time.Time, error) {
	t, err := q.redis.Time(ctx).Result()
	if err != nil {
		return time.Time{}, unavailable("ask for the time", err)
	}
	return t.UTC(), nil
}

// Lease is how long a delivery stays with a worker that does not renew it.
func (q *Queue) Lease() time.Duration { return q.config.Lease }

// Retention is how long the record of an ended job is kept.
func (q *Queue) Retention() time.Duration { return q.config.Retention }

// maxBlock is the longest that a blocking command blocks, so that a connection
// that died unnoticed is found out.
const maxBlock = time.Second

// unavailable wraps an error of Redis or of the way to it.
func unavailable(what string, err error) error {
	if isRefusal(err) {
		return fmt.Errorf("%w: %s: %w: %w", ErrUnavailable, what, ErrRefused, err)
	}
	return fmt.Errorf("%w: %s: %w", ErrUnavailable, what, err)
}

// isRefusal reports whether the server answered that it does not take commands
// as it stands, whatever they are.
func isRefusal(err error) bool {
	for _, word := range []string{"OOM", "READONLY", "MISCONF", "LOADING", "NOREPLICAS", "NOAUTH", "WRONGPASS", "NOPERM"} {
		if redis.HasErrorPrefix(err, word+" ") {
			return true
		}
	}
	return false
}

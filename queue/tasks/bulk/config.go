package bulk

import (
	"errors"
	"fmt"
	"time"
)

// Config says how batches are stored and run. Start from [DefaultConfig].
type Config struct {
	// BlobURL is where files, results and errors of batches are kept: file://,
	// s3://, gs://, azblob:// or mem://, with the parameters that gocloud.dev/blob
	// documents. All gateways and tasks processes must see the same. All is in the
	// folder ekiben/<EKIBEN_REDIS_PREFIX> there, so that it may be shared. If it is
	// empty, serve keeps them under --data, or in a temporary folder; gateways of
	// their own then take no batches.
	BlobURL string `env:"EKIBEN_BLOB_URL"`

	// MaxBytes is the largest file, after decompression.
	MaxBytes int64 `env:"EKIBEN_MAX_BATCH_BYTES"`

	// MaxLines is how many lines it may have.
	MaxLines int `env:"EKIBEN_MAX_BATCH_LINES"`

	// Window is how many calls of one batch are in flight at a time.
	Window int `env:"EKIBEN_BATCH_WINDOW"`

	// Concurrency is how many batches one process runs at a time.
	Concurrency int `env:"EKIBEN_BATCH_CONCURRENCY"`

	// Patience is how long a batch may come no further, because its runner is paused or
	// has no workers, before it gives its place to one that waits. They take turns.
	Patience time.Duration

	// Retention is how long an ended batch and its files are kept.
	Retention time.Duration `env:"EKIBEN_BATCH_RETENTION"`

	// PartLines is how many lines one stored part of the outcomes has.
	PartLines int

	// PartAge is after how long a part is stored that has fewer: one an age at most, so
	// that there are not too many. Until then its lines are up to the records of jobs.
	PartAge time.Duration

	// MaxLine is the longest line in bytes. Longer ones are errors.
	MaxLine int

	// Lease is how long a batch stays with a process that shows no sign of life.
	Lease time.Duration

	// Poll is how often it is looked for batches that nobody runs.
	Poll time.Duration

	// SweepEvery is how often it is looked for what may be dropped.
	SweepEvery time.Duration
}

// DefaultConfig returns the configuration that most processes run with.
func DefaultConfig() Config {
	return Config{
		MaxBytes: 1 << 30, MaxLines: 1_000_000, Window: 512, Concurrency: 4, Patience: 10 * time.Second, Retention: 24 * time.Hour,
		PartLines: 1000, PartAge: time.Minute, MaxLine: 17 << 20, Lease: 15 * time.Second, Poll: 200 * time.Millisecond, SweepEvery: 10 * time.Minute,
	}
}

// Validate reports everything that is wrong, not only the first thing.
func (c Config) Validate() error {
	var errs []error
	for name, n := range map[string]int64{
		"batch bytes": c.MaxBytes, "batch lines": int64(c.MaxLines), "batch window": int64(c.Window),
		"batch concurrency": int64(c.Concurrency), "lines of a part": int64(c.PartLines), "longest line": int64(c.MaxLine),
	} {
		if n < 1 {
			errs = append(errs, fmt.Errorf("%s is %d, want at least 1", name, n))
		}
	}
	for name, d := range map[string]time.Duration{
		"batch retention": c.Retention, "batch lease": c.Lease, "batch poll": c.Poll, "batch sweep": c.SweepEvery,
		"age of a part": c.PartAge, "batch patience": c.Patience,
	} {
		if d < time.Millisecond {
			errs = append(errs, fmt.Errorf("%s is %s, want at least 1ms", name, d))
		}
	}
	return errors.Join(errs...)
}

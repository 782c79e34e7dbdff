package runnables

// Spec is what a runner publishes about itself, as JSON in Redis: gateways
// validate calls against it and need no other configuration.
type Spec struct {
	Runner   string       `json:"runner"`
	Runnable string       `json:"runnable"`
	Methods  []MethodSpec `json:"methods"`

	// Limits of the queue, see [Runner].
	MaxQueue      int   `json:"max_queue"`
	MaxQueueBytes int64 `json:"max_queue_bytes"`
	FromZero      bool  `json:"from_zero,omitempty"`

	// MaxConcurrency is how many awaited calls one gateway has in flight, 0 for no
	// limit.
	MaxConcurrency int `json:"max_concurrency,omitempty"`

	// Retry is how often failed jobs are tried again; nil is that they are not.
	Retry *RetrySpec `json:"retry,omitempty"`
}

// MethodSpec is a method with its batch limits.
type MethodSpec struct {
	Signature
	MaxBatchSize int `json:"max_batch_size,omitempty"`

	// MaxLatencyMS is the longest that a call waits for company. 0 is not to
	// wait, so it is always there.
	MaxLatencyMS float64 `json:"max_latency_ms"`
}

// Method returns the method with the given name.
func (s Spec) Method(name string) (MethodSpec, bool) {
	for _, m := range s.Methods {
		if m.Name == name {
			return m, true
		}
	}
	return MethodSpec{}, false
}

package runnables

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Runner describes a runner: a named deployment of a runnable with its options.
// It is one entry of ekiben.yaml, and what programs pass in code. Zero values
// mean the defaults of [DefaultRunner].
type Runner struct {
	// Name identifies the runner in URLs, metrics and Redis. Unique.
	Name string

	// Runnable is the name of one of the binary's [Kinds], and, behind a colon,
	// what that kind is to load: python:my.module:Class.
	Runnable string

	// Init are the parameters of the runnable's constructor.
	Init Init

	// Models are the tags of the stored models that the runnable needs.
	Models []string

	// CPU is how many cores the instances of one worker process have together.
	// Nothing means all of the machine's.
	CPU Quantity

	// NvidiaGPU is how many NVIDIA GPUs they have, or which. Nothing means all,
	// for a runnable that can use them, or none if CPU is given.
	NvidiaGPU Quantity

	// CustomResources are for strategies that know them.
	CustomResources map[string]Quantity

	// WorkersPerResource is how many instances share one GPU, or, of a
	// multi-threaded runnable, the cores; for others how many there are for one
	// core. Below 1 one instance has several GPUs: 0.5 means two. 0 means 1.
	WorkersPerResource float64

	// Strategy is the name of the strategy that places the instances. Empty means
	// the default one.
	Strategy string

	// Replicas is how many instances one worker process makes. 0 leaves it to the
	// strategy.
	Replicas int

	// Isolation says where the instances live.
	Isolation Isolation

	// Python is the interpreter of a Python runnable, a path or a name. Empty means
	// that of the process's configuration.
	Python string

	// Env are environment variables of the instances that are processes.
	Env map[string]string

	// Dir is the folder that file names in Init are relative to, and where Python
	// looks for modules first: that of the runners file. Empty means the working
	// directory of the process.
	Dir string

	// MaxExecution is how long one execution of a method may take, whatever time its
	// calls have. One in a process of its own is stopped then, with the process; others
	// are told by their context. 0 is no limit.
	MaxExecution time.Duration

	// MaxBatchSize is the largest batch, in rows.
	MaxBatchSize int

	// MaxLatency is the longest that a call may wait for company, counted from
	// its acceptance. It never ends a call. Negative means not to wait at all.
	MaxLatency time.Duration

	// Batching says how to wait for company.
	Batching BatchPolicy

	// Methods override the batch limits for single methods.
	Methods []MethodLimits

	// MaxQueue is how many calls may be queued or running; more are refused.
	MaxQueue int

	// MaxQueueBytes is how many bytes they may have.
	MaxQueueBytes int64

	// MaxConcurrency is how many awaited calls of the runner one gateway has in
	// flight; more are refused. 0 is no limit. Jobs are not counted.
	MaxConcurrency int

	// FromZero: awaited calls are accepted while no worker lives, because one
	// will be started for them.
	FromZero bool

	// Retry is how often failed jobs are tried again.
	Retry RetryPolicy
}

// BatchPolicy is a way to wait for company.
type BatchPolicy string

// The ways to wait.
const (
	// BatchNone takes what is there when an instance is free.
	BatchNone BatchPolicy = "none"
	// BatchFixed waits until a batch is full or MaxLatency is over.
	BatchFixed BatchPolicy = "fixed"
	// BatchAdaptive waits while one more row is expected to pay for the wait.
	BatchAdaptive BatchPolicy = "adaptive"
)

// Isolation is where an instance lives.
type Isolation string

// Where instances live.
const (
	// IsolationKind leaves it to the kind: Python has processes, others have none.
	IsolationKind Isolation = ""
	// IsolationNone is in the worker's own process.
	IsolationNone Isolation = "none"
	// IsolationProcess is in a process of its own: one that crashes or hangs is
	// replaced, and takes nothing else with it.
	IsolationProcess Isolation = "process"
)

// MethodLimits are batch limits of one method; zero values mean the runner's.
type MethodLimits struct {
	Name         string
	MaxBatchSize int
	MaxLatency   time.Duration
}

// DefaultRunner returns the options that a runner has unless it says otherwise.
func DefaultRunner() Runner {
	return Runner{
		WorkersPerResource: 1,
		MaxBatchSize:       32,
		MaxLatency:         100 * time.Millisecond,
		Batching:           BatchAdaptive,
		MaxQueue:           10_000,
		MaxQueueBytes:      256 << 20,
	}
}

// WithDefaults returns the runner with its zero options replaced by those of
// [DefaultRunner].
func (r Runner) WithDefaults() Runner {
	d := DefaultRunner()
	orInt(&r.MaxBatchSize, d.MaxBatchSize)
	if r.WorkersPerResource == 0 {
		r.WorkersPerResource = d.WorkersPerResource
	}
	orInt(&r.MaxLatency, d.MaxLatency)
	orInt(&r.MaxQueue, d.MaxQueue)
	orInt(&r.MaxQueueBytes, d.MaxQueueBytes)
	if r.Batching == "" {
		r.Batching = d.Batching
	}
	r.Retry = r.Retry.WithDefaults()
	return r
}

func orInt[T int | int64 | time.Duration](v *T, def T) {
	if *v == 0 {
		*v = def
	}
}

// Limits returns the batch limits of a method, in rows and time.
func (r Runner) Limits(method string) (maxBatchSize int, maxLatency time.Duration) {
	maxBatchSize, maxLatency = r.MaxBatchSize, r.MaxLatency
	for _, m := range r.Methods {
		if m.Name == method {
			if m.MaxBatchSize != 0 {
				maxBatchSize = m.MaxBatchSize
			}
			if m.MaxLatency != 0 {
				maxLatency = m.MaxLatency
			}
		}
	}
	return maxBatchSize, max(maxLatency, 0)
}

// CheckMethods refuses limits of methods that the runnable, whose methods have these
// names, does not have.
func (r Runner) CheckMethods(names []string) error {
	for _, m := range r.Methods {
		if !slices.Contains(names, m.Name) {
			return fmt.Errorf("runnable_method_configs has method %q; there are: %s", m.Name, strings.Join(names, ", "))
		}
	}
	return nil
}

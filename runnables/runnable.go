package runnables

import (
	"context"

	"github.com/ekiben/ekiben/tensor"
)

// Runnable is a model in memory: one instance, with its methods. It is never
// called concurrently, unless its [Kind] says that it may be.
type Runnable interface {
	// Methods are the instance's methods. They are asked for once, after
	// construction.
	Methods() []Method

	// Close frees what the instance holds. No method runs any more.
	Close() error
}

// Warmer is a Runnable that prepares itself before its first call, for example
// by running a batch of one row and one of the largest size. A worker is ready
// only after that.
type Warmer interface {
	Warmup(ctx context.Context) error
}

// Method is one callable of a runnable.
type Method struct {
	Signature

	// Run executes the method. inputs are in the order of Signature.Inputs and
	// outputs must be in that of Signature.Outputs. For a batchable method all
	// inputs have the same number of rows along BatchDim.In, and every output
	// must have as many along BatchDim.Out.
	//
	// An error fails every call of the batch, which is then tried again call by
	// call so that only the culprit fails; [RowErrors] fails single rows, the
	// outputs still have all rows. Run should return soon after ctx is done.
	//
	// What the client sees of an error: [InputErrorf] says that the client is at
	// fault, [Retryable] that trying again may help.
	Run func(ctx context.Context, inputs []tensor.Tensor) ([]tensor.Tensor, error)

	// fault is why an adapter could not make the method; [Validate] reports it.
	fault error
}

// Kind makes instances of a runnable.
type Kind struct {
	// New makes one instance, loading what it needs. It is called once per
	// instance, before any call is taken from the queue.
	New func(ctx context.Context, init Init) (Runnable, error)

	Resources Resources
}

// Resources say what an instance can make use of. They are known without making
// one, because placement needs them first.
type Resources struct {
	// NvidiaGPU: the runnable can run on an NVIDIA GPU.
	NvidiaGPU bool

	// MultiThreading: one instance can use several CPU cores by itself.
	MultiThreading bool

	// Concurrent: an instance may be called by several goroutines at once.
	Concurrent bool
}

// Kinds are the kinds of runnables that a binary was built with, by the name
// that `runnable:` in ekiben.yaml refers to.
type Kinds map[string]Kind

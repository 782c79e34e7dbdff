package runnables

import (
	"context"
	"path/filepath"
	"strings"

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

	// RunParts, where it is set, is what workers call rather than Run: the calls come
	// as they are, parts[a][c] is argument a of call c, for a method that joins them
	// in memory of its own. An optional argument that a call leaves out is the zero
	// Tensor.
	RunParts func(ctx context.Context, parts [][]tensor.Tensor) (Outputs, error)

	// fault is why an adapter could not make the method; [Validate] reports it.
	fault error
}

// Outputs are what [Method.RunParts] answers.
type Outputs struct {
	// Tensors are in the order of Signature.Outputs.
	Tensors []tensor.Tensor

	// Release, where it is set, is called once when nobody reads the tensors any
	// more: their memory is the method's, and used again.
	Release func()
}

// Supervised is a Runnable that can be away for a while, because its process died
// and is being replaced. No calls are taken for it then.
type Supervised interface {
	// Ready waits until calls can be executed, or ctx is done, whose error it
	// returns then.
	Ready(ctx context.Context) error
}

// Kind makes instances of a runnable.
type Kind struct {
	// New makes one instance, loading what it needs. It is called once per
	// instance, before any call is taken from the queue.
	New func(ctx context.Context, s Setup) (Runnable, error)

	// Resources are those of all runnables of the kind.
	Resources Resources

	// Describe tells the resources of a runner's runnable where they are not the
	// same for all of the kind. It makes no instance.
	Describe func(ctx context.Context, r Runner) (Resources, error)

	// Isolated: instances are processes of their own, whatever [Runner.Isolation]
	// says.
	Isolated bool

	// Targeted: what is to be loaded is behind a colon, see [Runner.Target]. Other
	// kinds have it in their init parameters.
	Targeted bool
}

// Resources say what an instance can make use of. They are known without making
// one, because placement needs them first.
type Resources struct {
	// NvidiaGPU: the runnable can run on an NVIDIA GPU.
	NvidiaGPU bool

	// WithoutGPU is why it cannot, where that is not the runnable's own nature, such
	// as "the library that it needs was built without CUDA".
	WithoutGPU string

	// NoCPU: the runnable is not made for CPUs. Where there is nothing else it runs
	// on one nevertheless, which is told.
	NoCPU bool

	// Custom are the names of other resources that it can use.
	Custom []string

	// MultiThreading: one instance can use several CPU cores by itself.
	MultiThreading bool

	// Greedy: an instance on GPUs that is not told how many threads to have takes all
	// cores of the host, so it is told.
	Greedy bool

	// Methods are the names of the methods, where they are known.
	Methods []string

	// Obstacle is what will keep instances from being made, and GPUObstacle what will
	// keep those on GPUs, as far as that is known: sentences that are told beforehand.
	Obstacle, GPUObstacle string

	// Concurrent: an instance may be called by several goroutines at once.
	Concurrent bool
}

// Kinds are the kinds of runnables that a binary was built with, by the name
// that `runnable:` in ekiben.yaml refers to.
type Kinds map[string]Kind

// Of returns the kind of a runner's runnable.
func (k Kinds) Of(r Runner) (Kind, bool) {
	kind, ok := k[r.Kind()]
	return kind, ok
}

// Kind is the name of the runner's kind: Runnable, or what is before its first
// colon.
func (r Runner) Kind() string {
	kind, _, _ := strings.Cut(r.Runnable, ":")
	return kind
}

// Target is what the runner's kind is to load: what is behind the first colon of
// Runnable, if there is one.
func (r Runner) Target() string {
	_, target, _ := strings.Cut(r.Runnable, ":")
	return target
}

// Path is the file that a name in Init means: a relative one is in Dir.
func (r Runner) Path(name string) string {
	if r.Dir == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(r.Dir, name)
}

package process

import (
	"context"

	"github.com/ekiben/ekiben/runnables"
)

// Isolate returns a kind whose instances are processes that run command, which
// must call [Serve] with kinds that have kind under the same name: for runners
// that ask for [runnables.IsolationProcess].
func Isolate(kind runnables.Kind, command Command) runnables.Kind {
	isolated := runnables.Kind{
		New: func(ctx context.Context, s runnables.Setup) (runnables.Runnable, error) {
			instance, err := Start(ctx, command, s)
			if err != nil {
				return nil, err
			}
			return instance, nil
		},
		Resources: kind.Resources,
		Isolated:  true,
	}
	// A process serves one call at a time.
	isolated.Resources.Concurrent = false
	if kind.Describe != nil {
		isolated.Describe = func(ctx context.Context, r runnables.Runner) (runnables.Resources, error) {
			res, err := kind.Describe(ctx, r)
			res.Concurrent = false
			return res, err
		}
	}
	return isolated
}

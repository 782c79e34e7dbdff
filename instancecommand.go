package ekiben

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/ekiben/ekiben/runnables"
	instances "github.com/ekiben/ekiben/runnables/process"
)

// instanceName is the command of a process that is one instance.
const instanceName = "instance"

// instanceCommand is what workers start for instances with a process of their own.
func (app App) instanceCommand() *cobra.Command {
	return &cobra.Command{
		Use:    instanceName,
		Short:  "Be an instance of a runnable; workers start this",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE:   func(cmd *cobra.Command, _ []string) error { return instances.Serve(cmd.Context(), app.Runnables) },
	}
}

// isolatable are the kinds, of which a runner may ask for instances that are
// processes: this binary once more, where the kind has none of its own.
func isolatable(kinds runnables.Kinds) (runnables.Kinds, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this binary: %w", err)
	}
	command := instances.Command{Path: path, Args: []string{instanceName}}
	all := make(runnables.Kinds, len(kinds))
	for name, kind := range kinds {
		if !kind.Isolated {
			kind.New = chosen(kind.New, instances.Isolate(kind, command).New)
		}
		all[name] = kind
	}
	return all, nil
}

// newInstance makes an instance.
type newInstance = func(context.Context, runnables.Setup) (runnables.Runnable, error)

// chosen makes instances where their runner wants them.
func chosen(here, isolated newInstance) newInstance {
	return func(ctx context.Context, s runnables.Setup) (runnables.Runnable, error) {
		if s.Runner.Isolation == runnables.IsolationProcess {
			return isolated(ctx, s)
		}
		return here(ctx, s)
	}
}

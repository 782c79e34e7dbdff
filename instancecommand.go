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

// wardenName is the command of the process that watches over instances.
const wardenName = "warden"

// wardenCommand is what workers start to have the processes of instances killed that
// they leave behind when they are killed themselves.
func (App) wardenCommand() *cobra.Command {
	return &cobra.Command{
		Use:    wardenName,
		Short:  "Kill what a worker leaves behind; workers start this",
		Hidden: true,
		Args:   cobra.NoArgs,
		Run:    func(cmd *cobra.Command, _ []string) { instances.Ward(cmd.InOrStdin()) },
	}
}

// onceMore is this binary with another command.
func onceMore(command string) (instances.Command, error) {
	path, err := os.Executable()
	if err != nil {
		return instances.Command{}, fmt.Errorf("find this binary: %w", err)
	}
	return instances.Command{Path: path, Args: []string{command}}, nil
}

// isolatable are the kinds, of which a runner may ask for instances that are
// processes: this binary once more, where the kind has none of its own.
func isolatable(kinds runnables.Kinds) (runnables.Kinds, error) {
	command, err := onceMore(instanceName)
	if err != nil {
		return nil, err
	}
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

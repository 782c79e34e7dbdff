package ekiben

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// command is the command line of the binary.
func (app App) command() *cobra.Command {
	name := filepath.Base(os.Args[0])
	root := &cobra.Command{
		Use:   name,
		Short: "Queue-based inference: HTTP in, batches through Redis streams, replies out",
		Long: "Ekiben serves models over HTTP. Gateways enqueue calls into Redis streams, one\n" +
			"per runner; workers take batches, run them vectorized, and reply.",
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	runners := runnersCommand()
	runners.AddCommand(app.planCommand())
	root.AddCommand(
		app.serveCommand(), app.gatewayCommand(), app.workerCommand(), app.tasksCommand(),
		callCommand(), jobsCommand(), batchesCommand(), runners, queuesCommand(), schedulesCommand(), runtimeCommand(),
		app.instanceCommand(),
		app.wardenCommand(),
	)
	return root
}

// version is that of the module, as the build knows it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return info.Main.Version
}

func (app App) serveCommand() *cobra.Command {
	var o serveOptions
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run everything in one process: gateway, worker, tasks and, unless EKIBEN_REDIS_URL names one, a Redis",
		Long: "Run gateway, worker and tasks in one process. Without EKIBEN_REDIS_URL it brings a Redis:\n" +
			"in memory, which is for trying out and developing; or with --data a redis-server\n" +
			"that keeps its data in a directory.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return app.run(cmd.Context(), o) },
	}
	o.gateway, o.worker, o.tasks, o.redis = true, true, true, true
	o.flags(c)
	c.Flags().StringVar(&o.addr, "addr", "", "listen on this host:port (EKIBEN_HTTP_ADDR)")
	c.Flags().StringVar(&o.data, "data", "", "keep the queue in this directory, with a redis-server of our own")
	c.Flags().StringArrayVar(&o.only, "runner", nil, "serve only this runner; may be repeated")
	return c
}

func (app App) gatewayCommand() *cobra.Command {
	o := serveOptions{gateway: true}
	c := &cobra.Command{
		Use:   "gateway",
		Short: "Take calls over HTTP and enqueue them for workers",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return app.run(cmd.Context(), o) },
	}
	c.Flags().StringVar(&o.addr, "addr", "", "listen on this host:port (EKIBEN_HTTP_ADDR)")
	return c
}

func (app App) workerCommand() *cobra.Command {
	o := serveOptions{worker: true}
	c := &cobra.Command{
		Use:   "worker",
		Short: "Run the calls of runners",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return app.run(cmd.Context(), o) },
	}
	o.flags(c)
	c.Flags().StringArrayVar(&o.only, "runner", nil, "serve only this runner; may be repeated")
	return c
}

func (o *serveOptions) flags(c *cobra.Command) {
	c.Flags().StringVarP(&o.config, "config", "c", "", "runners file (EKIBEN_CONFIG)")
}

// run runs the parts of a process that the options ask for.
func (app App) run(ctx context.Context, o serveOptions) error {
	s, unknown, err := readSettings()
	if err != nil {
		return err
	}
	log := s.logger()
	slog.SetDefault(log) // for what is told before a runner has a log
	for _, name := range unknown {
		log.WarnContext(ctx, "environment variable has no effect", "name", name)
	}
	if o.config != "" {
		s.Config = o.config
	}
	if o.addr != "" {
		s.Gateway.Addr = o.addr
	}
	if o.data != "" && s.RedisURL != "" {
		return fmt.Errorf("--data starts a redis-server, but EKIBEN_REDIS_URL names one: give one of the two")
	}
	return app.serve(ctx, s, o, log)
}

package ekiben

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/ekiben/ekiben/internal/onnxruntime"
)

func runtimeCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "runtime",
		Short: "Show and install the shared libraries that kinds of runnables need",
		Long: "Show and install the shared libraries that kinds of runnables need. The kind onnx\n" +
			"needs that of ONNX Runtime. It is taken from " + onnxruntime.Variable + ", from where\n" +
			"`runtime install` puts it, from the folder lib beside the binary, or from the system.",
	}
	c.AddCommand(runtimeListCommand(), runtimeInstallCommand())
	return c
}

// runtimeView is what `runtime list` tells of a library.
type runtimeView struct {
	Name      string `json:"name"`
	Version   string `json:"version"`
	Installed bool   `json:"installed"`
	CUDA      bool   `json:"cuda"`
	Source    string `json:"source,omitempty"`
	Path      string `json:"path,omitempty"`
	Problem   string `json:"problem,omitempty"`
}

func runtimeListCommand() *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:   "list",
		Short: "List the libraries, and which file would be loaded",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			release := onnxruntime.Pinned()
			view := runtimeView{Name: "onnx", Version: release.Version}
			found, err := onnxruntime.Find(release)
			if err == nil {
				err = found.Intact(release)
			}
			if err != nil {
				view.Problem = err.Error()
			} else {
				view.Installed, view.CUDA, view.Source, view.Path = true, found.HasCUDA(), found.Source, found.Path
			}
			answer, err := json.Marshal(map[string]any{"runtimes": []runtimeView{view}})
			if err != nil {
				return fmt.Errorf("list the libraries: %w", err)
			}
			return show(cmd.OutOrStdout(), format, answer, runtimesTable)
		},
	}
	addOutput(c, &format)
	return c
}

func runtimesTable(w io.Writer, answer []byte) error {
	var list struct {
		Runtimes []runtimeView `json:"runtimes"`
	}
	if err := json.Unmarshal(answer, &list); err != nil {
		return fmt.Errorf("list the libraries: %w", err)
	}
	rows := [][]string{{"RUNTIME", "WANTED", "FOUND", "CUDA", "FILE"}}
	for _, r := range list.Runtimes {
		cuda, source, file := "no", r.Source, r.Path
		if r.CUDA {
			cuda = "yes"
		}
		if !r.Installed {
			cuda, source, file = "", "no", r.Problem
		}
		rows = append(rows, []string{r.Name, r.Version, source, cuda, file})
	}
	return writeRows(w, rows)
}

func runtimeInstallCommand() *cobra.Command {
	var from string
	c := &cobra.Command{
		Use:   "install onnx",
		Short: "Install the shared library of ONNX Runtime for this user",
		Long: "Install the shared library of ONNX Runtime below $XDG_DATA_HOME/ekiben, or\n" +
			"~/.local/share/ekiben. It is taken out of the npm package " + onnxruntime.Pinned().Package + " " + onnxruntime.Pinned().Version + ",\n" +
			"whose digest is checked before anything is unpacked. npm_config_registry names\n" +
			"another registry, HTTPS_PROXY a proxy. Where it is installed already, nothing is done;\n" +
			"one that is damaged is replaced.",
		Example: "  ekiben runtime install onnx\n" +
			"  npm pack onnxruntime-node@" + onnxruntime.Pinned().Version + " && ekiben runtime install onnx --from onnxruntime-node-" + onnxruntime.Pinned().Version + ".tgz",
		Args: cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs), ValidArgs: []string{"onnx"},
		RunE: func(cmd *cobra.Command, _ []string) error {
			release := onnxruntime.Pinned()
			source := onnxruntime.Download(release, onnxruntime.Registry())
			if cmd.Flags().Changed("from") {
				if from == "" {
					return errors.New("--from is empty: want the file of the archive; leave it out to download one")
				}
				source = onnxruntime.File(from)
			}
			return installONNX(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), onnxruntime.Install{
				Release: release, Platform: onnxruntime.Platform(), From: source,
			})
		},
	}
	c.Flags().StringVar(&from, "from", "", "take this archive, as `FILE`.tgz, and use no network")
	return c
}

func installONNX(ctx context.Context, out, progress io.Writer, install onnxruntime.Install) (err error) {
	release := install.Release
	if install.Dir, err = onnxruntime.Dir(release); err != nil {
		return err
	}
	if isTerminal(os.Stderr) {
		bar := progressbar.NewOptions64(release.Size, progressbar.OptionSetWriter(progress), progressbar.OptionShowBytes(true),
			progressbar.OptionSetDescription("onnxruntime "+release.Version), progressbar.OptionSetWidth(20),
			progressbar.OptionOnCompletion(func() { _, _ = fmt.Fprintln(progress) }))
		install.Progress = func(done, _ int64) { _ = bar.Set64(done) } // a bar that cannot be drawn is no reason to stop
	}
	path, fresh, err := install.Run(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return errors.New("interrupted: nothing was installed")
		}
		return err
	}
	verb := "installed"
	if !fresh {
		verb = "already installed"
	}
	if _, err := fmt.Fprintf(out, "ONNX Runtime %s is %s: %s\n", release.Version, verb, path); err != nil {
		return fmt.Errorf("say where it is: %w", err)
	}
	return nil
}

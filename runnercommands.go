package ekiben

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ekiben/ekiben/internal/runnerfile"
)

func runnersCommand() *cobra.Command {
	c := &cobra.Command{Use: "runners", Short: "Show the runners that a gateway knows, and what a runners file may say"}
	c.AddCommand(
		question{use: "list", short: "List runners", path: "/v1/runners", table: runnersTable}.command(),
		question{use: "show RUNNER", short: "Show a runner's methods and limits", path: "/v1/runners/%s", table: methodsTable}.command(),
		schemaCommand(),
	)
	return c
}

// schemaCommand prints what editors check a runners file with.
func schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON schema of the runners file, for editors",
		Long: "Print the JSON schema (draft 2020-12) of the runners file. Editors with a YAML\n" +
			"language server check and complete the file with it, if its first line is\n\n" +
			"  # yaml-language-server: $schema=ekiben.schema.json",
		Example: "  ekiben runners schema > ekiben.schema.json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := cmd.OutOrStdout().Write(runnerfile.Schema()); err != nil {
				return fmt.Errorf("print the schema: %w", err)
			}
			return nil
		},
	}
}

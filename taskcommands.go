package ekiben

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

func (app App) tasksCommand() *cobra.Command {
	o := serveOptions{tasks: true}
	c := &cobra.Command{
		Use:   "tasks",
		Short: "Run what has time: webhooks, and jobs whose time is far ahead",
		Long: "Run what has time: webhooks, and jobs whose time is far ahead. Several such\n" +
			"processes share the work; `serve` includes one.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return app.run(cmd.Context(), o) },
	}
	o.flags(c)
	c.AddCommand(listTasksCommand())
	return c
}

func listTasksCommand() *cobra.Command {
	return question{
		use: "list", short: "List background work", path: "/v1/tasks", table: tasksTable,
		flags: map[string]string{
			"state":  "only tasks that are active, retrying, waiting, scheduled or failed",
			"limit":  "how many at most, up to 1000 (default 100)",
			"cursor": "go on behind a page",
		},
	}.command()
}

// tasksTable shows how many tasks there are in each state, and a page of them.
func tasksTable(w io.Writer, answer []byte) error {
	var list struct {
		Counts struct{ Active, Waiting, Scheduled, Retrying, Failed int }
		Tasks  []struct {
			ID    string `json:"id"`
			State string `json:"state"`
			Next  string `json:"next_run_at"`
			Error string `json:"last_error"`
		}
	}
	if err := readAnswer(answer, &list); err != nil {
		return err
	}
	n := list.Counts
	if _, err := fmt.Fprintf(w, "%d active, %d waiting, %d scheduled, %d retrying, %d failed\n", n.Active, n.Waiting, n.Scheduled, n.Retrying, n.Failed); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	rows := [][]string{{"TASK", "STATE", "NEXT RUN", "LAST ERROR"}}
	for _, t := range list.Tasks {
		rows = append(rows, []string{t.ID, t.State, t.Next, fmt.Sprintf("%.*s", maxTableValue, plainText(t.Error))})
	}
	return writeRows(w, rows)
}

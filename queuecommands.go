package ekiben

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"

	"github.com/spf13/cobra"
)

func queuesCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "queues", Short: "Show queues; pause, resume and drain them; look after dead letters",
		Long: "Show the queues of runners; pause, resume and drain them; look after dead letters.\n" +
			"What changes something needs the gateway's admin token in EKIBEN_ADMIN_TOKEN,\n" +
			"unless the gateway has none and listens on loopback.",
	}
	c.AddCommand(
		question{use: "list", short: "List the queues of all runners", path: "/v1/queues", table: queuesTable}.command(),
		question{use: "show RUNNER", short: "Show the queue of a runner", path: "/v1/queues/%s", table: queueTable}.command(),
		gateCommand("pause", "Take calls in and give none to workers"),
		gateCommand("resume", "Open a queue again"),
		gateCommand("drain", "Take no calls in, and give to workers what is there"),
		deadCommand(),
	)
	return c
}

// adminHeader has the admin token, if there is one.
func adminHeader() http.Header {
	header := http.Header{}
	if token := os.Getenv("EKIBEN_ADMIN_TOKEN"); token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
	return header
}

func queuePath(runner string) string { return "/v1/queues/" + url.PathEscape(runner) }

// gateCommand makes a command that sets the gate of a queue.
func gateCommand(name, short string) *cobra.Command {
	return question{
		use: name + " RUNNER", short: short, method: http.MethodPost, path: "/v1/queues/%s/" + name, admin: true, table: queueTable,
	}.command()
}

func deadCommand() *cobra.Command {
	c := &cobra.Command{Use: "dead", Short: "List, show, redrive and drop calls that were given up"}
	c.AddCommand(
		question{
			use: "list RUNNER", short: "List the dead letters of a runner, the oldest first", path: "/v1/queues/%s/dead",
			flags: map[string]string{"limit": "how many at most, up to 100", "cursor": "go on behind a page"}, table: deadTable,
		}.command(),
		question{use: "show RUNNER ID", short: "Show a dead letter with its inputs", path: "/v1/queues/%s/dead/%s", table: letterTable}.command(),
		redriveCommand(), dropCommand(),
	)
	return c
}

func deadPath(runner, id string) string { return queuePath(runner) + "/dead/" + url.PathEscape(id) }

// oneOrAll wants a runner and either an id or --all, so that nobody means one and
// gets all.
func oneOrAll(args []string, all bool) error {
	if all == (len(args) == 2) {
		return errors.New("name one dead letter by its id, or all with --all")
	}
	return nil
}

func redriveCommand() *cobra.Command {
	var r remote
	var format string
	var all bool
	c := &cobra.Command{
		Use: "redrive RUNNER [ID | --all]", Short: "Queue dead letters again, as jobs", Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOrAll(args, all); err != nil {
				return err
			}
			if all {
				answer, err := r.redriveAll(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				return show(cmd.OutOrStdout(), format, answer, redrivenTable)
			}
			answer, err := r.do(cmd.Context(), http.MethodPost, deadPath(args[0], args[1])+"/redrive", adminHeader())
			if err != nil {
				return err
			}
			return show(cmd.OutOrStdout(), format, answer, jobTable)
		},
	}
	c.Flags().BoolVar(&all, "all", false, "all dead letters of the runner")
	addRemote(c, &r)
	addOutput(c, &format)
	return c
}

// redriven is what became of the dead letters of a runner.
type redriven struct {
	Redriven int      `json:"redriven"`
	Left     int      `json:"left"`
	Stopped  *problem `json:"stopped,omitempty"`
}

// redriveAll asks until those that were there at first are redriven: a gateway
// does some at once. Letters that die again meanwhile are not waited for.
func (r *remote) redriveAll(ctx context.Context, runner string) ([]byte, error) {
	var sum redriven
	goal := 0
	for {
		answer, err := r.do(ctx, http.MethodPost, queuePath(runner)+"/dead/redrive", adminHeader())
		if err != nil {
			if sum.Redriven > 0 {
				return nil, fmt.Errorf("after %d were redriven: %w", sum.Redriven, err)
			}
			return nil, err
		}
		var part redriven
		if err := json.Unmarshal(answer, &part); err != nil {
			return nil, fmt.Errorf("the gateway's answer: %w", err)
		}
		goal = cmp.Or(goal, part.Redriven+part.Left)
		sum.Redriven += part.Redriven
		sum.Left, sum.Stopped = part.Left, part.Stopped
		if part.Redriven == 0 || part.Stopped != nil || part.Left == 0 || sum.Redriven >= goal {
			return json.Marshal(sum)
		}
	}
}

func dropCommand() *cobra.Command {
	var r remote
	var all bool
	c := &cobra.Command{
		Use: "drop RUNNER [ID | --all]", Short: "Drop dead letters for good", Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOrAll(args, all); err != nil {
				return err
			}
			path := queuePath(args[0]) + "/dead"
			if !all {
				path = deadPath(args[0], args[1])
			}
			_, err := r.do(cmd.Context(), http.MethodDelete, path, adminHeader())
			return err
		},
	}
	c.Flags().BoolVar(&all, "all", false, "all dead letters of the runner")
	addRemote(c, &r)
	return c
}

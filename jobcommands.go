package ekiben

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func jobsCommand() *cobra.Command {
	c := &cobra.Command{Use: "jobs", Short: "List jobs, show, cancel and retry them, get their results"}
	c.AddCommand(
		question{
			use: "list", short: "List jobs, the newest first", path: "/v1/jobs", table: jobsTable,
			example: "  ekiben jobs list --runner sentiment --state failed\n" +
				"  ekiben jobs list --from 2026-09-30T12:00:00Z --limit 1000 --output json",
			flags: map[string]string{
				"runner": "only jobs of this runner",
				"state":  "only jobs that are queued, running, succeeded, failed, canceled or expired",
				"from":   "only jobs that were accepted then or later, as 2026-09-30T12:00:00Z",
				"until":  "only jobs that were accepted earlier",
				"limit":  "how many at most, up to 1000 (default 100)",
				"cursor": "go on behind a page",
			},
		}.command(),
		jobResultCommand(),
		jobCommand("show", "Show the state of a job", http.MethodGet, ""),
		jobCommand("cancel", "Cancel a job that has not ended", http.MethodDelete, ""),
		jobCommand("redeliver", "Tell the webhook of a job that has ended again", http.MethodPost, "/webhook/redeliver"),
		jobCommand("retry", "Run a job that did not succeed again", http.MethodPost, "/retry"),
	)
	return c
}

// jobPath is where a job is, by the queue's id or by that of a client that calls
// from here.
func jobPath(id string) string { return "/v1/jobs/" + url.PathEscape(id) }

// jobCommand makes a command that sends one request about a job and prints the
// job that is answered.
func jobCommand(name, short, method, suffix string) *cobra.Command {
	return question{use: name + " ID", short: short, method: method, path: "/v1/jobs/%s" + suffix, table: jobTable}.command()
}

// maxPreferredWait is the longest that a gateway waits at once.
const maxPreferredWait = time.Minute

// errPending is that of a result that is not there yet.
var errPending = errors.New("the job is not done: ask again, or wait with --wait")

func jobResultCommand() *cobra.Command {
	var r remote
	var accept string
	var wait time.Duration
	c := &cobra.Command{
		Use: "result ID", Short: "Print the result of a job", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			header := http.Header{}
			if accept != "" {
				header.Set("Accept", accept)
			}
			answer, err := r.result(cmd, args[0], header, wait)
			if err != nil {
				return err
			}
			return printValue(cmd.OutOrStdout(), answer)
		},
	}
	c.Flags().StringVar(&accept, "accept", "", "content type of the result, such as application/x-npy")
	c.Flags().DurationVar(&wait, "wait", 0, "wait so long for the job to end")
	addRemote(c, &r)
	return c
}

// result asks for the result of a job until it is there or the wait is over.
func (r *remote) result(cmd *cobra.Command, id string, header http.Header, wait time.Duration) (response, error) {
	until := time.Now().Add(wait)
	for {
		left := min(time.Until(until), maxPreferredWait)
		if left > 0 {
			header.Set("Prefer", "wait="+strconv.Itoa(int((left+time.Second-1)/time.Second)))
		}
		answer, err := r.send(cmd.Context(), http.MethodGet, jobPath(id)+"/result", nil, header)
		switch {
		case err != nil:
			return response{}, err
		case answer.status != http.StatusAccepted:
			return answer, nil
		case time.Until(until) <= 0:
			return response{}, errPending
		}
	}
}

// printValue prints a value, with a line end behind JSON.
func printValue(w io.Writer, answer response) error {
	raw := answer.body
	if strings.Contains(answer.header.Get("Content-Type"), "json") && !bytes.HasSuffix(raw, []byte("\n")) {
		raw = append(raw, '\n')
	}
	if _, err := w.Write(raw); err != nil {
		return fmt.Errorf("write the value: %w", err)
	}
	return nil
}

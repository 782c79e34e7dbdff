package ekiben

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

// batchAnswer is what the command line reads of a batch.
type batchAnswer struct {
	ID      string `json:"id"`
	Status  string `json:"status"`
	Runner  string `json:"runner"`
	Method  string `json:"method"`
	Created int64  `json:"created_at"`
	Counts  struct {
		Total     int `json:"total"`
		Completed int `json:"completed"`
		Failed    int `json:"failed"`
	} `json:"request_counts"`
	Errors *struct {
		Data []struct {
			Message string `json:"message"`
		} `json:"data"`
	} `json:"errors"`
}

// ended reports whether nothing more comes of it.
func (b *batchAnswer) ended() bool {
	return b.Status == "completed" || b.Status == "failed" || b.Status == "cancelled"
}

func (b *batchAnswer) row() []string {
	return []string{
		b.ID, b.Status, b.Runner, b.Method, strconv.Itoa(b.Counts.Total), strconv.Itoa(b.Counts.Completed), strconv.Itoa(b.Counts.Failed),
		time.Unix(b.Created, 0).UTC().Format(time.RFC3339),
	}
}

func batchHeader() []string {
	return []string{"ID", "STATUS", "RUNNER", "METHOD", "LINES", "COMPLETED", "FAILED", "CREATED"}
}

func batchesTable(w io.Writer, answer []byte) error {
	var list struct {
		Data []batchAnswer `json:"data"`
	}
	if err := json.Unmarshal(answer, &list); err != nil {
		return fmt.Errorf("the gateway's answer: %w", err)
	}
	rows := [][]string{batchHeader()}
	for i := range list.Data {
		rows = append(rows, list.Data[i].row())
	}
	return writeRows(w, rows)
}

func batchTable(w io.Writer, answer []byte) error {
	var b batchAnswer
	if err := json.Unmarshal(answer, &b); err != nil {
		return fmt.Errorf("the gateway's answer: %w", err)
	}
	return writeRows(w, [][]string{batchHeader(), b.row()})
}

func batchPath(id string) string { return "/v1/batches/" + url.PathEscape(id) }

func batchesCommand() *cobra.Command {
	c := &cobra.Command{Use: "batches", Short: "List batches, show and cancel them, get their results"}
	c.AddCommand(
		question{
			use: "list", short: "List batches, the newest first", path: "/v1/batches", table: batchesTable,
			flags: map[string]string{"limit": "how many at most, up to 1000 (default 100)", "cursor": "go on behind a page"},
		}.command(),
		batchResultsCommand(),
		question{use: "show ID", short: "Show how far a batch has come", path: "/v1/batches/%s", table: batchTable}.command(),
		question{
			use: "cancel ID", short: "Cancel a batch; what is done is kept", method: http.MethodPost, path: "/v1/batches/%s/cancel", table: batchTable,
		}.command(),
	)
	return c
}

func batchResultsCommand() *cobra.Command {
	var r remote
	var failed bool
	c := &cobra.Command{
		Use: "results ID", Short: "Print the results of a batch, as far as they are stored", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			what := "/results"
			if failed {
				what = "/errors"
			}
			res, err := r.open(cmd.Context(), http.MethodGet, batchPath(args[0])+what, nil, nil)
			if err != nil {
				return err
			}
			defer func() { _ = res.Body.Close() }()
			if _, err := io.Copy(cmd.OutOrStdout(), res.Body); err != nil {
				return fmt.Errorf("read the answer of %s: %w", r.url, err)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&failed, "errors", false, "the lines that failed instead")
	addRemote(c, &r)
	return c
}

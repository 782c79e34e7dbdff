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
		listBatchesCommand(), batchResultsCommand(),
		batchCommand("show", "Show how far a batch has come", http.MethodGet, ""),
		batchCommand("cancel", "Cancel a batch; what is done is kept", http.MethodPost, "/cancel"),
	)
	return c
}

func listBatchesCommand() *cobra.Command {
	var r remote
	var format string
	c := &cobra.Command{Use: "list", Short: "List batches, the newest first", Args: cobra.NoArgs}
	c.Flags().String("limit", "", "how many at most, up to 1000 (default 100)")
	c.Flags().String("cursor", "", "go on behind a page")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		answer, err := r.do(cmd.Context(), http.MethodGet, "/v1/batches"+queryOfFlags(cmd, "limit", "cursor"), nil)
		if err != nil {
			return err
		}
		if err := show(cmd.OutOrStdout(), format, answer, batchesTable); err != nil {
			return err
		}
		return tellNext(cmd, format, answer)
	}
	addRemote(c, &r)
	addOutput(c, &format)
	return c
}

// batchCommand makes a command that sends one request about a batch and prints
// the batch that is answered.
func batchCommand(name, short, method, suffix string) *cobra.Command {
	var r remote
	var format string
	c := &cobra.Command{
		Use: name + " ID", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := r.do(cmd.Context(), method, batchPath(args[0])+suffix, nil)
			if err != nil {
				return err
			}
			return show(cmd.OutOrStdout(), format, answer, batchTable)
		},
	}
	addRemote(c, &r)
	addOutput(c, &format)
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

package ekiben

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/ekiben/ekiben/runnables"
)

// What the tables of the command line show of a gateway's answers.

// runnerView is what they read of a runner.
type runnerView struct {
	Name      string                 `json:"name"`
	Runnable  string                 `json:"runnable"`
	Methods   []runnables.MethodSpec `json:"methods"`
	Workers   int                    `json:"workers"`
	Instances int                    `json:"instances"`
	Busy      int                    `json:"busy"`
	Queue     struct {
		Depth         int     `json:"depth"`
		Waiting       int     `json:"waiting"`
		OldestSeconds float64 `json:"oldest_seconds"`
	} `json:"queue"`
}

func runnersTable(w io.Writer, answer []byte) error {
	var list struct {
		Runners []runnerView `json:"runners"`
	}
	if err := json.Unmarshal(answer, &list); err != nil {
		return fmt.Errorf("the gateway's answer: %w", err)
	}
	rows := [][]string{{"RUNNER", "METHODS", "WORKERS", "BUSY", "DEPTH", "WAITING", "OLDEST"}}
	for _, r := range list.Runners {
		names := make([]string, len(r.Methods))
		for i, m := range r.Methods {
			names[i] = m.Name
		}
		rows = append(rows, []string{
			r.Name, strings.Join(names, ", "), strconv.Itoa(r.Workers), fmt.Sprintf("%d/%d", r.Busy, r.Instances),
			strconv.Itoa(r.Queue.Depth), strconv.Itoa(r.Queue.Waiting), fmt.Sprintf("%.1fs", r.Queue.OldestSeconds),
		})
	}
	return writeRows(w, rows)
}

func methodsTable(w io.Writer, answer []byte) error {
	var r runnerView
	if err := json.Unmarshal(answer, &r); err != nil {
		return fmt.Errorf("the gateway's answer: %w", err)
	}
	rows := [][]string{{"METHOD", "INPUTS", "OUTPUTS", "BATCH", "MAX LATENCY"}}
	for _, m := range r.Methods {
		batch, latency := "no", ""
		if m.Batchable {
			batch, latency = fmt.Sprintf("up to %d rows", m.MaxBatchSize), strconv.FormatFloat(m.MaxLatencyMS, 'f', -1, 64)+"ms"
		}
		rows = append(rows, []string{m.Name, values(m.Inputs), values(m.OutputSpecs(1)), batch, latency})
	}
	return writeRows(w, rows)
}

// values says what arguments or outputs are, such as "texts BYTES[-1] text".
func values(specs []runnables.ValueSpec) string {
	all := make([]string, len(specs))
	for i, v := range specs {
		shape := make([]string, len(v.Shape))
		for k, d := range v.Shape {
			shape[k] = strconv.Itoa(d)
		}
		all[i] = v.Name + " " + v.DType.String()
		if v.DType.Valid() { // one that is not, any, comes with its shape
			all[i] += "[" + strings.Join(shape, ",") + "]"
			if v.Content != runnables.Opaque {
				all[i] += " " + string(v.Content)
			}
		}
		if v.Optional {
			all[i] += " optional"
		}
	}
	return strings.Join(all, "; ")
}

func writeRows(w io.Writer, rows [][]string) error {
	for _, row := range rows {
		if _, err := fmt.Fprintln(w, strings.Join(row, "\t")); err != nil {
			return fmt.Errorf("write the table: %w", err)
		}
	}
	return nil
}

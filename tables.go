package ekiben

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// What the tables of the command line show of a gateway's answers.

func runnersTable(w io.Writer, answer []byte) error {
	var list struct {
		Runners []struct {
			Name    string `json:"name"`
			Methods []struct {
				Name string `json:"name"`
			} `json:"methods"`
			Queue struct {
				Depth int `json:"depth"`
			} `json:"queue"`
		} `json:"runners"`
	}
	if err := json.Unmarshal(answer, &list); err != nil {
		return fmt.Errorf("the gateway's answer: %w", err)
	}
	_, err := fmt.Fprintln(w, "RUNNER\tMETHODS\tDEPTH")
	for _, r := range list.Runners {
		names := make([]string, len(r.Methods))
		for i, m := range r.Methods {
			names[i] = m.Name
		}
		if err == nil {
			_, err = fmt.Fprintf(w, "%s\t%s\t%d\n", r.Name, strings.Join(names, ", "), r.Queue.Depth)
		}
	}
	return err
}

func methodsTable(w io.Writer, _ []byte) error { return nil }

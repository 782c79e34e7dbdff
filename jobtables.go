package ekiben

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// What the tables of the command line show of jobs, queues and dead letters.

// jobView is what they read of a job.
type jobView struct {
	ID       string    `json:"id"`
	ClientID string    `json:"client_id"`
	Runner   string    `json:"runner"`
	Method   string    `json:"method"`
	State    string    `json:"state"`
	Priority string    `json:"priority"`
	Rows     int       `json:"rows"`
	Attempt  int       `json:"attempt"`
	Created  string    `json:"created_at"`
	StartBy  string    `json:"start_by_at"`
	Started  string    `json:"started_at"`
	Finished string    `json:"finished_at"`
	Deadline string    `json:"deadline_at"`
	Expires  string    `json:"expires_at"`
	Position int       `json:"position"`
	StartsIn *float64  `json:"expected_start_seconds"`
	Error    *jobError `json:"error"`

	RetriesLeft int    `json:"retries_left"`
	RunAt       string `json:"run_at"`
	Attempts    []struct {
		At    string    `json:"at"`
		Error *jobError `json:"error"`
	} `json:"attempts"`
	Webhook *struct {
		URL        string `json:"url"`
		State      string `json:"state"`
		Deliveries int    `json:"deliveries"`
		Status     int    `json:"status"`
		At         string `json:"at"`
	} `json:"webhook"`
}

// jobError is why a job, or one attempt of it, failed.
type jobError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (e *jobError) String() string {
	if e == nil {
		return ""
	}
	return plainText(e.Message) + " (" + e.Code + ")"
}

func jobsTable(w io.Writer, answer []byte) error {
	var list struct {
		Jobs []jobView `json:"jobs"`
	}
	if err := readAnswer(answer, &list); err != nil {
		return err
	}
	rows := [][]string{{"ID", "RUNNER", "METHOD", "STATE", "PRIORITY", "CREATED", "FINISHED"}}
	for _, j := range list.Jobs {
		rows = append(rows, []string{j.ID, j.Runner, j.Method, j.State, j.Priority, j.Created, j.Finished})
	}
	return writeRows(w, rows)
}

// jobTable shows one job, without what it does not have.
func jobTable(w io.Writer, answer []byte) error {
	var j jobView
	if err := readAnswer(answer, &j); err != nil {
		return err
	}
	rows := [][]string{
		{"id", j.ID},
		{"client id", j.ClientID},
		{"runner", j.Runner},
		{"method", j.Method},
		{"state", j.State},
		{"priority", j.Priority},
		{"rows", count(j.Rows)},
		{"attempt", strconv.Itoa(j.Attempt)},
		{"retries left", count(j.RetriesLeft)},
		{"queued at", j.RunAt},
		{"position", count(j.Position)},
		{"starts in", expected(j.StartsIn)},
		{"created", j.Created},
		{"start by", j.StartBy},
		{"started", j.Started},
		{"finished", j.Finished},
		{"deadline", j.Deadline},
		{"kept until", j.Expires},
	}
	for i, attempt := range j.Attempts {
		rows = append(rows, []string{"attempt " + strconv.Itoa(i), attempt.At + " " + attempt.Error.String()})
	}
	rows = append(rows, []string{"error", j.Error.String()})
	if w := j.Webhook; w != nil {
		rows = append(
			rows, []string{"webhook", plainText(w.URL)}, []string{"webhook state", w.State}, []string{"webhook deliveries", count(w.Deliveries)},
			[]string{"webhook status", count(w.Status)}, []string{"webhook tried", w.At},
		)
	}
	return writeRows(w, filled(rows))
}

// expected is a time in seconds as people read it.
func expected(seconds *float64) string {
	if seconds == nil {
		return ""
	}
	return fmt.Sprintf("about %.1fs", *seconds)
}

// count is a number, or nothing for none.
func count(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// filled are the rows that have a value.
func filled(rows [][]string) [][]string {
	var kept [][]string
	for _, row := range rows {
		if row[1] != "" {
			kept = append(kept, row)
		}
	}
	return kept
}

// readAnswer reads the JSON that a gateway answered.
func readAnswer(answer []byte, to any) error {
	if err := json.Unmarshal(answer, to); err != nil {
		return fmt.Errorf("the gateway's answer: %w", err)
	}
	return nil
}

// plainText is text of strangers without what would control a terminal.
func plainText(s string) string {
	return strings.Map(func(c rune) rune {
		if !strconv.IsPrint(c) {
			return ' '
		}
		return c
	}, s)
}

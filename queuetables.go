package ekiben

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// queueView is what the tables read of a queue.
type queueView struct {
	Runner        string  `json:"runner"`
	Gate          string  `json:"gate"`
	Degraded      bool    `json:"degraded"`
	Depth         int     `json:"depth"`
	Waiting       int     `json:"waiting"`
	Bytes         int64   `json:"bytes"`
	OldestSeconds float64 `json:"oldest_seconds"`
	Lanes         struct {
		High   laneView `json:"high"`
		Normal laneView `json:"normal"`
		Low    laneView `json:"low"`
	} `json:"lanes"`
	Callers     int   `json:"callers"`
	Workers     int   `json:"workers"`
	ResultBytes int64 `json:"result_bytes"`
	DeadLetters int   `json:"dead_letters"`
}

type laneView struct {
	Calls         int     `json:"calls"`
	Rows          int     `json:"rows"`
	OldestSeconds float64 `json:"oldest_seconds"`
}

// state is what the queue lets through, and whether it is well.
func (q *queueView) state() string {
	if q.Degraded {
		return q.Gate + ", degraded"
	}
	return q.Gate
}

func queuesTable(w io.Writer, answer []byte) error {
	var list struct {
		Queues []queueView `json:"queues"`
	}
	if err := readAnswer(answer, &list); err != nil {
		return err
	}
	rows := [][]string{{"RUNNER", "STATE", "DEPTH", "HIGH", "NORMAL", "LOW", "OLDEST", "CALLERS", "WORKERS", "DEAD"}}
	for _, q := range list.Queues {
		rows = append(rows, []string{
			q.Runner, q.state(), strconv.Itoa(q.Depth), strconv.Itoa(q.Lanes.High.Calls), strconv.Itoa(q.Lanes.Normal.Calls), strconv.Itoa(q.Lanes.Low.Calls),
			fmt.Sprintf("%.1fs", q.OldestSeconds), strconv.Itoa(q.Callers), strconv.Itoa(q.Workers), strconv.Itoa(q.DeadLetters),
		})
	}
	return writeRows(w, rows)
}

func queueTable(w io.Writer, answer []byte) error {
	var q queueView
	if err := readAnswer(answer, &q); err != nil {
		return err
	}
	lane := func(l laneView) string {
		return fmt.Sprintf("%d calls, %d rows, oldest %.1fs", l.Calls, l.Rows, l.OldestSeconds)
	}
	return writeRows(w, [][]string{
		{"runner", q.Runner},
		{"state", q.state()},
		{"depth", strconv.Itoa(q.Depth)},
		{"waiting", strconv.Itoa(q.Waiting)},
		{"high", lane(q.Lanes.High)},
		{"normal", lane(q.Lanes.Normal)},
		{"low", lane(q.Lanes.Low)},
		{"bytes", strconv.FormatInt(q.Bytes, 10)},
		{"result bytes", strconv.FormatInt(q.ResultBytes, 10)},
		{"callers", strconv.Itoa(q.Callers)},
		{"workers", strconv.Itoa(q.Workers)},
		{"dead letters", strconv.Itoa(q.DeadLetters)},
	})
}

// letterView is what the tables read of a dead letter.
type letterView struct {
	ID         string `json:"id"`
	Reason     string `json:"reason"`
	Died       string `json:"died_at"`
	Accepted   string `json:"accepted_at"`
	CallID     string `json:"call_id"`
	Method     string `json:"method"`
	Priority   string `json:"priority"`
	Rows       int    `json:"rows"`
	Attempt    int    `json:"attempt"`
	Job        bool   `json:"job"`
	Redrivable bool   `json:"redrivable"`
	Error      string `json:"error"`
	Inputs     []struct {
		Name     string          `json:"name"`
		Datatype string          `json:"datatype"`
		Shape    []int           `json:"shape"`
		Bytes    int             `json:"bytes"`
		Value    json.RawMessage `json:"value"`
	} `json:"inputs"`
}

func deadTable(w io.Writer, answer []byte) error {
	var list struct {
		DeadLetters []letterView `json:"dead_letters"`
	}
	if err := readAnswer(answer, &list); err != nil {
		return err
	}
	rows := [][]string{{"ID", "METHOD", "ROWS", "DIED", "REASON"}}
	for _, l := range list.DeadLetters {
		rows = append(rows, []string{l.ID, l.Method, strconv.Itoa(l.Rows), l.Died, plainText(l.Reason)})
	}
	return writeRows(w, rows)
}

// maxTableValue is how much of an argument a table shows, in characters.
const maxTableValue = 200

func letterTable(w io.Writer, answer []byte) error {
	var l letterView
	if err := readAnswer(answer, &l); err != nil {
		return err
	}
	rows := [][]string{
		{"id", l.ID},
		{"reason", plainText(l.Reason)},
		{"died", l.Died},
		{"accepted", l.Accepted},
		{"call", l.CallID},
		{"method", l.Method},
		{"priority", l.Priority},
		{"rows", strconv.Itoa(l.Rows)},
		{"attempt", strconv.Itoa(l.Attempt)},
		{"redrivable", strconv.FormatBool(l.Redrivable)},
		{"error", plainText(l.Error)},
	}
	for _, in := range l.Inputs {
		shape := strings.ReplaceAll(fmt.Sprint(in.Shape), " ", ",")
		value := "not shown"
		if in.Value != nil {
			value = fmt.Sprintf("%.*s", maxTableValue, plainText(string(in.Value)))
		}
		rows = append(rows, []string{"input " + plainText(in.Name), fmt.Sprintf("%s%s, %d bytes: %s", in.Datatype, shape, in.Bytes, value)})
	}
	return writeRows(w, filled(rows))
}

func redrivenTable(w io.Writer, answer []byte) error {
	var r redriven
	if err := readAnswer(answer, &r); err != nil {
		return err
	}
	rows := [][]string{{"redriven", strconv.Itoa(r.Redriven)}, {"left", strconv.Itoa(r.Left)}}
	if r.Stopped != nil {
		rows = append(rows, []string{"stopped", r.Stopped.Detail + " (" + r.Stopped.Code + ")"})
	}
	return writeRows(w, rows)
}

package chaos_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// plainClient asks what is not part of the load.
var plainClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// message is a request.
type message struct {
	method, url, body string
	header            []string // names and values
	timeout           time.Duration
}

// answer is what a request got.
type answer struct {
	status int
	code   string // of a problem
	body   string
}

// send sends a request and reads its answer.
func send(ctx context.Context, client *http.Client, m message) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, m.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, m.method, m.url, strings.NewReader(m.body))
	if err != nil {
		return answer{}, err
	}
	for i := 0; i+1 < len(m.header); i += 2 {
		req.Header.Set(m.header[i], m.header[i+1])
	}
	res, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	a := answer{status: res.StatusCode, body: string(text)}
	if strings.HasPrefix(res.Header.Get("Content-Type"), "application/problem+json") {
		var problem struct{ Code, Detail string }
		err = errors.Join(err, json.Unmarshal(text, &problem))
		a.code, a.body = problem.Code, problem.Detail
	}
	return a, err
}

// neverSent reports whether a request failed before there was a connection.
func neverSent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// jobView is what the suite reads of a job.
type jobView struct {
	ID         string    `json:"id"`
	State      string    `json:"state"`
	FinishedAt time.Time `json:"finished_at"`
	DeadlineAt time.Time `json:"deadline_at"`
	RunAt      time.Time `json:"run_at"`
	Attempt    int       `json:"attempt"`
}

func readJob(a answer) (jobView, error) {
	var v jobView
	err := json.Unmarshal([]byte(a.body), &v)
	if err == nil && (v.ID == "" || v.State == "") {
		err = errors.New("no id or no state in " + a.body)
	}
	return v, err
}

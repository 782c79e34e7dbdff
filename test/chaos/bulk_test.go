package chaos_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ekiben/ekiben/test/chaos/history"
	"github.com/ekiben/ekiben/test/chaos/order"
)

const (
	// batchLines is how many lines a batch has.
	batchLines = 300

	// firstLine is the number of the call that is the first line of the first batch:
	// beyond those of all other calls.
	firstLine = 1_000_000
)

// bulkEnv gives the processes of a cluster a place for batches. Few lines are in
// flight at a time, so that a batch meets some faults.
func bulkEnv(t *testing.T) []string {
	t.Helper()
	return []string{"EKIBEN_BLOB_URL=file://" + t.TempDir() + "?metadata=skip", "EKIBEN_BATCH_WINDOW=4"}
}

// batch is one that a client has made up.
type batch struct {
	number int // from 1
	plans  []history.Plan
	input  string
}

// call is the number of the call that is a line, from 1.
func (b *batch) call(line int) int { return firstLine + (b.number-1)*batchLines + line - 1 }

// newBatch draws a batch. One line in a hundred is none, and five fail.
func newBatch(number int, r *rand.Rand) *batch {
	b := &batch{number: number}
	var input strings.Builder
	for line := 1; line <= batchLines; line++ {
		o := order.Order{
			Call: b.call(line), Do: order.Answer, Value: r.Uint64(),
			Sleep: time.Duration(r.Int64N(int64(20 * time.Millisecond))).Truncate(time.Microsecond),
		}
		plan := history.Plan{Batch: number, Line: line}
		switch chance := r.IntN(100); {
		case chance == 0:
			fmt.Fprintf(&input, "{\"custom_id\":\"%d\"}\n", o.Call)
		case chance <= 5:
			o.Do = order.Fail
			plan.Row = o.String()
		default:
			plan.Row, plan.Want = o.String(), o.Answer()
		}
		if plan.Row != "" {
			fmt.Fprintf(&input, "{\"custom_id\":\"%d\",\"input\":[%q]}\n", o.Call, base64.StdEncoding.EncodeToString([]byte(plan.Row)))
		}
		b.plans = append(b.plans, plan)
	}
	b.input = input.String()
	return b
}

// bulk submits so many batches within a time, and waits for their ends.
func (l *load) bulk(ctx context.Context, r *rand.Rand, batches int, within time.Duration) {
	for n := 1; n <= batches && ctx.Err() == nil; n++ {
		b := newBatch(n, r)
		for i := range b.plans {
			l.record.Add(history.Event{Kind: history.Submitted, Call: b.call(i + 1), Plan: &b.plans[i]})
		}
		l.calls.Go(func() { l.follows(ctx, b) })
		pause(ctx, within/time.Duration(batches))
	}
}

// batchView is what the suite reads of a batch.
type batchView struct {
	ID     string         `json:"id"`
	Status string         `json:"status"`
	Counts history.Counts `json:"request_counts"`
}

// follows is the life of a batch as its client sees it.
func (l *load) follows(ctx context.Context, b *batch) {
	v, ok := l.insist(ctx, b, message{
		method: http.MethodPost, url: "/v1/batches?runner=probe&method=run", body: b.input, timeout: callPatience,
		header: []string{"Content-Type", "application/jsonl", "Idempotency-Key", "batch-" + strconv.Itoa(b.number)},
	}, http.StatusAccepted)
	at := "/v1/batches/" + v.ID
	for ok && v.Status != "completed" && v.Status != "failed" && v.Status != "cancelled" {
		pause(ctx, 4*respond)
		v, ok = l.insist(ctx, b, message{method: http.MethodGet, url: at, timeout: readPatience}, http.StatusOK)
	}
	if !ok {
		return // the checker misses its end
	}
	l.record.Add(history.Event{Kind: history.BatchEnded, Call: -1, Batch: b.number, State: v.Status, Counts: &v.Counts})
	for _, file := range []string{history.Results, history.Errors} {
		a, ok := l.ask(ctx, b, message{method: http.MethodGet, url: at + "/" + file, timeout: readPatience}, http.StatusOK)
		if !ok {
			return
		}
		for text := range strings.Lines(a.body) {
			l.record.Add(b.outcome(file, text))
		}
	}
}

// insist asks about a batch until there is an answer about it, for as long as the
// client has patience.
func (l *load) insist(ctx context.Context, b *batch, m message, status int) (v batchView, ok bool) {
	a, ok := l.ask(ctx, b, m, status)
	if err := json.Unmarshal([]byte(a.body), &v); ok && err != nil {
		l.record.Add(history.Event{Kind: history.LineEnded, Call: -1, Batch: b.number, Body: a.body})
		return v, false
	}
	return v, ok
}

// ask sends a message to one gateway after the other until one answers with the
// status.
func (l *load) ask(ctx context.Context, b *batch, m message, status int) (a answer, ok bool) {
	path := m.url
	for i := b.number; ctx.Err() == nil; i++ {
		m.url = l.gateways[i%len(l.gateways)] + path
		if a, err := send(ctx, l.client, m); err == nil && a.status == status {
			return a, true
		}
		pause(ctx, respond)
	}
	return answer{}, false
}

// outcomeLine is a line of a file of a batch.
type outcomeLine struct {
	CustomID string                        `json:"custom_id"`
	Line     int                           `json:"line"`
	Status   int                           `json:"status"`
	Result   [][]byte                      `json:"result"`
	Error    struct{ Code, Detail string } `json:"error"`
}

// outcome is what a line of a file says.
func (b *batch) outcome(file, text string) history.Event {
	e := history.Event{Kind: history.LineEnded, Call: -1, Batch: b.number, File: file, Body: text}
	var o outcomeLine
	err := json.Unmarshal([]byte(text), &o)
	call, bad := strconv.Atoi(o.CustomID)
	e.Line, e.Status, e.Code = o.Line, o.Status, o.Error.Code
	if errors.Join(err, bad) != nil || call < b.call(1) || call > b.call(batchLines) {
		return e
	}
	e.Call, e.Body = call, o.Error.Detail
	if len(o.Result) == 1 {
		e.Body = string(o.Result[0])
	}
	return e
}

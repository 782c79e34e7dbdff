package bulk

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/ekiben/ekiben/queue"
)

// partBytes is how large a part becomes at most, and one line.
const partBytes = 8 << 20

// part are outcomes that are not stored yet, of lines that follow one another.
type part struct {
	results, errors bytes.Buffer
	lines, failed   int
	ids             []string
}

func (p *part) size() int { return p.results.Len() + p.errors.Len() }

// ourOutcome is a line of the results or errors.
type ourOutcome struct {
	CustomID *string         `json:"custom_id"`
	Line     int             `json:"line"`
	Status   int             `json:"status"`
	Result   json.RawMessage `json:"result,omitempty"`
	Error    json.RawMessage `json:"error,omitempty"`
}

// foreignOutcome is one in OpenAI's shape.
type foreignOutcome struct {
	ID       string           `json:"id"`
	CustomID *string          `json:"custom_id"`
	Response *foreignResponse `json:"response"`
	Error    *foreignError    `json:"error"`
}

type foreignResponse struct {
	Status    int             `json:"status_code"`
	RequestID string          `json:"request_id"`
	Body      json.RawMessage `json:"body"`
}

type foreignError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// add writes the outcome of the next line.
func (p *part) add(l *line, b *queue.Batch) {
	to := &p.results
	if l.failed() {
		to = &p.errors
		p.failed++
	}
	p.lines++
	if l.id != "" {
		p.ids = append(p.ids, l.id)
	}
	encoder := json.NewEncoder(to)
	encoder.SetEscapeHTML(false)
	start := to.Len()
	if err := encoder.Encode(outcomeOf(l, b)); err != nil {
		// Only an answer that is no JSON can be the reason.
		to.Truncate(start)
		l.answer = problem(http.StatusInternalServerError, "internal", "the outcome cannot be written as JSON")
		_ = encoder.Encode(outcomeOf(l, b))
	}
}

// outcomeOf is what is written of a line.
func outcomeOf(l *line, b *queue.Batch) any {
	var custom *string
	if l.customID != "" {
		custom = &l.customID
	}
	if b.OpenAI {
		return foreignOutcomeOf(l, b, custom)
	}
	o := ourOutcome{CustomID: custom, Line: l.number, Status: l.status}
	if l.failed() {
		o.Error = l.answer
	} else {
		o.Result = l.answer
	}
	return o
}

func foreignOutcomeOf(l *line, b *queue.Batch, custom *string) foreignOutcome {
	o := foreignOutcome{ID: fmt.Sprintf("%s-%d", b.ID, l.number), CustomID: custom}
	if l.id != "" {
		o.Response = &foreignResponse{Status: l.status, RequestID: l.id, Body: l.answer}
	}
	if l.failed() {
		var said struct{ Code, Detail string }
		_ = json.Unmarshal(l.answer, &said) // what it does not say stays empty
		o.Error = &foreignError{Code: said.Code, Message: said.Detail}
	}
	return o
}

// problem is what is said of a line that never was a call, in the form of
// RFC 9457.
func problem(status int, code, detail string) []byte {
	raw, _ := json.Marshal(struct { // texts and a number always can be
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Code   string `json:"code"`
		Detail string `json:"detail"`
	}{"about:blank", http.StatusText(status), status, code, detail})
	return raw
}

// flush stores the part, notes in the batch's record that it did, and forgets
// the jobs whose outcomes are safe then. What was stored and not noted is stored
// again by whoever goes on: their jobs are still there.
func (r *run) flush(ctx context.Context) error {
	p := &r.part
	if p.lines == 0 {
		return nil
	}
	next := r.progress
	next.Stored += p.lines
	next.StoredFailed += p.failed
	change := queue.BatchChange{Progress: &next}
	for _, kind := range []struct {
		name  string
		text  *bytes.Buffer
		parts *int
		bytes *int64
	}{
		{kindResults, &p.results, &next.Results, &next.ResultBytes},
		{kindErrors, &p.errors, &next.Errors, &next.ErrorBytes},
	} {
		if kind.text.Len() == 0 {
			continue
		}
		stored := queue.BatchPart{Kind: kind.name, N: *kind.parts}
		stored.Name = partName(stored, r.batch.ID, r.owner)
		err := r.insist(ctx, func() error {
			return r.store.write(ctx, stored.Name, func(w io.Writer) error {
				_, err := w.Write(kind.text.Bytes())
				return err //nolint:wrapcheck // write does
			})
		})
		if err != nil {
			return err
		}
		*kind.parts++
		*kind.bytes += int64(kind.text.Len())
		change.Parts = append(change.Parts, stored)
	}
	if err := r.tell(ctx, change); err != nil {
		return err
	}
	r.progress = next
	err := r.calls.Forget(ctx, p.ids)
	r.note(ctx, "jobs of a batch are kept for longer than they must be", err, "batch", r.batch.ID)
	p.results.Reset()
	p.errors.Reset()
	p.lines, p.failed, p.ids = 0, 0, p.ids[:0]
	return nil
}

package bulk

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// partBytes is how large a part becomes at most, and one line.
const partBytes = 8 << 20

// part are outcomes that are not stored yet, of lines that follow one another.
type part struct {
	results, errors bytes.Buffer
	lines, failed   int
	ids             []string
	// since is when the first of the lines came.
	since time.Time

	// ends, if set, is what the batch becomes when the part is stored. Lines of a
	// canceled batch are left out between those that are stored: nobody could go on
	// behind them.
	ends queue.BatchState
}

func (p *part) size() int { return p.results.Len() + p.errors.Len() }

// due reports whether a part is to be stored: it has many lines or bytes, or some of
// them for long.
func (p *part) due(now time.Time, c *Config) bool {
	return p.lines >= c.PartLines || p.size() >= partBytes || p.lines > 0 && now.Sub(p.since) >= c.PartAge
}

// empty makes room for other lines.
func (p *part) empty() {
	p.results.Reset()
	p.errors.Reset()
	p.lines, p.failed, p.ids = 0, 0, p.ids[:0]
}

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

// add writes the outcome of the next line, now.
func (p *part) add(now time.Time, l *line, b *queue.Batch) {
	if p.lines == 0 {
		p.since = now
	}
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
	} else { // it never was a call
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

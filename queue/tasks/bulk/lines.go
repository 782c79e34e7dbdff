package bulk

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/ekiben/ekiben/queue"
)

// lineReader reads lines that are not blank.
type lineReader struct {
	from *bufio.Reader
	most int
	// number is that of the last line read, from 1, blank ones counted.
	number int
}

func newLineReader(from io.Reader, most int) *lineReader {
	return &lineReader{from: bufio.NewReaderSize(from, 64<<10), most: most}
}

// next returns the next line without its end, which is valid until the next
// call copies nothing: it is the caller's. long: it was longer than it may be,
// and is left out. The error is io.EOF behind the last line.
func (r *lineReader) next() (line []byte, long bool, err error) {
	for {
		line, long, err = r.raw()
		if long || err != nil || len(bytes.TrimSpace(line)) > 0 {
			return line, long, err
		}
	}
}

func (r *lineReader) raw() (line []byte, long bool, err error) {
	r.number++
	for {
		piece, err := r.from.ReadSlice('\n')
		if !long && len(line)+len(piece) > r.most+1 {
			line, long = nil, true
		}
		if !long {
			line = append(line, piece...)
		}
		switch {
		case err == nil:
			return bytes.TrimSuffix(line, []byte("\n")), long, nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && (long || len(line) > 0):
			return line, long, nil
		default:
			return nil, false, err //nolint:wrapcheck // the caller knows what is read
		}
	}
}

// lineCall is what a line asks for.
type lineCall struct {
	customID       string
	runner, method string
	body           []byte
}

// wireLine is a line as it is written: ours, or OpenAI's with a url and a body.
type wireLine struct {
	CustomID *string         `json:"custom_id"`
	Runner   string          `json:"runner"`
	Method   string          `json:"method"`
	Input    json.RawMessage `json:"input"`
	URL      string          `json:"url"`
	Body     json.RawMessage `json:"body"`
}

// maxCustomID is the longest custom_id in bytes.
const maxCustomID = 512

// decodeLine reads a line. What it could read of it is returned with the error.
func decodeLine(raw []byte, spec *queue.BatchSpec) (lineCall, error) {
	var w wireLine
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&w); err != nil {
		return lineCall{}, fmt.Errorf("the line is not a JSON object with custom_id, runner, method and input, or custom_id, method, url and body: %w", err)
	}
	if decoder.More() {
		return lineCall{}, errors.New("the line has something behind its JSON object")
	}
	if w.CustomID == nil || *w.CustomID == "" {
		return lineCall{}, errors.New("custom_id is missing")
	}
	if len(*w.CustomID) > maxCustomID {
		return lineCall{}, fmt.Errorf("custom_id is longer than %d bytes", maxCustomID)
	}
	call := lineCall{customID: *w.CustomID, runner: w.Runner, method: w.Method, body: w.Input}
	if w.URL != "" {
		return foreignCall(call, &w, spec.Endpoint)
	}
	if call.runner == "" {
		call.runner = spec.Runner
	}
	if call.method == "" {
		call.method = spec.Method
	}
	if call.runner == "" || call.method == "" {
		return call, errors.New("runner and method are missing: name them in the line or in the query")
	}
	if w.Body != nil || w.Input == nil {
		return call, errors.New("want input, and body only with url")
	}
	return call, nil
}

// foreignCall is the call of a line in OpenAI's shape.
func foreignCall(call lineCall, w *wireLine, endpoint string) (lineCall, error) {
	call.body = w.Body
	if w.Method != http.MethodPost || w.Body == nil || w.Input != nil || w.Runner != "" {
		return call, errors.New(`a line with url has method "POST" and a body`)
	}
	if endpoint != "" && w.URL != endpoint {
		return call, fmt.Errorf("url is %q, the batch's endpoint %q", cut(w.URL), endpoint)
	}
	runner, method, err := queue.EndpointOf(w.URL)
	if err != nil {
		return call, err
	}
	call.runner, call.method = runner, method
	return call, nil
}

// cut shortens a text for a message.
func cut(s string) string {
	if len(s) > 100 {
		return s[:100] + "…"
	}
	return s
}

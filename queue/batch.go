package queue

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// BatchState is where a batch is, in the words of OpenAI's API.
type BatchState string

// The states of a batch. The last three are terminal.
const (
	BatchValidating BatchState = "validating" // nobody has begun it
	BatchInProgress BatchState = "in_progress"
	BatchFinalizing BatchState = "finalizing" // all lines have ended, the last outcomes are being stored
	BatchCancelling BatchState = "cancelling"
	BatchCompleted  BatchState = "completed"
	BatchFailed     BatchState = "failed" // it could not be run at all
	BatchCancelled  BatchState = "cancelled"
)

// Terminal reports whether a batch in this state has ended.
func (s BatchState) Terminal() bool {
	return s == BatchCompleted || s == BatchFailed || s == BatchCancelled
}

// BatchSpec is what a batch is asked to do. It does not change.
type BatchSpec struct {
	// File is the input's id.
	File string `json:"file"`
	// Runner and Method are those of lines that name none; "" is none.
	Runner string `json:"runner,omitempty"`
	Method string `json:"method,omitempty"`
	// Endpoint is what the url of all lines must be; "" is any.
	Endpoint string `json:"endpoint,omitempty"`
	// OpenAI: outcomes have the shape of that API.
	OpenAI bool `json:"openai,omitempty"`
	// Window is what the client asked for as completion_window.
	Window string `json:"window,omitempty"`
	// Caller is whose batch it is.
	Caller string `json:"caller,omitempty"`
	// Key is the client's idempotency key, Digest that of the input.
	Key    string `json:"key,omitempty"`
	Digest string `json:"digest,omitempty"`
	// Metadata is the client's.
	Metadata map[string]string `json:"metadata,omitempty"`
}

// EndpointOf is the runner and the method that the path of a route names, as an
// endpoint or the url of a line.
func EndpointOf(path string) (runner, method string, err error) {
	rest, ours := strings.CutPrefix(path, "/v1/runners/")
	first, second, two := strings.Cut(rest, "/")
	runner, err1 := url.PathUnescape(first)
	method, err2 := url.PathUnescape(second)
	if !ours || !two || runner == "" || method == "" || strings.ContainsAny(second, "/?#") || err1 != nil || err2 != nil {
		return "", "", fmt.Errorf("url is %.100q, want /v1/runners/{runner}/{method}", path)
	}
	return runner, method, nil
}

// BatchProgress is how far a batch has come.
type BatchProgress struct {
	// Total is how many lines the input has, Completed and Failed how many have
	// ended so.
	Total, Completed, Failed int

	// Stored is how many of the first lines have their outcome in parts, and
	// StoredFailed how many of those failed: who takes the batch over goes on
	// behind them.
	Stored, StoredFailed int

	// Results and Errors are how many parts there are of each, ResultBytes and
	// ErrorBytes how large they are together.
	Results, Errors         int
	ResultBytes, ErrorBytes int64
}

// numbers are the fields of the record, in no order.
func (p *BatchProgress) numbers() map[string]*int {
	return map[string]*int{
		"total": &p.Total, "completed": &p.Completed, "failed": &p.Failed,
		"stored": &p.Stored, "stored_failed": &p.StoredFailed, "results": &p.Results, "errors": &p.Errors,
	}
}

// Batch is the record of many calls that came as one file. Times are of Redis's
// clock; those that have not come are zero.
type Batch struct {
	ID string
	BatchSpec
	BatchProgress

	State BatchState
	// Canceled: somebody asked for that.
	Canceled bool
	// Err is why it failed.
	Err string

	Created, Started, Finished time.Time
	// Expires is when the record and the files of an ended batch are dropped.
	Expires time.Time
}

// BatchFile is a file that batches are made of.
type BatchFile struct {
	ID      string    `json:"id"`
	Name    string    `json:"name,omitempty"`
	Purpose string    `json:"purpose,omitempty"`
	Bytes   int64     `json:"bytes"`
	Lines   int       `json:"lines"`
	Digest  string    `json:"digest,omitempty"`
	Created time.Time `json:"created"`
}

// BatchPart is a stored part of the outcomes of a batch.
type BatchPart struct {
	// Kind is "results" or "errors", N counts from 0 within a kind.
	Kind string
	N    int
	// Name finds it in the blob store.
	Name string
}

func (p BatchPart) field() string { return "part:" + p.Kind + ":" + strconv.Itoa(p.N) }

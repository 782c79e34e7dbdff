package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// batchDesk is *bulk.Desk.
type batchDesk interface {
	fileDesk
	Create(ctx context.Context, spec queue.BatchSpec) (queue.Batch, error)
}

// fileDesk is the part of it for files.
type fileDesk interface {
	Receive(ctx context.Context, name string, from io.Reader) (queue.BatchFile, error)
	File(ctx context.Context, id string) (queue.BatchFile, error)
	Files(ctx context.Context, after string, limit int) (files []queue.BatchFile, more bool, err error)
	Open(ctx context.Context, id string) (io.ReadCloser, error)
	DropFile(ctx context.Context, id string) error
}

// batchRecords is *[queue.Queue].
type batchRecords interface {
	Batch(ctx context.Context, id string) (queue.Batch, error)
	Batches(ctx context.Context, cursor string, limit int) (page []queue.Batch, next string, err error)
	BatchCursor(ctx context.Context, id string) (string, error)
	CancelBatch(ctx context.Context, id string) (queue.Batch, error)
}

// Bulk takes batches in and knows what became of them.
type Bulk struct {
	// Desk is *bulk.Desk, Records *[queue.Queue].
	Desk    batchDesk
	Records batchRecords
}

// batchView is a batch as clients see it: as OpenAI's API has it, with the runner,
// the method and the routes to go on with. Times are in seconds since 1970.
type batchView struct {
	ID               string            `json:"id"`
	Object           string            `json:"object"`
	Endpoint         string            `json:"endpoint"`
	Runner           string            `json:"runner,omitempty"`
	Method           string            `json:"method,omitempty"`
	Status           queue.BatchState  `json:"status"`
	Errors           *batchErrors      `json:"errors"`
	InputFileID      string            `json:"input_file_id"`
	CompletionWindow string            `json:"completion_window"`
	OutputFileID     *string           `json:"output_file_id"`
	ErrorFileID      *string           `json:"error_file_id"`
	CreatedAt        int64             `json:"created_at"`
	InProgressAt     *int64            `json:"in_progress_at"`
	CompletedAt      *int64            `json:"completed_at"`
	FailedAt         *int64            `json:"failed_at"`
	CancelledAt      *int64            `json:"cancelled_at"`
	ExpiresAt        *int64            `json:"expires_at"`
	RequestCounts    requestCounts     `json:"request_counts"`
	Metadata         map[string]string `json:"metadata"`
	URLs             batchURLs         `json:"urls"`
}

type batchErrors struct {
	Object string            `json:"object"`
	Data   []batchErrorEntry `json:"data"`
}

type batchErrorEntry struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

type requestCounts struct {
	Total     int `json:"total"`
	Completed int `json:"completed"`
	Failed    int `json:"failed"`
}

type batchURLs struct {
	Self    string `json:"self"`
	Results string `json:"results"`
	Errors  string `json:"errors"`
	Cancel  string `json:"cancel,omitempty"`
}

func viewOfBatch(b queue.Batch) batchView {
	at := "/v1/batches/" + url.PathEscape(b.ID)
	v := batchView{
		ID: b.ID, Object: "batch", Endpoint: b.Endpoint, Runner: b.Runner, Method: b.Method, Status: b.State,
		InputFileID: b.File, CompletionWindow: b.Window, CreatedAt: b.Created.Unix(),
		InProgressAt: unixOf(b.Started), ExpiresAt: unixOf(b.Expires),
		RequestCounts: requestCounts{b.Total, b.Completed, b.Failed}, Metadata: b.Metadata,
		URLs: batchURLs{Self: at, Results: at + "/results", Errors: at + "/errors"},
	}
	switch b.State {
	case queue.BatchCompleted:
		v.CompletedAt = unixOf(b.Finished)
	case queue.BatchFailed:
		v.FailedAt = unixOf(b.Finished)
		v.Errors = &batchErrors{"list", []batchErrorEntry{{"batch_failed", b.Err}}}
	case queue.BatchCancelled:
		v.CancelledAt = unixOf(b.Finished)
	case queue.BatchValidating, queue.BatchInProgress, queue.BatchFinalizing, queue.BatchCancelling:
		v.URLs.Cancel = at + "/cancel"
	}
	if b.State.Terminal() && b.Results > 0 {
		id := resultsFile(b.ID)
		v.OutputFileID = &id
	}
	if b.State.Terminal() && b.Errors > 0 {
		id := errorsFile(b.ID)
		v.ErrorFileID = &id
	}
	return v
}

// resultsFile and errorsFile are the ids under which the desk has the outcomes of
// a batch.
func resultsFile(batch string) string { return "results-" + batch }
func errorsFile(batch string) string  { return "errors-" + batch }

// unixOf is a moment in seconds since 1970, or nil if it has not come.
func unixOf(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	s := t.Unix()
	return &s
}

// batchRoutes makes the routes of batches and their files.
func (g *Gateway) batchRoutes() {
	e := g.router
	e.POST("/v1/batches", g.handle(routeBatches, g.bulk(g.postBatch)))
	g.get("/v1/batches", g.handle(routeBatches, g.bulk(g.getBatches)))
	g.get("/v1/batches/:id", g.handle(routeBatches, g.bulk(g.getBatch)))
	e.POST("/v1/batches/:id/cancel", g.handle(routeBatches, g.bulk(g.cancelBatch)))
	g.get("/v1/batches/:id/results", g.handle(routeBatches, g.bulk(g.getOutcomes(resultsFile))))
	g.get("/v1/batches/:id/errors", g.handle(routeBatches, g.bulk(g.getOutcomes(errorsFile))))
	g.get("/v1/files", g.handle(routeFiles, g.bulk(g.getFiles)))
	e.DELETE("/v1/files/:id", g.handle(routeFiles, g.bulk(g.deleteFile)))
	e.POST("/v1/files", g.handle(routeFiles, g.bulk(g.postFile)))
	g.get("/v1/files/:id", g.handle(routeFiles, g.bulk(g.getFile)))
	g.get("/v1/files/:id/content", g.handle(routeFiles, g.bulk(g.getContent)))
}

// bulk makes a handler one that needs a place for batches.
func (g *Gateway) bulk(h handler) handler {
	return func(r *request) error {
		if g.deps.Bulk == nil {
			return &Problem{Code: CodeNotFound, Detail: "this gateway has no place for batches: set EKIBEN_BLOB_URL for it and for ekiben tasks"}
		}
		r.Response().Header()["Cache-Control"] = g.headers.noStore
		return h(r)
	}
}

// postBatch answers POST /v1/batches: with lines as the body, or with JSON that
// names a file.
func (g *Gateway) postBatch(r *request) error {
	key, err := idempotencyKeyOf(r.Request().Header)
	if err != nil {
		return err
	}
	spec := queue.BatchSpec{Caller: r.whose(), Key: key, Window: "24h"}
	read := g.readLines
	if media, _, err := mime.ParseMediaType(r.Request().Header.Get("Content-Type")); err == nil && media == mediaJSON {
		read = g.readBatch
	}
	if err := read(r, &spec); err != nil {
		return err
	}
	b, err := g.deps.Bulk.Desk.Create(r.Request().Context(), spec)
	if err != nil {
		return err
	}
	r.Response().Header().Set("Location", "/v1/batches/"+url.PathEscape(b.ID))
	return r.JSON(http.StatusAccepted, viewOfBatch(b))
}

// readLines stores the lines of the body.
func (g *Gateway) readLines(r *request, spec *queue.BatchSpec) error {
	values, err := queryOf(r.Request().URL.RawQuery, "runner", "method")
	if err != nil {
		return err
	}
	spec.Runner, spec.Method = values["runner"], values["method"]
	if err := g.knows(r, spec.Runner, spec.Method); err != nil {
		return err
	}
	from, err := g.stream(r)
	if err != nil {
		return err
	}
	f, err := g.deps.Bulk.Desk.Receive(r.Request().Context(), "", from)
	spec.File = f.ID
	return err
}

// knows returns why lines cannot be calls of a runner and a method; "" is none yet.
func (g *Gateway) knows(r *request, runner, method string) (err error) {
	switch ctx := r.Request().Context(); {
	case runner == "":
	case isService(runner):
		err = unknownRunner(runner)
	case method == "":
		_, err = g.roster.runner(ctx, runner)
	default:
		_, err = g.roster.method(ctx, runner, method)
	}
	return err
}

// maxMetadata is how many entries the metadata of a batch may have, as in OpenAI's
// API, and maxMetadataText how long one may be.
const (
	maxMetadata     = 16
	maxMetadataText = 512
)

// readBatch reads what OpenAI's API sends.
func (g *Gateway) readBatch(r *request, spec *queue.BatchSpec) error {
	body, err := g.body(r)
	if err != nil {
		return err
	}
	var asked struct {
		InputFileID      string            `json:"input_file_id"`
		Endpoint         string            `json:"endpoint"`
		CompletionWindow string            `json:"completion_window"`
		Metadata         map[string]string `json:"metadata"`
	}
	if err := json.Unmarshal(body.bytes(), &asked); err != nil {
		return invalidBatch("the body is not JSON with input_file_id, endpoint and completion_window; lines are sent as application/jsonl: %v", err)
	}
	if asked.InputFileID == "" || asked.Endpoint == "" {
		return invalidBatch("input_file_id and endpoint are required")
	}
	runner, method, err := queue.EndpointOf(asked.Endpoint)
	if err != nil {
		return invalidBatch("endpoint: %v", err)
	}
	if err := g.knows(r, runner, method); err != nil {
		return err
	}
	if asked.CompletionWindow != "24h" {
		return invalidBatch(`completion_window is %s, want "24h"`, quote(asked.CompletionWindow))
	}
	if len(asked.Metadata) > maxMetadata {
		return invalidBatch("metadata has %d entries, at most %d are taken", len(asked.Metadata), maxMetadata)
	}
	for k, v := range asked.Metadata {
		if len(k) > maxMetadataText || len(v) > maxMetadataText {
			return invalidBatch("a text of metadata is longer than %d bytes", maxMetadataText)
		}
	}
	spec.File, spec.Endpoint, spec.Metadata, spec.OpenAI = asked.InputFileID, asked.Endpoint, asked.Metadata, true
	return nil
}

func invalidBatch(format string, args ...any) *Problem {
	return &Problem{Code: CodeInvalidInput, Detail: fmt.Sprintf(format, args...)}
}

// getBatch answers GET /v1/batches/{id}.
func (g *Gateway) getBatch(r *request) error {
	b, err := g.deps.Bulk.Records.Batch(r.Request().Context(), r.param("id"))
	if err != nil {
		return err
	}
	return r.JSON(http.StatusOK, viewOfBatch(b))
}

// cancelBatch answers POST /v1/batches/{id}/cancel.
func (g *Gateway) cancelBatch(r *request) error {
	b, err := g.deps.Bulk.Records.CancelBatch(r.Request().Context(), r.param("id"))
	if err != nil {
		return err
	}
	if b.State.Terminal() && b.State != queue.BatchCancelled {
		return &Problem{Code: CodeConflict, Detail: "the batch has ended already: it is " + string(b.State)}
	}
	return r.JSON(http.StatusOK, viewOfBatch(b))
}

// getOutcomes answers GET /v1/batches/{id}/results and errors, as far as they are
// stored.
func (g *Gateway) getOutcomes(file func(string) string) handler {
	return func(r *request) error {
		ctx, id := r.Request().Context(), r.param("id")
		b, err := g.deps.Bulk.Records.Batch(ctx, id)
		if err != nil {
			return err
		}
		from, err := g.deps.Bulk.Desk.Open(ctx, file(id))
		if errors.Is(err, queue.ErrUnknownFile) {
			return &Problem{Code: CodeNotFound, Detail: "they are not kept any more"}
		}
		if err != nil {
			return err
		}
		r.Response().Header().Set("Ekiben-Batch-Status", string(b.State))
		return g.sendFile(r, from)
	}
}

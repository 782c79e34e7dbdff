package gateway_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ekiben/ekiben/gateway"
	"github.com/ekiben/ekiben/queue"
)

// fakeDesk keeps files and batches in memory.
type fakeDesk struct {
	mu      sync.Mutex
	files   map[string]string
	batches []queue.Batch
	most    int
	// broken is why nothing can be stored.
	broken error
	// cursor is where the last page of batches began.
	cursor string
}

func (d *fakeDesk) Receive(_ context.Context, name string, from io.Reader) (queue.BatchFile, error) {
	all, err := io.ReadAll(from)
	if err != nil {
		return queue.BatchFile{}, err
	}
	if d.broken != nil {
		return queue.BatchFile{}, d.broken
	}
	if len(all) == 0 {
		return queue.BatchFile{}, queue.ErrEmptyFile
	}
	if len(all) > d.most {
		return queue.BatchFile{}, fmt.Errorf("%w: at most %d bytes are taken", queue.ErrFileTooLarge, d.most)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	id := fmt.Sprintf("file-%d", len(d.files))
	d.files[id] = string(all)
	return queue.BatchFile{ID: id, Name: name, Purpose: "batch", Bytes: int64(len(all)), Lines: 1, Created: createdAt}, nil
}

func (d *fakeDesk) Create(_ context.Context, spec queue.BatchSpec) (queue.Batch, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.files[spec.File]; !ok {
		return queue.Batch{}, queue.ErrUnknownFile
	}
	b := queue.Batch{ID: fmt.Sprintf("batch%d", len(d.batches)), BatchSpec: spec, State: queue.BatchValidating, Created: createdAt}
	d.batches = append(d.batches, b)
	return b, nil
}

func (d *fakeDesk) File(_ context.Context, id string) (queue.BatchFile, error) {
	text, ok := d.files[id]
	if !ok {
		return queue.BatchFile{}, queue.ErrUnknownFile
	}
	return queue.BatchFile{ID: id, Bytes: int64(len(text)), Purpose: "batch", Created: createdAt}, nil
}

func (d *fakeDesk) Open(_ context.Context, id string) (io.ReadCloser, error) {
	text, ok := d.files[id]
	if !ok {
		return nil, queue.ErrUnknownFile
	}
	return io.NopCloser(strings.NewReader(text)), nil
}

func (d *fakeDesk) Files(_ context.Context, after string, limit int) (files []queue.BatchFile, more bool, err error) {
	if after == "none" {
		return nil, false, queue.ErrUnknownFile
	}
	for _, id := range slices.Sorted(maps.Keys(d.files)) {
		if id > after {
			files = append(files, queue.BatchFile{ID: id, Purpose: "batch", Created: createdAt})
		}
	}
	return files[:min(limit, len(files))], len(files) > limit, nil
}

func (d *fakeDesk) DropFile(_ context.Context, id string) error {
	switch {
	case d.files[id] == "":
		return queue.ErrUnknownFile
	case d.files[id] == "needed":
		return queue.ErrFileInUse
	}
	delete(d.files, id)
	return nil
}

func (d *fakeDesk) BatchCursor(ctx context.Context, id string) (string, error) {
	_, err := d.Batch(ctx, id)
	return "behind " + id, err
}

func (d *fakeDesk) Batch(_ context.Context, id string) (queue.Batch, error) {
	for _, b := range d.batches {
		if b.ID == id {
			return b, nil
		}
	}
	return queue.Batch{}, queue.ErrUnknownBatch
}

func (d *fakeDesk) Batches(_ context.Context, cursor string, limit int) (page []queue.Batch, next string, err error) {
	if cursor == "bad" {
		return nil, "", queue.ErrMalformed
	}
	d.cursor = cursor
	if limit < len(d.batches) {
		return d.batches[:limit], "more", nil
	}
	return d.batches, "", nil
}

func (d *fakeDesk) CancelBatch(ctx context.Context, id string) (queue.Batch, error) {
	b, err := d.Batch(ctx, id)
	if !b.State.Terminal() {
		b.State = queue.BatchCancelling
	}
	return b, err
}

func bulkGateway(t *testing.T) (*fakeDesk, http.Handler) {
	t.Helper()
	d := &fakeDesk{files: map[string]string{}, most: 1000}
	g := newGateway(t, newFakeQueue(everything()), setup{also: func(deps *gateway.Deps) {
		deps.Bulk = &gateway.Bulk{Desk: d, Records: d}
	}})
	return d, g.Handler()
}

func TestLinesBecomeABatch(t *testing.T) {
	t.Parallel()
	d, h := bulkGateway(t)
	w := send(t, h, http.MethodPost, "/v1/batches?runner=all&method=text", "{}\n", "Content-Type", "application/jsonl", "Idempotency-Key", "k")
	if w.Code != http.StatusAccepted || w.Header().Get("Location") != "/v1/batches/batch0" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if b := d.batches[0]; b.Runner != "all" || b.Method != "text" || b.Key != "k" || b.OpenAI || d.files[b.File] != "{}\n" {
		t.Errorf("made %+v", b)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write([]byte("packed"))
	_ = z.Close()
	if w := send(t, h, http.MethodPost, "/v1/batches", packed.String(), "Content-Encoding", "gzip"); w.Code != http.StatusAccepted || d.files["file-1"] != "packed" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for name, c := range map[string]struct {
		path, body string
		header     []string
		want       int
	}{
		"empty":     {"/v1/batches", "", nil, http.StatusBadRequest},
		"large":     {"/v1/batches", strings.Repeat("x", 1001), nil, http.StatusRequestEntityTooLarge},
		"torn":      {"/v1/batches", packed.String()[:8], []string{"Content-Encoding", "gzip"}, http.StatusBadRequest},
		"encoding":  {"/v1/batches", "x", []string{"Content-Encoding", "br"}, http.StatusUnsupportedMediaType},
		"parameter": {"/v1/batches?runer=x", "x", nil, http.StatusBadRequest},
	} {
		if w := send(t, h, http.MethodPost, c.path, c.body, c.header...); w.Code != c.want {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

func TestBatchesInTheShapeOfOpenAI(t *testing.T) {
	t.Parallel()
	d, h := bulkGateway(t)
	var form bytes.Buffer
	m := multipart.NewWriter(&form)
	_ = m.WriteField("purpose", "batch")
	part, _ := m.CreateFormFile("file", "in.jsonl")
	_, _ = part.Write([]byte("lines"))
	_ = m.Close()
	w := send(t, h, http.MethodPost, "/v1/files", form.String(), "Content-Type", m.FormDataContentType())
	var file struct{ ID, Object, Filename, Purpose string }
	if err := json.Unmarshal(w.Body.Bytes(), &file); err != nil || w.Code != http.StatusOK || file.Object != "file" || file.Filename != "in.jsonl" || file.Purpose != "batch" || d.files[file.ID] != "lines" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	asked := `{"input_file_id":"` + file.ID + `","endpoint":"/v1/runners/all/text","completion_window":"24h","metadata":{"a":"b"}}`
	w = send(t, h, http.MethodPost, "/v1/batches", asked, "Content-Type", "application/json")
	if b := d.batches[0]; w.Code != http.StatusAccepted || !b.OpenAI || b.Endpoint != "/v1/runners/all/text" || b.Metadata["a"] != "b" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	for name, body := range map[string]string{
		"no json": "{", "no file": `{"endpoint":"x","completion_window":"24h"}`,
		"window": strings.Replace(asked, "24h", "1h", 1), "unknown file": strings.Replace(asked, file.ID, "file-none", 1),
	} {
		if w := send(t, h, http.MethodPost, "/v1/batches", body, "Content-Type", "application/json"); w.Code != http.StatusBadRequest && w.Code != http.StatusNotFound {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	w = send(t, h, http.MethodGet, "/v1/files/"+file.ID+"/content", "")
	if w.Code != http.StatusOK || w.Body.String() != "lines" || w.Header().Get("Content-Type") != "application/jsonl" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for _, path := range []string{"/v1/files/none", "/v1/files/none/content", "/v1/batches/none", "/v1/batches/none/results"} {
		if w := send(t, h, http.MethodGet, path, ""); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// What no line could be called with is refused before anything is stored.
func TestABatchOfWhatIsNotThereIsRefused(t *testing.T) {
	t.Parallel()
	d, h := bulkGateway(t)
	for query, words := range map[string]string{
		"runner=none": `no runner "none"`, "runner=none&method=text": `no runner "none"`, "runner=all&method=none": `"none"`,
		"runner=service.x&method=m": "no runner",
	} {
		w := send(t, h, http.MethodPost, "/v1/batches?"+query, "{}\n", "Content-Type", "application/jsonl")
		wantProblem(t, w, http.StatusNotFound, "not_found", words)
	}
	if len(d.files) > 0 {
		t.Errorf("stored %v", d.files)
	}
	d.files["file-1"] = "{}"
	for endpoint, status := range map[string]int{
		"/v1/runners/none/text": http.StatusNotFound, "/v1/runners/all/none": http.StatusNotFound,
		"/v1/chat/completions": http.StatusBadRequest, "all": http.StatusBadRequest,
	} {
		body := `{"input_file_id":"file-1","endpoint":"` + endpoint + `","completion_window":"24h"}`
		if w := send(t, h, http.MethodPost, "/v1/batches", body, "Content-Type", "application/json"); w.Code != status {
			t.Errorf("%s: %d %s", endpoint, w.Code, w.Body)
		}
	}
	if len(d.batches) > 0 {
		t.Errorf("made %v", d.batches)
	}
	for _, query := range []string{"", "?runner=all", "?method=text"} { // lines may name the rest
		if w := send(t, h, http.MethodPost, "/v1/batches"+query, "{}\n"); w.Code != http.StatusAccepted {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
}

func TestFilesAreListedAndDropped(t *testing.T) {
	t.Parallel()
	d, h := bulkGateway(t)
	d.files = map[string]string{"file-1": "a", "file-2": "needed", "file-3": "c"}
	for path, want := range map[string]string{
		"/v1/files?limit=2":           `"first_id":"file-1","last_id":"file-2","has_more":true`,
		"/v1/files?after=file-2":      `"first_id":"file-3","last_id":"file-3","has_more":false`,
		"/v1/files?purpose=batch":     `"last_id":"file-3"`,
		"/v1/files?purpose=fine-tune": `{"object":"list","data":[],"first_id":null,"last_id":null,"has_more":false}`,
	} {
		if w := send(t, h, http.MethodGet, path, ""); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	wantProblem(t, send(t, h, http.MethodGet, "/v1/files?after=none", ""), http.StatusNotFound, "not_found")
	wantBody(t, send(t, h, http.MethodDelete, "/v1/files/file-1", ""), http.StatusOK, `{"id":"file-1","object":"file","deleted":true}`+"\n")
	wantProblem(t, send(t, h, http.MethodDelete, "/v1/files/file-1", ""), http.StatusNotFound, "not_found")
	wantProblem(t, send(t, h, http.MethodDelete, "/v1/files/file-2", ""), http.StatusConflict, "conflict")
}

func TestBatchesAreListedBehindAnID(t *testing.T) {
	t.Parallel()
	d, h := bulkGateway(t)
	d.batches = []queue.Batch{{ID: "a"}, {ID: "b"}}
	if w := send(t, h, http.MethodGet, "/v1/batches?after=b", ""); w.Code != http.StatusOK || d.cursor != "behind b" || !strings.Contains(w.Body.String(), `"last_id":"b"`) {
		t.Errorf("%d %s, from %q", w.Code, w.Body, d.cursor)
	}
	wantProblem(t, send(t, h, http.MethodGet, "/v1/batches?after=none", ""), http.StatusNotFound, "not_found")
	wantProblem(t, send(t, h, http.MethodGet, "/v1/batches?after=a&cursor=x", ""), http.StatusBadRequest, "invalid_input")
}

func TestAStoreThatFailsMaySucceedLater(t *testing.T) {
	t.Parallel()
	d, h := bulkGateway(t)
	d.broken = fmt.Errorf("%w: no space left on device", queue.ErrStorage)
	for _, path := range []string{"/v1/files", "/v1/batches?runner=all&method=text"} {
		w := send(t, h, http.MethodPost, path, "x", "Content-Type", "application/jsonl")
		if p := wantProblem(t, w, http.StatusServiceUnavailable, "unavailable", "store"); !p.Retryable || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: %+v, %v", path, p, w.Header())
		}
	}
}

func TestABatchIsShownCanceledAndListed(t *testing.T) {
	t.Parallel()
	d, h := bulkGateway(t)
	d.files["results-a"] = "r\n"
	d.batches = []queue.Batch{
		{ID: "a", State: queue.BatchCompleted, Created: createdAt, Finished: createdAt.Add(time.Second), BatchProgress: queue.BatchProgress{Total: 3, Completed: 2, Failed: 1, Results: 1, Errors: 1}},
		{ID: "b", State: queue.BatchFailed, Err: "why", Finished: createdAt},
		{ID: "c", State: queue.BatchInProgress},
	}
	var b struct {
		Status       string         `json:"status"`
		OutputFileID string         `json:"output_file_id"`
		ErrorFileID  string         `json:"error_file_id"`
		CompletedAt  int64          `json:"completed_at"`
		Counts       map[string]int `json:"request_counts"`
	}
	w := send(t, h, http.MethodGet, "/v1/batches/a", "")
	if err := json.Unmarshal(w.Body.Bytes(), &b); err != nil || b.Status != "completed" || b.OutputFileID != "results-a" || b.ErrorFileID != "errors-a" ||
		b.CompletedAt != createdAt.Unix()+1 || b.Counts["total"] != 3 || b.Counts["failed"] != 1 {
		t.Errorf("%s", w.Body)
	}
	if w := send(t, h, http.MethodGet, "/v1/batches/a/results", ""); w.Body.String() != "r\n" || w.Header().Get("Ekiben-Batch-Status") != "completed" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for id, want := range map[string]int{"a": http.StatusConflict, "c": http.StatusOK, "none": http.StatusNotFound} {
		if w := send(t, h, http.MethodPost, "/v1/batches/"+id+"/cancel", ""); w.Code != want {
			t.Errorf("cancel %s: %d %s", id, w.Code, w.Body)
		}
	}
	if w := send(t, h, http.MethodGet, "/v1/batches?limit=2", ""); !strings.Contains(w.Body.String(), `"has_more":true,"next":"more"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := send(t, h, http.MethodGet, "/v1/batches?cursor=bad", ""); w.Code != http.StatusBadRequest {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestAGatewayWithoutAPlaceForBatchesSaysSo(t *testing.T) {
	t.Parallel()
	h := newGateway(t, newFakeQueue(everything()), setup{}).Handler()
	if w := send(t, h, http.MethodPost, "/v1/batches", "x"); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "EKIBEN_BLOB_URL") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestTheOutcomeOfALineIsWhatItsRouteWouldAnswer(t *testing.T) {
	t.Parallel()
	calls := newGateway(t, newFakeQueue(everything()), setup{}).Calls()
	for state, want := range map[queue.State]int{queue.Canceled: http.StatusConflict, queue.Expired: http.StatusGatewayTimeout, queue.Failed: http.StatusUnprocessableEntity} {
		o := queue.JobOutcome{Runner: "all", Method: "text", State: state}
		if state == queue.Failed {
			o.Reply.Err = &queue.CallError{Code: queue.CodeMismatch, Message: "changed"}
		}
		status, body, err := calls.OutcomeJSON(t.Context(), o)
		if err != nil || status != want || !json.Valid(body) {
			t.Errorf("%s: %d %s %v", state, status, body, err)
		}
	}
}

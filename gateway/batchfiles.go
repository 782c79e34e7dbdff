package gateway

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// mediaLines is JSON, one value a line.
const mediaLines = "application/jsonl"

// fileView is a file as clients see it, as in OpenAI's API.
type fileView struct {
	ID        string `json:"id"`
	Object    string `json:"object"`
	Bytes     int64  `json:"bytes"`
	Lines     int    `json:"lines"`
	CreatedAt int64  `json:"created_at"`
	Name      string `json:"filename"`
	Purpose   string `json:"purpose"`
}

func viewOfFile(f queue.BatchFile) fileView {
	return fileView{f.ID, "file", f.Bytes, f.Lines, f.Created.Unix(), f.Name, f.Purpose}
}

// upload is the body of a request on its way. Who sends it must do so at
// [slowestRead] at least.
type upload struct {
	from  io.Reader
	read  int64
	start time.Time
	allow func(until time.Time)
	// told makes a problem of an error.
	told func(error) error
}

func (u *upload) Read(p []byte) (int, error) {
	u.allow(u.start.Add(time.Duration(u.read) * time.Second / slowestRead))
	n, err := u.from.Read(p)
	u.read += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		err = u.told(err)
	}
	return n, err
}

// stream is the body, decompressed, which may be larger than others may.
func (g *Gateway) stream(r *request) (io.Reader, error) {
	raw := &upload{
		from: r.Request().Body, start: time.Now().Add(g.config.BodyTimeout), told: arrival,
		allow: func(until time.Time) { g.bodyDeadline(r, until) },
	}
	encoding := r.Request().Header.Get("Content-Encoding")
	if encoding == "" || strings.EqualFold(encoding, "identity") {
		return raw, nil
	}
	plain, err := decompress(encoding, raw)
	if err != nil {
		return nil, err
	}
	return &upload{from: plain, told: inflation, allow: func(time.Time) {}}, nil
}

// postFile answers POST /v1/files: the file as the body, or in a form as OpenAI's
// API sends it.
func (g *Gateway) postFile(r *request) error {
	from, err := g.stream(r)
	if err != nil {
		return err
	}
	media, params, err := mime.ParseMediaType(r.Request().Header.Get("Content-Type"))
	var f queue.BatchFile
	if err == nil && media == "multipart/form-data" {
		f, err = g.receiveForm(r, multipart.NewReader(from, params["boundary"]))
	} else {
		f, err = g.deps.Bulk.Desk.Receive(r.Request().Context(), "", from)
	}
	if err != nil {
		return err
	}
	r.Response().Header().Set("Location", "/v1/files/"+f.ID)
	return r.JSON(http.StatusOK, viewOfFile(f))
}

// receiveForm stores the part "file" of a form. The part "purpose" must be batch,
// if there is one.
func (g *Gateway) receiveForm(r *request, form *multipart.Reader) (f queue.BatchFile, err error) {
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if _, told := errors.AsType[*Problem](err); told {
			return f, err
		}
		if err != nil {
			return f, invalidBatch("the form cannot be read: %v", err)
		}
		switch part.FormName() {
		case "file":
			if f.ID != "" {
				return f, invalidBatch("the form has more than one file")
			}
			if f, err = g.deps.Bulk.Desk.Receive(r.Request().Context(), part.FileName(), part); err != nil {
				return f, err
			}
		case "purpose":
			purpose, err := io.ReadAll(io.LimitReader(part, maxCursor))
			if err != nil || string(purpose) != purposeBatch {
				return f, invalidBatch("purpose is %s, want batch", quote(string(purpose)))
			}
		}
	}
	if f.ID == "" {
		return f, invalidBatch("the form has no file")
	}
	return f, nil
}

// getFile answers GET /v1/files/{id}.
func (g *Gateway) getFile(r *request) error {
	f, err := g.deps.Bulk.Desk.File(r.Request().Context(), r.param("id"))
	if err != nil {
		return err
	}
	return r.JSON(http.StatusOK, viewOfFile(f))
}

// getContent answers GET /v1/files/{id}/content.
func (g *Gateway) getContent(r *request) error {
	from, err := g.deps.Bulk.Desk.Open(r.Request().Context(), r.param("id"))
	if err != nil {
		return err
	}
	return g.sendFile(r, from)
}

// sendFile answers with lines as they are read. Whoever reads them must take some
// within [writeTime] again and again.
func (g *Gateway) sendFile(r *request, from io.ReadCloser) (err error) {
	defer func() { err = errors.Join(err, from.Close()) }()
	r.Response().Header().Set("Content-Type", mediaLines)
	r.Response().WriteHeader(http.StatusOK)
	if r.Request().Method == http.MethodHead {
		return nil
	}
	control := http.NewResponseController(r.Response().Writer)
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			_ = control.SetWriteDeadline(time.Now().Add(writeTime)) // tests answer into memory
			if _, gone := r.Response().Write(buffer[:n]); gone != nil {
				return nil // the client is gone, and it was told 200
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			g.log.ErrorContext(r.Request().Context(), "file cannot be read to its end", "err", err)
			// The connection breaks, so that the client does not take this for the whole.
			_ = control.SetWriteDeadline(time.Now().Add(-time.Second))
			return nil
		}
	}
}

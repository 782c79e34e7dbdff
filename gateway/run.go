package gateway

import (
	"net/http"
	"strconv"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// runCall answers POST /v1/runners/{runner}/{method}.
func (g *Gateway) runCall(r *request) error {
	ctx := r.Request().Context()
	m, err := g.method(r)
	if err != nil {
		return err
	}
	b, err := g.body(r)
	if err != nil {
		return err
	}
	inputs, err := decodeInputs(m, r.Request().Header.Get("Content-Type"), b)
	if err != nil {
		return err
	}
	call, err := g.calls.call(ctx, m, inputs, r.origin())
	if err != nil {
		return err
	}
	f, err := negotiate(m, acceptsOf(r.Request().Header), call.Rows)
	if err != nil {
		return err
	}
	if prefer := preferencesOf(r.Request().Header); prefer.job() {
		return g.submit(r, m, call, prefer, f)
	}
	reply, err := g.calls.do(ctx, m, call)
	if err != nil {
		return err
	}
	m.runner.watch.metrics.timed(reply.Timing)
	return g.reply(r, m, reply, f)
}

// method finds the method that the path names.
func (g *Gateway) method(r *request) (*method, error) {
	found, err := g.roster.runner(r.Request().Context(), r.param("runner"))
	if err != nil {
		return nil, err
	}
	r.runner = found
	return found.method(r.param("method"))
}

// reply answers with the outputs of a call and where its time went.
func (g *Gateway) reply(r *request, m *method, reply queue.Reply, f form) error {
	res, err := encodeOutputs(m.Outputs, reply.Outputs, f)
	if err != nil {
		return err
	}
	h := r.Response().Header()
	// One array for the values of all headers: this is the hot path.
	values := [4]string{
		serverTiming(reply.Timing), strconv.Itoa(reply.Timing.Rows), res.form.contentType(), strconv.Itoa(len(res.bytes)),
	}
	h["Server-Timing"], h["Ekiben-Batch-Rows"] = values[0:1:1], values[1:2:2]
	h["Content-Type"], h["Content-Length"] = values[2:3:3], values[3:4:4]
	h["Cache-Control"] = g.headers.noStore
	if res.dtype != "" {
		h["Ekiben-Datatype"], h["Ekiben-Shape"] = []string{res.dtype}, []string{res.shape}
	}
	r.Response().WriteHeader(http.StatusOK)
	// A client that is gone by now does not want to know.
	_, _ = r.Response().Write(res.bytes)
	return nil
}

// contentType is the Content-Type of a result.
func (f form) contentType() string {
	if f == formText {
		return textUTF8
	}
	return f.media()
}

// serverTiming is the Server-Timing header of a call, in milliseconds.
func serverTiming(t queue.Timing) string {
	b := make([]byte, 0, 64)
	b = append(b, "queue;dur="...)
	b = appendMillis(b, t.Queue)
	b = append(b, ", batch;dur="...)
	b = appendMillis(b, t.Batch)
	b = append(b, ", execute;dur="...)
	b = appendMillis(b, t.Execute)
	return string(b)
}

func appendMillis(b []byte, d time.Duration) []byte {
	return strconv.AppendFloat(b, float64(d.Microseconds())/1000, 'f', 3, 64)
}

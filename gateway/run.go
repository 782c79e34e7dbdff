package gateway

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// wanted is a call that a client sent, and what it wants of it.
type wanted struct {
	method *method
	call   queue.Call
	form   form
	prefer preferences
	// async: the answer is the job, whether its client prefers that or has asked
	// for what only jobs have.
	async bool
	// digest is equal for calls that are the same; only calls with a name that
	// their client chose have one.
	digest string
}

// runCall answers POST /v1/runners/{runner}/{method}.
func (g *Gateway) runCall(r *request) error {
	key, err := idempotencyKeyOf(r.Request().Header)
	if err != nil {
		return err
	}
	m, err := g.method(r)
	if err != nil {
		return err
	}
	w, err := g.wanted(r, m, key != "")
	if err != nil {
		return err
	}
	switch {
	case key != "":
		return g.runOnce(r, w, key)
	case w.async:
		return g.submit(r, w)
	}
	reply, err := g.calls.do(r.Request().Context(), m, w.call)
	if err != nil {
		return err
	}
	m.runner.watch.metrics.timed(reply.Timing)
	return g.reply(r, m, reply, w.form)
}

// wanted reads what a client sent for a method and wants of it.
func (g *Gateway) wanted(r *request, m *method, named bool) (wanted, error) {
	header := r.Request().Header
	asks, err := askedOf(header, g.config.MaxTimeout)
	if err != nil {
		return wanted{}, err
	}
	b, err := g.body(r)
	if err != nil {
		return wanted{}, err
	}
	inputs, err := decodeInputs(m, header.Get("Content-Type"), b)
	if err != nil {
		return wanted{}, err
	}
	w := wanted{method: m, prefer: preferencesOf(header)}
	if w.call, err = g.calls.call(r.Request().Context(), m, inputs, r.origin()); err != nil {
		return wanted{}, err
	}
	asks.set(&w.call)
	w.async = w.prefer.job() || asks.later.asked()
	if w.async || named {
		if err := g.postpone(r.Request().Context(), &asks.later, &w.call, m.runner.spec.Retry.Policy()); err != nil {
			return wanted{}, err
		}
	}
	if w.form, err = negotiate(m, acceptsOf(header), w.call.Rows); err != nil {
		return wanted{}, err
	}
	if named {
		w.digest = digestOf(w.call.Runner, w.call.Method, header.Get("Content-Type"), b.bytes())
	}
	return w, nil
}

// method finds the method that the path names.
func (g *Gateway) method(r *request) (*method, error) {
	found, err := g.runnerNamed(r)
	if err != nil {
		return nil, err
	}
	return found.method(r.param("method"))
}

// runnerNamed finds the runner that the path names; those of services are called
// by their routes.
func (g *Gateway) runnerNamed(r *request) (*runner, error) {
	name := r.param("runner")
	if isService(name) {
		return nil, unknownRunner(name)
	}
	found, err := g.roster.runner(r.Request().Context(), name)
	r.runner = found
	return found, err
}

// reply answers with the outputs of a call and where its time went.
func (g *Gateway) reply(r *request, m *method, reply queue.Reply, f form) error {
	res, err := encodeOutputs(m, reply.Outputs, f)
	if p, ok := errors.AsType[*Problem](err); ok && p.Code == CodeNotAcceptable && f != formJSON && acceptsOf(r.Request().Header).quality(mediaJSON) > 0 {
		res, err = encodeOutputs(m, reply.Outputs, formJSON) // the next best
	}
	if err != nil {
		return err
	}
	// It takes its memory until the client has read it.
	if err := r.answer.take(int64(len(res.bytes))); err != nil {
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

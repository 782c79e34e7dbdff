package gateway

import (
	"context"
	cryptorand "crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/ekiben/ekiben/queue"
)

// request is one request on its way through a handler.
type request struct {
	echo.Context

	// runner is whose request it is, once that is known.
	runner *runner
	// memory is what its body takes, answer what its answer does.
	memory, answer claim
	// admitted is whether it counts as in flight.
	admitted bool

	// callers tell whose request it is; caller is that, once somebody asked.
	callers *callers
	caller  string
}

func (g *Gateway) newRequest(c echo.Context) request {
	return request{Context: c, memory: claim{from: &g.memory}, answer: claim{from: &g.answers}, callers: g.callers}
}

// handler answers a request, or returns an error that becomes a problem.
type handler func(r *request) error

// handle makes a route of a handler: it counts the request, bounds how many are
// in flight, and answers errors.
func (g *Gateway) handle(route string, h handler) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := time.Now()
		r := g.newRequest(c)
		g.prepare(&r)
		g.end(&r, route, start, g.limited(&r, func(r *request) error {
			if err := g.admit(r); err != nil {
				return err
			}
			return h(r)
		}))
		return nil
	}
}

// handleBody is handle for a handler that reads the body. Its request is in
// flight once [Gateway.body] has the body: who sends it slowly takes no place
// from others. Until then only its bytes count. Its caller is charged for a call.
func (g *Gateway) handleBody(route string, h handler) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := time.Now()
		r := g.newRequest(c)
		g.prepare(&r)
		g.end(&r, route, start, g.limited(&r, func(r *request) error {
			if err := g.charge(r); err != nil {
				return err
			}
			return h(r)
		}))
		return nil
	}
}

// limited calls a handler within the limits. A panic is that request's error.
func (g *Gateway) limited(r *request, h handler) (err error) {
	if err := g.welcome(r); err != nil {
		return err
	}
	defer func() {
		g.release(r)
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	return h(r)
}

// unlimited is handle for health and metrics, which must answer while the
// gateway is full.
func (g *Gateway) unlimited(route string, h handler) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := time.Now()
		r := g.newRequest(c)
		g.prepare(&r)
		g.end(&r, route, start, h(&r))
		return nil
	}
}

// fail answers errors of the router, for which there is no handler.
func (g *Gateway) fail(err error, c echo.Context) {
	r := g.newRequest(c)
	g.prepare(&r)
	g.end(&r, routeNone, time.Now(), err)
}

// prepare sets the headers that all answers have, and the deadline for the body.
// It holds whether the body is read or not: what nobody reads, the HTTP library
// does before it answers.
func (g *Gateway) prepare(r *request) {
	if r.Request().ContentLength != 0 {
		g.bodyDeadline(r, time.Now().Add(g.config.BodyTimeout))
	}
	r.Response().Before(func() { g.writeDeadline(r) })
	h := r.Response().Header()
	h["X-Content-Type-Options"] = g.headers.nosniff
	if g.draining.Load() {
		h["Connection"] = g.headers.closes
	}
	if id := r.Request().Header["X-Request-Id"]; len(id) == 1 && validRequestID(id[0]) {
		h["X-Request-Id"] = id
	}
}

// bodyDeadline sets until when the body may arrive; zero is for ever.
func (g *Gateway) bodyDeadline(r *request, until time.Time) {
	err := http.NewResponseController(r.Response().Writer).SetReadDeadline(until)
	if err != nil && !errors.Is(err, http.ErrNotSupported) { // as in tests, where bodies come from memory
		g.log.DebugContext(r.Request().Context(), "deadline of a body was not set", "err", err)
	}
}

// writeDeadline sets until when the answer may be written, as it begins. Who does
// not read it would hold its memory for as long as the longest call may take.
func (g *Gateway) writeDeadline(r *request) {
	size, _ := strconv.ParseInt(r.Response().Header().Get("Content-Length"), 10, 64)
	until := time.Now().Add(writeTime + time.Duration(size)*time.Second/slowestRead)
	err := http.NewResponseController(r.Response().Writer).SetWriteDeadline(until)
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		g.log.DebugContext(r.Request().Context(), "deadline of an answer was not set", "err", err)
	}
}

// validRequestID reports whether an id may be repeated in a header and a log.
func validRequestID(id string) bool { return len(id) <= 128 && isPlain([]byte(id)) }

// body reads the body of the request and admits it. There is no deadline after
// that, since a handler may wait for longer.
func (g *Gateway) body(r *request) (body, error) {
	b, err := readBody(r.Request(), g.config.MaxBody, &r.memory)
	if err != nil {
		return body{}, err
	}
	if r.Request().ContentLength != 0 {
		g.bodyDeadline(r, time.Time{})
	}
	return b, g.admit(r)
}

// end answers an error, if there is one, and counts the request.
func (g *Gateway) end(r *request, route string, start time.Time, err error) {
	status := r.Response().Status
	if err != nil {
		status = g.problem(r, err)
	}
	g.metrics.answered(route, status, r.runner, time.Since(start))
}

// problem answers an error and returns the status.
func (g *Gateway) problem(r *request, err error) int {
	ctx := r.Request().Context()
	p := problemOf(ctx, err)
	if p == nil {
		return statusClientGone
	}
	if p.Code == CodeInternal {
		p = g.internal(ctx, r, err)
	}
	if errors.Is(err, queue.ErrStorage) {
		g.log.WarnContext(ctx, "the blob store fails", "path", r.Request().URL.Path, "err", err)
	}
	if r.Response().Committed {
		return r.Response().Status
	}
	h := r.Response().Header()
	if p.Code.passes() {
		g.metrics.turnedAway(reasonOf(p, err), r.runner)
		h.Set("Retry-After", seconds(retryAfter(p.Code, err, r.runner)))
	}
	if p.Code == CodeUnsupportedMediaType && len(p.Accepts) > 0 {
		acceptHeaders(h, p.Accepts)
	}
	h.Set("Cache-Control", "no-store")
	status := p.Code.Status()
	raw, err := p.MarshalJSON()
	if err == nil {
		err = r.Blob(status, mediaProblem, raw)
	}
	if err != nil {
		g.log.DebugContext(ctx, "problem was not sent", "err", err)
	}
	return status
}

// internal logs an error that the client must not see, under an id that it may.
func (g *Gateway) internal(ctx context.Context, r *request, err error) *Problem {
	id := cryptorand.Text()
	g.log.ErrorContext(ctx, "request failed", "error_id", id, "path", r.Request().URL.Path,
		"request_id", r.Response().Header().Get("X-Request-Id"), "err", err)
	return &Problem{Code: CodeInternal, Detail: "internal error", ErrorID: id}
}

// acceptHeaders says which types or encodings a body may have.
func acceptHeaders(h http.Header, taken []string) {
	if taken[0] == "gzip" {
		h["Accept-Encoding"] = taken
		return
	}
	h["Accept-Post"] = taken
}

// param is a parameter of the path, unescaped.
func (r *request) param(name string) string {
	value := r.Param(name)
	if r.Request().URL.RawPath == "" {
		return value
	}
	if plain, err := url.PathUnescape(value); err == nil {
		return plain
	}
	return value
}

// origin tells whose call it is, and the trace it belongs to.
func (r *request) origin() origin {
	from := origin{caller: r.whose()}
	if trace := r.Request().Header["Traceparent"]; len(trace) == 1 && validTrace(trace[0]) {
		from.trace = trace[0]
	}
	return from
}

// whose is the caller.
func (r *request) whose() string {
	if r.caller == "" {
		r.caller = r.callers.of(r.Request())
	}
	return r.caller
}

// validTrace reports whether s is a traceparent of version 00 (W3C Trace
// Context section 3.2).
func validTrace(s string) bool {
	if len(s) != 55 || s[:3] != "00-" || s[35] != '-' || s[52] != '-' {
		return false
	}
	for i := 3; i < len(s); i++ {
		c := s[i]
		if i != 35 && i != 52 && (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// seconds writes a duration of whole seconds.
func seconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }

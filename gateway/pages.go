package gateway

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/ekiben/ekiben/gateway/dashboard"
	"github.com/ekiben/ekiben/queue"
)

// policy is what browsers may do with the gateway's pages: load its style sheet,
// and nothing else.
const policy = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// getDashboard answers GET /dashboard. While the queue cannot be reached it
// shows what was known last.
func (g *Gateway) getDashboard(r *request) error {
	raw, err := g.page.Render(g.facts(r.Request().Context()))
	if err != nil {
		return err
	}
	return g.html(r, raw)
}

// facts are what the dashboard shows.
func (g *Gateway) facts(ctx context.Context) dashboard.Facts {
	all := g.roster.sorted()
	err := errors.Join(g.roster.look(ctx, all), g.roster.lastFault())
	f := dashboard.Facts{At: time.Now(), Problem: g.trouble(err), Tasks: g.taskFacts(ctx), Schedules: g.scheduleFacts(ctx)}
	for _, found := range all {
		workers, _, known := found.watch.crew()
		f.Runners = append(f.Runners, dashboard.Runner{
			Name: found.spec.Runner, MaxQueue: found.spec.MaxQueue,
			Samples: found.watch.history(), Workers: workers, Unknown: !known,
		})
	}
	return f
}

// trouble says what operators should know of an error that the queue gave, or
// of what calls meet.
func (g *Gateway) trouble(err error) string {
	switch {
	case errors.Is(err, queue.ErrRefused), err == nil && g.door.refuses():
		return "The queue can be reached, but refuses to store anything: calls are refused. The gateway's log has what Redis says."
	case errors.Is(err, queue.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return "The queue cannot be reached. Figures are those of the last time that it could."
	case err != nil:
		return "Some runners cannot be read, and are shown as they were. The gateway's log has the reason."
	}
	return ""
}

// html sends a page.
func (g *Gateway) html(r *request, raw []byte) error {
	h := r.Response().Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "no-referrer")
	h["Cache-Control"] = g.headers.noStore
	return r.HTMLBlob(http.StatusOK, raw)
}

// getStyle answers GET /dashboard/style.css.
func (g *Gateway) getStyle(r *request) error {
	r.Response().Header().Set("Cache-Control", "max-age=300")
	return r.Blob(http.StatusOK, "text/css; charset=utf-8", g.page.Style())
}

// getMetrics makes the handler of GET /metrics.
func (g *Gateway) getMetrics() handler {
	h := promhttp.HandlerFor(prometheus.Gatherers{g.deps.Registry, g.jobMetrics}, promhttp.HandlerOpts{})
	return func(r *request) error {
		h.ServeHTTP(r.Response(), r.Request())
		return nil
	}
}

// get makes a route that answers GET and HEAD.
func (g *Gateway) get(path string, h echo.HandlerFunc) {
	g.router.GET(path, h)
	g.router.HEAD(path, h)
}

package gateway

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/ekiben/ekiben/gateway/dashboard"
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
	f := dashboard.Facts{At: time.Now()}
	for _, found := range g.roster.sorted() {
		workers, err := g.roster.workers(ctx, found)
		if err != nil {
			f.Problem = "The queue cannot be reached. Figures are those of the last time that it could."
		}
		f.Runners = append(f.Runners, dashboard.Runner{
			Name: found.spec.Runner, MaxQueue: found.spec.MaxQueue,
			Samples: found.watch.history(), Workers: workers,
		})
	}
	if f.Problem == "" && g.roster.broken.Load() {
		f.Problem = "The queue cannot be reached. Figures are those of the last time that it could."
	}
	return f
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
	h := promhttp.HandlerFor(g.deps.Registry, promhttp.HandlerOpts{})
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

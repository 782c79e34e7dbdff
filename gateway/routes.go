package gateway

import "strings"

// Names of routes in metrics.
const (
	routeRun     = "run"
	routeRunners = "runners"
	routeRunner  = "runner"
	routeJob     = "job"
	routeResult  = "result"
	routeCancel  = "cancel"
	routeHealth  = "health"
	routeMetrics = "metrics"
	routeOpenAPI = "openapi"
	routeDocs    = "docs"
	routeBoard   = "dashboard"
	routeNone    = "none"
)

// routes makes the routes of blueprint section 5, and those of the services.
func (g *Gateway) routes() error {
	e := g.router
	e.POST("/v1/runners/:runner/:method", g.handle(routeRun, g.runCall))
	e.GET("/v1/jobs/:id", g.handle(routeJob, g.getJob))
	e.GET("/v1/jobs/:id/result", g.handle(routeResult, g.getResult))
	e.DELETE("/v1/jobs/:id", g.handle(routeCancel, g.cancelJob))
	for _, path := range []string{"/livez", "/readyz", "/healthz"} {
		e.GET(path, g.unlimited(routeHealth, g.health(path)))
	}
	return g.serviceRoutes()
}

// reserved reports whether a path is, or lies under, one of the gateway's own.
func reserved(path string) bool {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	switch first {
	case "v1", "v2", "livez", "readyz", "healthz", "metrics", "openapi.json", "docs", "dashboard":
		return true
	}
	return false
}

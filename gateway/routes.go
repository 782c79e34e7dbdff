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
	e.POST("/v1/runners/:runner/:method", g.handleBody(routeRun, g.runCall))
	g.get("/v1/runners", g.handle(routeRunners, g.getRunners))
	g.get("/v1/runners/:runner", g.handle(routeRunner, g.getRunner))
	g.get("/v1/jobs/:id", g.handle(routeJob, g.getJob))
	g.get("/v1/jobs/:id/result", g.handle(routeResult, g.getResult))
	e.DELETE("/v1/jobs/:id", g.handle(routeCancel, g.cancelJob))
	for _, path := range []string{"/livez", "/readyz", "/healthz"} {
		g.get(path, g.unlimited(routeHealth, g.health(path)))
	}
	g.get("/metrics", g.unlimited(routeMetrics, g.getMetrics()))
	g.get("/openapi.json", g.handle(routeOpenAPI, g.getOpenAPI))
	g.get("/docs", g.handle(routeDocs, g.getDocs))
	g.get("/dashboard", g.handle(routeBoard, g.getDashboard))
	g.get("/dashboard/style.css", g.handle(routeBoard, g.getStyle))
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

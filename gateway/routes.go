package gateway

import (
	"strings"

	"github.com/ekiben/ekiben/queue"
)

// Names of routes in metrics.
const (
	routeRun     = "run"
	routeRunners = "runners"
	routeRunner  = "runner"
	routeJob     = "job"
	routeResult  = "result"
	routeCancel  = "cancel"
	routePut     = "put"
	routeRetry   = "retry"
	routeJobs    = "jobs"
	routeQueues  = "queues"
	routeGate    = "gate"
	routeDead    = "dead"
	routeTasks   = "tasks"
	routeHealth  = "health"
	routeMetrics = "metrics"
	routeOpenAPI = "openapi"
	routeDocs    = "docs"
	routeBoard   = "dashboard"
	routeBatches = "batches"
	routeFiles   = "files"
	routeNone    = "none"

	routeRedeliver = "redeliver"
	routeSchedules = "schedules"
)

// routes makes the routes of blueprint section 5, and those of the services.
func (g *Gateway) routes() error {
	e := g.router
	e.POST("/v1/runners/:runner/:method", g.handleBody(routeRun, g.runCall))
	g.get("/v1/runners", g.handle(routeRunners, g.getRunners))
	g.get("/v1/runners/:runner", g.handle(routeRunner, g.getRunner))
	g.get("/v1/jobs", g.handle(routeJobs, g.getJobs))
	e.PUT("/v1/jobs/:id", g.handleBody(routePut, g.putJob))
	g.get("/v1/jobs/:id", g.handle(routeJob, g.getJob))
	g.get("/v1/jobs/:id/result", g.handle(routeResult, g.getResult))
	e.DELETE("/v1/jobs/:id", g.handle(routeCancel, g.cancelJob))
	e.POST("/v1/jobs/:id/retry", g.handle(routeRetry, g.retryJob))
	g.queueRoutes()
	g.taskRoutes()
	g.scheduleRoutes()
	g.batchRoutes()
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

// queueRoutes makes the routes for operators.
func (g *Gateway) queueRoutes() {
	e := g.router
	g.get("/v1/queues", g.handle(routeQueues, g.getQueues))
	g.get("/v1/queues/:runner", g.handle(routeQueues, g.getQueue))
	for action, gate := range map[string]queue.Gate{"pause": queue.GatePaused, "resume": queue.GateOpen, "drain": queue.GateDraining} {
		e.POST("/v1/queues/:runner/"+action, g.handle(routeGate, g.admin(g.setGate(gate))))
	}
	g.get("/v1/queues/:runner/dead", g.handle(routeDead, g.getDead))
	g.get("/v1/queues/:runner/dead/:id", g.handle(routeDead, g.getDeadLetter))
	e.POST("/v1/queues/:runner/dead/redrive", g.handle(routeDead, g.admin(g.redriveAll)))
	e.POST("/v1/queues/:runner/dead/:id/redrive", g.handle(routeDead, g.admin(g.redrive)))
	e.DELETE("/v1/queues/:runner/dead", g.handle(routeDead, g.admin(g.dropAllDead)))
	e.DELETE("/v1/queues/:runner/dead/:id", g.handle(routeDead, g.admin(g.dropDead)))
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

package gateway

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/ekiben/ekiben/queue"
)

const (
	// readyFor is how old the answer of /readyz may be, so that nobody can turn
	// it into load on Redis.
	readyFor = 500 * time.Millisecond

	// readyTimeout bounds what /readyz asks Redis.
	readyTimeout = time.Second
)

// readiness is the latest answer to whether the gateway can do its work.
type readiness struct {
	mu      sync.Mutex
	reasons []string // why not. Guarded by mu.
	at      time.Time
}

// status is the body of health routes.
type status struct {
	Status  string   `json:"status"` // "ok" or "unavailable"
	Reasons []string `json:"reasons,omitempty"`
}

// health answers /livez: the process answers; /readyz and /healthz: requests
// should be sent here.
func (g *Gateway) health(path string) handler {
	return func(r *request) error {
		var reasons []string
		if path != "/livez" {
			reasons = g.notReady(r.Request().Context())
		}
		r.Response().Header()["Cache-Control"] = g.headers.noStore
		if len(reasons) > 0 {
			return r.JSON(http.StatusServiceUnavailable, status{"unavailable", reasons})
		}
		return r.JSON(http.StatusOK, status{Status: "ok"})
	}
}

// notReady says why requests should be sent elsewhere, or nothing.
func (g *Gateway) notReady(ctx context.Context) []string {
	if g.draining.Load() {
		return []string{"the gateway is stopping"}
	}
	g.ready.mu.Lock()
	defer g.ready.mu.Unlock()
	if g.ready.at.IsZero() || time.Since(g.ready.at) >= readyFor {
		// The answer is for others too, who may stay longer.
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), readyTimeout)
		defer cancel()
		g.ready.reasons, g.ready.at = g.check(bounded), time.Now()
	}
	return g.ready.reasons
}

// check finds everything that is in the way.
func (g *Gateway) check(ctx context.Context) []string {
	var reasons []string
	err := g.deps.Health.Ping(ctx)
	if err != nil {
		g.log.WarnContext(ctx, "not ready", "err", err)
	}
	if errors.Is(err, queue.ErrRefused) || err == nil && g.door.refuses() {
		reasons = append(reasons, "redis can be reached, but refuses to store anything")
	} else if err != nil {
		reasons = append(reasons, "redis cannot be reached")
	}
	if err == nil && g.config.RequireDurable {
		durability, err := g.deps.Health.Durability(ctx)
		switch {
		case err != nil:
			g.log.WarnContext(ctx, "not ready", "err", err)
			reasons = append(reasons, "redis does not tell whether it is durable")
		case durability.Problem != "":
			reasons = append(reasons, "redis is not durable: "+durability.Problem)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(g.deps.Checks)) {
		if err := g.deps.Checks[name](ctx); err != nil {
			reasons = append(reasons, name+": "+err.Error())
		}
	}
	return reasons
}

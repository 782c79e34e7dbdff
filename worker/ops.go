package worker

import (
	"encoding/json"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Ops serves what operators and clusters ask of a worker process: /livez,
// /readyz and /metrics.
//
// /livez is 200 as long as the process answers. /readyz is 200 when the worker
// is [Worker.Ready], else 503; its body is {"ready": bool, "runners": {name:
// reason}} with the runners that are not ready. /metrics are those of gatherer.
func Ops(w *Worker, gatherer prometheus.Gatherer) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(rw http.ResponseWriter, _ *http.Request) {
		writeJSON(rw, http.StatusOK, map[string]bool{"alive": true})
	})
	mux.HandleFunc("GET /readyz", func(rw http.ResponseWriter, _ *http.Request) {
		answer := readiness{Runners: w.NotReady()}
		answer.Ready = len(answer.Runners) == 0
		status := http.StatusOK
		if !answer.Ready {
			status = http.StatusServiceUnavailable
		}
		writeJSON(rw, status, answer)
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(gatherer, promhttp.HandlerOpts{}))
	return mux
}

type readiness struct {
	Ready   bool              `json:"ready"`
	Runners map[string]string `json:"runners,omitempty"`
}

func writeJSON(rw http.ResponseWriter, status int, body any) {
	rw.Header().Set("Content-Type", "application/json")
	rw.Header().Set("Cache-Control", "no-store")
	rw.WriteHeader(status)
	_ = json.NewEncoder(rw).Encode(body) // whoever asked has gone: nothing to do
}

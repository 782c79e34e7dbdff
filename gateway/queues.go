package gateway

import (
	"net/http"

	"github.com/ekiben/ekiben/queue"
)

// queueStateView is the queue of a runner as operators see it.
type queueStateView struct {
	Runner        string     `json:"runner"`
	Gate          queue.Gate `json:"gate"`
	Degraded      bool       `json:"degraded"`
	Depth         int        `json:"depth"`
	Waiting       int        `json:"waiting"`
	WaitingRows   int        `json:"waiting_rows"`
	Bytes         int64      `json:"bytes"`
	OldestSeconds float64    `json:"oldest_seconds"`
	Lanes         lanesView  `json:"lanes"`
	Callers       int        `json:"callers"`
	Workers       int        `json:"workers"`
	ResultBytes   int64      `json:"result_bytes"`
	DeadLetters   int        `json:"dead_letters"`
	Limits        limitsView `json:"limits"`
}

// lanesView is what waits by priority.
type lanesView struct {
	High   laneView `json:"high"`
	Normal laneView `json:"normal"`
	Low    laneView `json:"low"`
}

type laneView struct {
	Calls         int     `json:"calls"`
	Rows          int     `json:"rows"`
	OldestSeconds float64 `json:"oldest_seconds"`
}

func viewOfLane(s queue.LaneStats) laneView { return laneView{s.Calls, s.Rows, s.Oldest.Seconds()} }

// queueState shows the queue of a runner.
func (r *runner) queueState(s queue.Stats) queueStateView {
	gate := s.Gate
	if gate == "" {
		gate = queue.GateOpen
	}
	return queueStateView{
		Runner: r.spec.Runner, Gate: gate, Degraded: s.Degraded, Depth: s.Depth, Waiting: s.Waiting, WaitingRows: s.WaitingRows,
		Bytes: s.Bytes, OldestSeconds: s.Oldest.Seconds(), Callers: s.Callers, Workers: s.Workers, ResultBytes: s.ResultBytes, DeadLetters: s.DeadLetters,
		Lanes:  lanesView{viewOfLane(s.Lanes[0]), viewOfLane(s.Lanes[1]), viewOfLane(s.Lanes[2])},
		Limits: limitsView{r.spec.MaxQueue, r.spec.MaxQueueBytes, r.spec.FromZero},
	}
}

// getQueues answers GET /v1/queues. It asks the queue, so that who has changed
// something sees it.
func (g *Gateway) getQueues(r *request) error {
	all := g.roster.sorted()
	names := make([]string, len(all))
	for i, found := range all {
		names[i] = found.spec.Runner
	}
	views := make([]queueStateView, len(all))
	if len(all) > 0 {
		stats, err := g.deps.Directory.Stats(r.Request().Context(), names...)
		if err != nil {
			return err
		}
		byName := make(map[string]queue.Stats, len(stats))
		for _, s := range stats {
			byName[s.Runner] = s
		}
		for i, found := range all {
			views[i] = found.queueState(byName[names[i]])
		}
	}
	r.Response().Header()["Cache-Control"] = g.headers.noStore
	return r.JSON(http.StatusOK, map[string]any{"queues": views})
}

// getQueue answers GET /v1/queues/{runner}.
func (g *Gateway) getQueue(r *request) error {
	found, err := g.queueNamed(r)
	if err != nil {
		return err
	}
	return g.answerQueue(r, found)
}

// setGate answers POST /v1/queues/{runner}/pause, resume and drain with the
// queue as it is then.
func (g *Gateway) setGate(gate queue.Gate) handler {
	return func(r *request) error {
		found, err := g.queueNamed(r)
		if err != nil {
			return err
		}
		if err := g.deps.Gates.SetGate(r.Request().Context(), found.spec.Runner, gate); err != nil {
			return err
		}
		g.log.InfoContext(r.Request().Context(), "the gate of a queue was set", "runner", found.spec.Runner, "gate", gate)
		return g.answerQueue(r, found)
	}
}

// queueNamed is the runner that the path names.
func (g *Gateway) queueNamed(r *request) (*runner, error) {
	found, err := g.roster.runner(r.Request().Context(), r.param("runner"))
	if err != nil {
		return nil, err
	}
	r.runner = found
	return found, nil
}

// answerQueue answers with the queue of a runner as it is now.
func (g *Gateway) answerQueue(r *request, found *runner) error {
	s, err := g.statsOf(r, found)
	if err != nil {
		return err
	}
	r.Response().Header()["Cache-Control"] = g.headers.noStore
	return r.JSON(http.StatusOK, found.queueState(s))
}

// statsOf reads the stats of one runner.
func (g *Gateway) statsOf(r *request, found *runner) (queue.Stats, error) {
	stats, err := g.deps.Directory.Stats(r.Request().Context(), found.spec.Runner)
	if err != nil || len(stats) == 0 {
		return queue.Stats{}, err
	}
	return stats[0], nil
}

package tasks

import (
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/ekiben/ekiben/queue"
)

// connect prepares a connection as package queue does; it does not need the server
// yet.
func connect(url string) (*redis.Client, error) {
	options, err := redis.ParseURL(url)
	if err != nil {
		return nil, fmt.Errorf("tasks: redis url: %w", err)
	}
	options.MaxRetries = -1
	options.ContextTimeoutEnabled = true
	options.DisableIdentity = true
	return redis.NewClient(options), nil
}

// names are the asynq queues of a deployment. Each has workers of its own, so that
// receivers that do not answer delay nothing but webhooks.
type names struct {
	webhooks string
	// later has the jobs that are to be brought back, and the sweeps.
	later string
}

func namesOf(prefix string) names { return names{prefix + "-tasks", prefix + "-later"} }

// of is the queue of a kind of errand.
func (n names) of(k queue.ErrandKind) string {
	if k == queue.ErrandLater {
		return n.later
	}
	return n.webhooks
}

// all are both.
func (n names) all() []string { return []string{n.webhooks, n.later} }

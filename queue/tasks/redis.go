package tasks

import (
	"fmt"

	"github.com/redis/go-redis/v9"
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

// queueName is the asynq queue of a deployment.
func queueName(prefix string) string { return prefix + "-tasks" }

package gateway

import (
	"context"
	"errors"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// jobStory is a job with what has become of it so far. Lists do not have it: it
// takes more to read.
type jobStory struct {
	jobView

	// Attempts are those that failed and were followed by another, the oldest
	// first.
	Attempts []attemptView `json:"attempts,omitempty"`

	// Webhook is left out where nobody is told.
	Webhook *webhookView `json:"webhook,omitempty"`
}

type attemptView struct {
	At    *time.Time `json:"at,omitempty"`
	Error *jobError  `json:"error"`
}

// webhookView is who is told that a job has ended, and how that went. There is no
// state before the end; status and answer are those of the last delivery.
type webhookView struct {
	URL        string          `json:"url"`
	Events     []queue.State   `json:"events,omitempty"`
	State      queue.HookState `json:"state,omitempty"`
	Deliveries int             `json:"deliveries"`
	Status     int             `json:"status,omitempty"`
	Answer     string          `json:"answer,omitempty"`
	At         *time.Time      `json:"at,omitempty"`
}

// story reads what has become of a job. What is dropped meanwhile is left out.
func (c *Calls) story(ctx context.Context, j queue.Job, chosen string) (jobStory, error) {
	s := jobStory{jobView: c.roster.viewOf(j, chosen)}
	if j.Attempt > 0 {
		tries, err := c.later.Tries(ctx, j.ID)
		if err != nil && !errors.Is(err, queue.ErrUnknownJob) {
			return jobStory{}, err
		}
		for _, try := range tries {
			s.Attempts = append(s.Attempts, attemptView{timeOf(try.At), errorOf(try.Err)})
		}
	}
	hook, err := c.later.Hook(ctx, j.ID)
	if err != nil && !errors.Is(err, queue.ErrUnknownJob) {
		return jobStory{}, err
	}
	if hook.URL != "" {
		s.Webhook = &webhookView{hook.URL, hook.Events, hook.State, hook.Deliveries, hook.Status, hook.Answer, timeOf(hook.At)}
	}
	return s, nil
}

// errorOf shows why a job failed, or nil.
func errorOf(err *queue.CallError) *jobError {
	if err == nil {
		return nil
	}
	return &jobError{codeOf(err.Code), err.Message, err.Retryable}
}

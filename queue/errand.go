package queue

import (
	"fmt"
	"time"
)

// ErrandKind is what an errand is about.
type ErrandKind string

// The kinds of errands.
const (
	// ErrandLater: a job is to be queued at a time that is more than a minute
	// ahead.
	ErrandLater ErrandKind = "later"
	// ErrandWebhook: a job has ended, and somebody is to be told.
	ErrandWebhook ErrandKind = "webhook"
)

// Errand is something to be done about a job by other means than the queue. The
// script that makes it necessary writes it down in the same step.
type Errand struct {
	Kind   ErrandKind
	Runner string
	Job    string
	// N tells errands of one kind about one job apart.
	N int
	// At is when it is to be done.
	At time.Time
}

// ID is the errand's own, the same whoever asks.
func (e Errand) ID() string { return fmt.Sprintf("%s:%s:%d", e.Kind, e.Job, e.N) }

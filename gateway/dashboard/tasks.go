package dashboard

import (
	"net/url"
	"time"
)

// longestError is how much of an error is shown, in characters.
const longestError = 120

// taskLine is one task.
type taskLine struct {
	ID        string
	Job       string // or nothing
	JobPath   string
	State     string
	Bad       bool // it was given up
	Next      string
	LastError string
}

func taskLineOf(t Task) taskLine {
	line := taskLine{
		ID: t.ID, Job: t.Job, JobPath: "/v1/jobs/" + url.PathEscape(t.Job), State: t.State, Bad: t.Bad,
		Next: "–", LastError: "–",
	}
	if !t.Next.IsZero() {
		line.Next = t.Next.UTC().Format(time.DateTime)
	}
	if text := []rune(t.LastError); len(text) > longestError {
		line.LastError = string(text[:longestError]) + "…"
	} else if len(text) > 0 {
		line.LastError = t.LastError
	}
	return line
}

package dashboard

import (
	"net/url"
	"time"
)

// scheduleLine is one schedule.
type scheduleLine struct {
	Name    string
	Note    string // in a word or two, or nothing
	Why     string // or nothing
	Calls   string
	Cron    string
	Zone    string
	Next    string
	Last    string
	LastJob string // or nothing
	JobPath string
	Missed  string
}

// moment is how a tick is written, in its own zone.
const moment = "2006-01-02 15:04:05 MST"

func scheduleLineOf(s Schedule) scheduleLine {
	line := scheduleLine{
		Name: s.Name, Calls: s.Runner + " / " + s.Method, Cron: s.Cron, Zone: s.TimeZone, Next: "–", Last: "–",
		LastJob: s.LastJob, JobPath: "/v1/jobs/" + url.PathEscape(s.LastJob), Missed: count(int64(s.Missed)),
	}
	if !s.Next.IsZero() {
		line.Next = s.Next.Format(moment)
	}
	if !s.Last.IsZero() {
		line.Last = s.Last.In(zoneOf(s)).Format(moment)
	}
	switch {
	case s.Paused:
		line.Note, line.Next = "paused", "–"
	case s.Refusal != "":
		line.Note, line.Why = "refused", s.Refusal
	}
	return line
}

// zoneOf is the zone that a schedule ticks in.
func zoneOf(s Schedule) *time.Location {
	if zone := s.Next.Location(); !s.Next.IsZero() {
		return zone
	}
	return time.UTC
}

package ekiben

import (
	"io"
	"strconv"
)

// scheduleView is what the tables read of a schedule.
type scheduleView struct {
	Name        string   `json:"name"`
	Runner      string   `json:"runner"`
	Method      string   `json:"method"`
	Cron        string   `json:"cron"`
	TimeZone    string   `json:"time_zone"`
	Missed      string   `json:"missed"`
	Priority    string   `json:"priority"`
	Timeout     string   `json:"timeout"`
	Paused      bool     `json:"paused"`
	Source      string   `json:"source"`
	NextRuns    []string `json:"next_runs"`
	LastTick    string   `json:"last_tick"`
	LastJobID   string   `json:"last_job_id"`
	MissedTicks int      `json:"missed_ticks"`
	RefusedTick string   `json:"refused_tick"`
	Refusal     string   `json:"refusal"`
}

// next is the next run, or why there is none.
func (s *scheduleView) next() string {
	switch {
	case s.Paused:
		return "paused"
	case len(s.NextRuns) == 0:
		return "never"
	}
	return s.NextRuns[0]
}

func schedulesTable(w io.Writer, answer []byte) error {
	var list struct {
		Schedules []scheduleView `json:"schedules"`
	}
	if err := readAnswer(answer, &list); err != nil {
		return err
	}
	rows := [][]string{{"SCHEDULE", "RUNNER", "METHOD", "CRON", "TIME ZONE", "SOURCE", "LAST TICK", "NEXT RUN", "MISSED"}}
	for _, s := range list.Schedules {
		rows = append(rows, []string{
			s.Name, s.Runner, s.Method, plainText(s.Cron), s.TimeZone, s.Source, s.LastTick, s.next(), strconv.Itoa(s.MissedTicks),
		})
	}
	return writeRows(w, rows)
}

func scheduleTable(w io.Writer, answer []byte) error {
	var s scheduleView
	if err := readAnswer(answer, &s); err != nil {
		return err
	}
	rows := [][]string{
		{"schedule", s.Name},
		{"runner", s.Runner},
		{"method", s.Method},
		{"cron", plainText(s.Cron)},
		{"time zone", s.TimeZone},
		{"timeout", s.Timeout},
		{"priority", s.Priority},
		{"missed ticks are", map[string]string{"skip": "skipped", "once": "run once, the latest", "all": "all run"}[s.Missed]},
		{"source", s.Source},
		{"last tick", s.LastTick},
		{"last job", s.LastJobID},
		{"missed", strconv.Itoa(s.MissedTicks)},
		{"refused tick", s.RefusedTick},
		{"refusal", plainText(s.Refusal)},
		{"next run", s.next()},
	}
	for _, at := range s.NextRuns[min(1, len(s.NextRuns)):] {
		rows = append(rows, []string{"then", at})
	}
	return writeRows(w, filled(rows))
}

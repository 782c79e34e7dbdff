package runnerfile_test

import (
	"strings"
	"testing"
	"time"

	"github.com/ekiben/ekiben/internal/runnerfile"
	"github.com/ekiben/ekiben/queue"
)

func TestSchedulesAreReadWithEveryOption(t *testing.T) {
	t.Parallel()
	all, err := runnerfile.ParseSchedules([]byte(`
runners: []
schedules:
  - name: nightly
    runner: sentiment
    method: scores
    cron: "30 2 * * *"
    time_zone: Europe/Berlin
    input: {texts: ["good", 1.5, null, {a: 1}]}
    timeout: 30s
    priority: low
    retry: {attempts: 3, backoff_ms: 500}
    missed: all
    paused: true
  - {name: short, runner: r, method: m, cron: "@every 90s"}
`), nil)
	if err != nil || len(all) != 2 {
		t.Fatal(all, err)
	}
	s := all[0]
	if s.Name != "nightly" || s.Runner != "sentiment" || s.Method != "scores" || s.Cron != "30 2 * * *" || s.TimeZone != "Europe/Berlin" ||
		string(s.Input) != `{"texts":["good",1.5,null,{"a":1}]}` || s.Timeout != 30*time.Second || s.Lane != queue.Low || s.Missed != queue.MissedAll || !s.Paused ||
		s.Retry != (queue.Retry{Most: 3, Backoff: 500 * time.Millisecond, MaxBackoff: 10 * time.Minute}) {
		t.Errorf("%+v", s)
	}
	if s := all[1]; string(s.Input) != `{}` || s.Missed != queue.MissedOnce || s.Retry != (queue.Retry{}) || s.Timeout != 0 {
		t.Errorf("%+v", s)
	}
}

func TestSchedulesThatAreWrongAreNamed(t *testing.T) {
	t.Parallel()
	const file = `
runners: [{name: r, runnable: echo, replicas: -1}]
schedules:
  - {name: a, runner: r, method: m, cron: "61 * * * *"}
  - {name: b, runner: r, method: m, cron: "@daily", retry: {attempts: 1, backoff_ms: -5}}
  - {name: c, runner: r, method: m, cron: "@daily"}
  - {name: c, runner: r, method: m, cron: "@daily"}
  -
`
	_, err := runnerfile.ParseSchedules([]byte(file), nil)
	_, _, both := runnerfile.Parse([]byte(file), runnerfile.Base{})
	if err == nil || both == nil {
		t.Fatal(err, both)
	}
	for _, word := range []string{`schedule "a"`, "five fields", `schedule "b"`, "backoff_ms is -5", `schedule "c" is there twice`, "schedule 5 is empty"} {
		for _, err := range []error{err, both} {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%v\ndoes not mention %s", err, word)
			}
		}
	}
	if !strings.Contains(both.Error(), "replicas") {
		t.Errorf("%v\ndoes not mention the runner", both)
	}
	for word, file := range map[string]string{
		"crom":     "schedules: [{name: a, runner: r, method: m, crom: x}]",
		"second":   "schedules: []\n---\nschedules: []",
		"unknown":  "schedule: []",
		"mismatch": "schedules: {a: b}",
	} {
		if _, err := runnerfile.ParseSchedules([]byte(file), nil); err == nil {
			t.Errorf("%s: %s was taken", word, file)
		}
	}
	if _, err := runnerfile.ReadSchedules("nowhere/ekiben.yaml", nil); err == nil {
		t.Error("a file that is not there was read")
	}
}

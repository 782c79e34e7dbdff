package ekiben_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ekiben/ekiben"
)

const someSchedule = `{"name":"nightly","runner":"all","method":"text","cron":"30 2 * * *","time_zone":"Europe/Berlin","priority":"normal","missed":"once",` +
	`"paused":false,"source":"api","next_runs":["2026-03-29T03:00:00+02:00","2026-03-30T02:30:00+02:00"],"last_tick":"2026-03-28T01:30:00Z",` +
	`"last_job_id":"all~0~x","missed_ticks":2}`

const someScheduleTable = `
schedule          nightly
runner            all
method            text
cron              30 2 * * *
time zone         Europe/Berlin
priority          normal
missed ticks are  run once, the latest
source            api
last tick         2026-03-28T01:30:00Z
last job          all~0~x
missed            2
next run          2026-03-29T03:00:00+02:00
then              2026-03-30T02:30:00+02:00
`

func TestSchedulesAreShownAndChanged(t *testing.T) {
	for line, tt := range map[string]struct{ request, answer, printed string }{
		"schedules list": {
			"GET /v1/schedules", `{"schedules":[` + someSchedule + `,{"name":"off","runner":"r","method":"m","cron":"@daily","time_zone":"UTC","source":"file","paused":true,"next_runs":[]}]}`,
			"SCHEDULE  RUNNER  METHOD  CRON        TIME ZONE      SOURCE  LAST TICK             NEXT RUN                   MISSED\n" +
				"nightly   all     text    30 2 * * *  Europe/Berlin  api     2026-03-28T01:30:00Z  2026-03-29T03:00:00+02:00  2\n" +
				"off       r       m       @daily      UTC            file                          paused                     0",
		},
		"schedules show nightly":         {"GET /v1/schedules/nightly", someSchedule, someScheduleTable},
		"schedules pause nightly":        {"POST /v1/schedules/nightly/pause", someSchedule, someScheduleTable},
		"schedules resume night/ly":      {"POST /v1/schedules/night%2Fly/resume", someSchedule, someScheduleTable},
		"schedules remove nightly":       {"DELETE /v1/schedules/nightly", "204 ", ""},
		"schedules show x --output=json": {"GET /v1/schedules/x", `{}`, "{}"},
	} {
		t.Run(line, func(t *testing.T) {
			t.Setenv("EKIBEN_ADMIN_TOKEN", "sesame")
			asked := tt.request
			if !strings.HasPrefix(asked, http.MethodGet) {
				asked += " Authorization: Bearer sesame"
			}
			wantCommand(t, &answers{byRequest: map[string][]string{tt.request: {tt.answer}}}, line, tt.printed, asked)
		})
	}
}

func TestAScheduleIsAddedAsItsFlagsSay(t *testing.T) {
	t.Parallel()
	var got string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got = r.Method + " " + r.URL.Path + " " + r.Header.Get("Content-Type") + " " + string(body)
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, someSchedule)
	}))
	defer server.Close()
	var out strings.Builder
	args := []string{
		"schedules", "add", "nightly", "all", "text", "--url", server.URL, "--cron", "30 2 * * *", "--time-zone", "Europe/Berlin",
		"--json", `{"input_text": ["a"]}`, "--timeout", "30s", "--priority", "low", "--retries", "3", "--missed", "all", "--paused",
	}
	if err := ekiben.Execute(t.Context(), &out, &out, args...); err != nil {
		t.Fatal(err)
	}
	const want = `PUT /v1/schedules/nightly application/json {"runner":"all","method":"text","cron":"30 2 * * *","time_zone":"Europe/Berlin",` +
		`"input":{"input_text":["a"]},"timeout":"30s","priority":"low","missed":"all","retry":{"attempts":3},"paused":true}`
	if got != want || !strings.Contains(out.String(), "2026-03-29T03:00:00+02:00") {
		t.Errorf("sent %s\nwant %s\nprinted %s", got, want, &out)
	}
	for _, args := range [][]string{
		{"schedules", "add", "a", "r", "m"},
		{"schedules", "add", "a", "r", "--cron", "@daily"},
		{"schedules", "add", "a", "r", "m", "--cron", "@daily", "--json", "{"},
	} {
		if err := ekiben.Execute(t.Context(), io.Discard, io.Discard, append(args, "--url", server.URL)...); err == nil {
			t.Errorf("%v was taken", args)
		}
	}
}

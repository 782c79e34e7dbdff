package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ekiben/ekiben/gateway"
	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/queue/tasks/schedule"
)

// fakeSchedules keeps schedules for one goroutine, at a fixed time.
type fakeSchedules struct {
	kept map[string]queue.Schedule
	down error
	revs int
}

func (f *fakeSchedules) Now(context.Context) (time.Time, error) {
	return time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC), f.down
}

func (f *fakeSchedules) Schedules(context.Context) ([]queue.Schedule, error) {
	var all []queue.Schedule
	for _, name := range slices.Sorted(maps.Keys(f.kept)) {
		s := f.kept[name]
		s.Input = nil
		all = append(all, s)
	}
	return all, f.down
}

func (f *fakeSchedules) Schedule(_ context.Context, name string) (queue.Schedule, error) {
	s, ok := f.kept[name]
	if f.down == nil && !ok {
		return s, queue.ErrUnknownSchedule
	}
	return s, f.down
}

func (f *fakeSchedules) PutSchedule(_ context.Context, s queue.Schedule) (queue.Schedule, error) {
	f.revs++
	s.Rev = fmt.Sprint(f.revs)
	f.kept[s.Name] = s
	return s, f.down
}

func (f *fakeSchedules) DropSchedule(_ context.Context, s queue.Schedule) error {
	delete(f.kept, s.Name)
	return f.down
}

// scheduling is a gateway that knows of schedules.
func scheduling(t *testing.T) (http.Handler, *fakeSchedules) {
	t.Helper()
	f := &fakeSchedules{kept: map[string]queue.Schedule{}}
	g := newGateway(t, newFakeQueue(everything()), setup{also: func(d *gateway.Deps) { d.Schedules = f }})
	return g.Handler(), f
}

// putSchedule sends a schedule as the host itself does.
func putSchedule(t *testing.T, h http.Handler, name, body string) *httptest.ResponseRecorder {
	t.Helper()
	return send(t, h, http.MethodPut, "http://127.0.0.1:3000/v1/schedules/"+name, body, "Content-Type", "application/json")
}

func TestAScheduleIsPutShownPausedAndRemoved(t *testing.T) {
	t.Parallel()
	h, f := scheduling(t)
	const body = `{"runner":"all","method":"text","cron":"30 2 * * *","time_zone":"Europe/Berlin","input":{"input_text":["a"]},"timeout":"30s","missed":"all"}`
	const shown = `{"name":"nightly","runner":"all","method":"text","cron":"30 2 * * *","time_zone":"Europe/Berlin","input":{"input_text":["a"]},"timeout":"30s",` +
		`"priority":"normal","missed":"all","paused":false,"source":"api","next_runs":["2026-03-29T03:00:00+02:00","2026-03-30T02:30:00+02:00",` +
		`"2026-03-31T02:30:00+02:00","2026-04-01T02:30:00+02:00","2026-04-02T02:30:00+02:00"],"missed_ticks":0}` + "\n"
	wantBody(t, putSchedule(t, h, "nightly", body), http.StatusCreated, shown)
	wantBody(t, putSchedule(t, h, "nightly", body), http.StatusOK, shown)
	wantBody(t, send(t, h, http.MethodGet, "/v1/schedules/nightly", ""), http.StatusOK, shown)
	list := strings.Replace(strings.TrimSpace(shown), `"input":{"input_text":["a"]},`, "", 1)
	wantBody(t, send(t, h, http.MethodGet, "/v1/schedules", ""), http.StatusOK, `{"schedules":[`+list+`]}`+"\n")

	for action, paused := range map[string]bool{"pause": true, "resume": false} {
		if action == "resume" {
			s := f.kept["nightly"]
			s.Paused = true
			f.kept["nightly"] = s
		}
		w := local(t, h, http.MethodPost, "/v1/schedules/nightly/"+action)
		var v struct {
			Paused   bool
			NextRuns []time.Time `json:"next_runs"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil || v.Paused != paused || paused != (len(v.NextRuns) == 0) || f.kept["nightly"].Paused != paused {
			t.Errorf("%s: %d %s: %v", action, w.Code, w.Body, err)
		}
	}
	if w := local(t, h, http.MethodDelete, "/v1/schedules/nightly"); w.Code != http.StatusNoContent || len(f.kept) != 0 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestAScheduleTellsWhatItDid(t *testing.T) {
	t.Parallel()
	h, f := scheduling(t)
	at := time.Date(2026, 3, 28, 11, 0, 0, 0, time.UTC)
	f.kept["hourly"] = queue.Schedule{
		Name: "hourly", Runner: "all", Method: "text", Cron: "@yearly", Missed: queue.MissedSkip, Source: queue.ScheduleFile, Rev: "1", Paused: true,
		Retry: queue.Retry{Most: 2, Backoff: time.Second, MaxBackoff: time.Minute}, Lane: queue.Low,
		Last: at, LastJob: "all~0~x", MissedTicks: 3, Refusal: "x is missing", RefusedAt: at.Add(time.Hour),
	}
	wantBody(t, send(t, h, http.MethodGet, "/v1/schedules/hourly", ""), http.StatusOK,
		`{"name":"hourly","runner":"all","method":"text","cron":"@yearly","time_zone":"UTC","priority":"low",`+
			`"retry":{"attempts":2,"backoff_ms":1000,"max_backoff_ms":60000},"missed":"skip","paused":true,"source":"file","next_runs":[],`+
			`"last_tick":"2026-03-28T11:00:00Z","last_job_id":"all~0~x","missed_ticks":3,"refused_tick":"2026-03-28T12:00:00Z","refusal":"x is missing"}`+"\n")
	wantProblem(t, putSchedule(t, h, "hourly", `{"runner":"all","method":"text","cron":"@daily"}`), http.StatusConflict, "conflict", "ekiben.yaml")
	wantProblem(t, local(t, h, http.MethodDelete, "/v1/schedules/hourly"), http.StatusConflict, "conflict", "ekiben.yaml")
}

func TestAScheduleThatIsWrongIsNotTaken(t *testing.T) {
	t.Parallel()
	h, f := scheduling(t)
	for _, tt := range []struct{ name, body, word string }{
		{"a", ``, "not a schedule"},
		{"a", `[]`, "not a schedule"},
		{"a", `{"runner":"all","method":"text","cron":"@daily","crom":""}`, "crom"},
		{"a", `{"runner":"all","method":"text","cron":"@daily"} {}`, "behind"},
		{"a", `{"name":"b","runner":"all","method":"text","cron":"@daily"}`, "path"},
		{"A%20b", `{"runner":"all","method":"text","cron":"@daily"}`, "the schedule: name"},
		{"a", `{"method":"text","cron":"@daily"}`, "runner"},
		{"a", `{"runner":"all","method":"text"}`, "five fields"},
		{"a", `{"runner":"all","method":"text","cron":"@daily","time_zone":"Berlin"}`, "Europe/Berlin"},
		{"a", `{"runner":"all","method":"text","cron":"@daily","missed":"never"}`, "skip, once or all"},
		{"a", `{"runner":"all","method":"text","cron":"@daily","retry":{"attempts":99}}`, "attempts"},
	} {
		wantProblem(t, putSchedule(t, h, tt.name, tt.body), http.StatusBadRequest, "invalid_input", tt.word)
	}
	w := send(t, h, http.MethodPut, "http://127.0.0.1:3000/v1/schedules/a", `{}`, "Content-Type", "text/plain")
	wantProblem(t, w, http.StatusUnsupportedMediaType, "unsupported_media_type", "application/json")
	if len(f.kept) != 0 {
		t.Errorf("kept %+v", f.kept)
	}
	wantProblem(t, send(t, h, http.MethodGet, "/v1/schedules/a", ""), http.StatusNotFound, "not_found")
	for _, action := range []string{"pause", "resume"} {
		wantProblem(t, local(t, h, http.MethodPost, "/v1/schedules/a/"+action), http.StatusNotFound, "not_found")
	}
	wantProblem(t, local(t, h, http.MethodDelete, "/v1/schedules/a"), http.StatusNotFound, "not_found")
	f.down = queue.ErrUnavailable
	wantProblem(t, send(t, h, http.MethodGet, "/v1/schedules", ""), http.StatusServiceUnavailable, "unavailable")
	wantProblem(t, putSchedule(t, h, "a", `{"runner":"all","method":"text","cron":"@daily"}`), http.StatusServiceUnavailable, "unavailable")
}

func TestATickIsSubmittedAsTheScheduleSays(t *testing.T) {
	t.Parallel()
	q := newFakeQueue(everything())
	calls := newGateway(t, q, setup{}).Calls()
	s := queue.Schedule{
		Name: "nightly", Runner: "all", Method: "text", Input: []byte(`{"input_text":["a","b"]}`), Timeout: 7 * time.Second, Lane: queue.Low,
		Retry: queue.Retry{Most: 3, Backoff: time.Second, MaxBackoff: time.Minute},
	}
	job, err := calls.SubmitTick(t.Context(), s, "all~0~tick")
	if err != nil || job.ID != "all~0~tick" {
		t.Fatal(job, err)
	}
	if c := q.last(t); c.Rows != 2 || c.Timeout != s.Timeout || c.Lane != queue.Low || c.Retry != s.Retry || c.Caller != "schedule:nightly" {
		t.Errorf("%+v", c)
	}
	for name, tt := range map[string]struct {
		change  func(*queue.Schedule)
		err     error
		refused bool
	}{
		"its input is wrong":    {func(s *queue.Schedule) { s.Input = []byte(`{"other":1}`) }, nil, true},
		"its time is too long":  {func(s *queue.Schedule) { s.Timeout = 48 * time.Hour }, nil, true},
		"nobody has the runner": {func(s *queue.Schedule) { s.Runner = "later" }, nil, false},
		"there is no method":    {func(s *queue.Schedule) { s.Method = "later" }, nil, true},
		"the queue is full":     {func(*queue.Schedule) {}, queue.ErrFull, false},
		"redis is away":         {func(*queue.Schedule) {}, queue.ErrUnavailable, false},
	} {
		other := s
		tt.change(&other)
		q.submitErr = tt.err
		_, err := calls.SubmitTick(t.Context(), other, "all~0~"+strings.ReplaceAll(name, " ", "-"))
		if err == nil || errors.Is(err, schedule.ErrRefused) != tt.refused {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheDashboardShowsSchedules(t *testing.T) {
	t.Parallel()
	h, f := scheduling(t)
	putSchedule(t, h, "nightly", `{"runner":"all","method":"text","cron":"30 2 * * *","time_zone":"Europe/Berlin","input":{"input_text":["a"]}}`)
	page := send(t, h, http.MethodGet, "/dashboard", "").Body.String()
	for _, want := range []string{"<h2>Schedules</h2>", ">nightly<", ">all / text<", ">30 2 * * *<", ">Europe/Berlin<", ">2026-03-29 03:00:00 CEST<"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in %s", want, page)
		}
	}
	f.down = queue.ErrUnavailable
	if page := send(t, h, http.MethodGet, "/dashboard", "").Body.String(); strings.Contains(page, "Schedules") {
		t.Errorf("schedules that are not known are shown: %s", page)
	}
}

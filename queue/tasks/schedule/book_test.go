package schedule_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/queue/tasks/schedule"
	"github.com/ekiben/ekiben/runnables"
)

func TestAScheduleThatChangesWhenItTicksStartsFromTheChange(t *testing.T) {
	t.Parallel()
	m := newMemory(moment(t, "2026-05-01T00:10:00Z"))
	d := schedule.Definition{Name: "a", Cron: "0 * * * *", Missed: "all"}
	put(t, m, d)
	l := quiet(m)
	turn(t, l, m, "2026-05-01T01:00:00Z")
	m.set(moment(t, "2026-05-01T04:40:00Z"))
	d.Cron = "30 * * * *"
	s := put(t, m, d)
	if s.Source != queue.ScheduleAPI || s.LastJob == "" || !s.Handled.Equal(moment(t, "2026-05-01T04:40:00Z")) {
		t.Errorf("%+v", s)
	}
	turn(t, l, m, "2026-05-01T05:29:00Z")
	if m.made() != 1 {
		t.Errorf("%d jobs", m.made())
	}
	turn(t, l, m, "2026-05-01T05:30:00Z")
	if m.made() != 2 {
		t.Errorf("%d jobs", m.made())
	}
}

func TestAScheduleThatChangesOtherwiseGoesOn(t *testing.T) {
	t.Parallel()
	m := newMemory(moment(t, "2026-05-01T00:10:00Z"))
	d := schedule.Definition{Name: "a", Cron: "0 * * * *", Missed: "all"}
	first := put(t, m, d)
	m.set(moment(t, "2026-05-01T02:10:00Z"))
	if same := put(t, m, d); !reflect.DeepEqual(same, first) {
		t.Errorf("the same definition changed it: %+v, %+v", first, same)
	}
	d.Input = []byte(`[1]`)
	s := put(t, m, d)
	if !s.Handled.Equal(first.Handled) || string(s.Input) != "[1]" || string(m.is(t, "a").Input) != "[1]" {
		t.Errorf("%+v", s)
	}
	turn(t, quiet(m), m, "2026-05-01T02:10:01Z")
	if m.made() != 2 {
		t.Errorf("%d jobs", m.made())
	}
	d.Paused = true
	put(t, m, d)
	m.set(moment(t, "2026-05-01T09:10:00Z"))
	d.Paused = false
	if s = put(t, m, d); !s.Handled.Equal(moment(t, "2026-05-01T09:10:00Z")) {
		t.Errorf("what was due while it was paused is run: %+v", s)
	}
	d.Runner, d.Method = "other", "m"
	m.set(moment(t, "2026-05-01T10:10:00Z"))
	if s = put(t, m, d); !s.Handled.Equal(moment(t, "2026-05-01T10:10:00Z")) {
		t.Errorf("%+v", s)
	}
}

func TestTheFileIsReplacedAsASet(t *testing.T) {
	t.Parallel()
	m := newMemory(moment(t, "2026-05-01T00:10:00Z"))
	book, ctx := schedule.Book{Store: m}, t.Context()
	put(t, m, schedule.Definition{Name: "mine", Cron: "0 * * * *"})
	put(t, m, schedule.Definition{Name: "both", Cron: "0 * * * *"})
	file := func(crons map[string]string, gone ...string) {
		t.Helper()
		var all []queue.Schedule
		for name, cron := range crons {
			all = append(all, define(t, schedule.Definition{Name: name, Cron: cron}))
		}
		if removed, err := book.Replace(ctx, all); err != nil || !slices.Equal(removed, gone) {
			t.Fatalf("removed %q, %v; want %q", removed, err, gone)
		}
	}
	file(map[string]string{"a": "0 * * * *", "b": "0 * * * *", "both": "1 * * * *"})
	if _, err := book.Pause(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := book.Set(ctx, define(t, schedule.Definition{Name: "a", Cron: "0 * * * *"})); !errors.Is(err, schedule.ErrInFile) {
		t.Errorf("got %v", err)
	}
	if err := book.Remove(ctx, "a"); !errors.Is(err, schedule.ErrInFile) {
		t.Errorf("got %v", err)
	}
	before := m.is(t, "a")
	m.set(moment(t, "2026-05-01T00:20:00Z"))
	file(map[string]string{"a": "0 * * * *", "c": "0 * * * *"}, "b", "both")
	if !reflect.DeepEqual(m.is(t, "a"), before) {
		t.Errorf("what did not change was written: %+v", m.is(t, "a"))
	}
	var names []string
	all, err := m.Schedules(ctx)
	for _, s := range all {
		names = append(names, s.Name+" "+string(s.Source))
	}
	if got := strings.Join(names, ", "); err != nil || got != "a file, c file, mine api" {
		t.Errorf("got %s, %v", got, err)
	}
	file(map[string]string{"a": "5 * * * *"}, "c")
	if s := m.is(t, "a"); s.Paused || s.Cron != "5 * * * *" || !s.Handled.Equal(moment(t, "2026-05-01T00:20:00Z")) {
		t.Errorf("%+v", s)
	}
	if err := book.Remove(ctx, "mine"); err != nil {
		t.Error(err)
	}
	if err := book.Remove(ctx, "mine"); !errors.Is(err, queue.ErrUnknownSchedule) {
		t.Errorf("got %v", err)
	}
	file(nil, "a")
	if all, err := m.Schedules(ctx); err != nil || len(all) != 0 {
		t.Errorf("%+v, %v", all, err)
	}
}

// Who changes schedules while loops move them on loses nothing, on Redis too.
func TestChangesAtTheSameTimeAreAllMade(t *testing.T) {
	t.Parallel()
	m := clocked{open(t), time.Now}
	book := schedule.Book{Store: m}
	put(t, m, schedule.Definition{Name: "a", Cron: "0 * * * *"})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 10 {
				for _, change := range []func(context.Context, string) (queue.Schedule, error){book.Pause, book.Resume} {
					if _, err := change(t.Context(), "a"); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	if s, err := m.Schedule(t.Context(), "a"); err != nil || string(s.Input) != `{}` {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestADefinitionIsReadAndShownAsItIs(t *testing.T) {
	t.Parallel()
	const raw = `{"name":"a","runner":"r","method":"m","cron":"@daily","time_zone":"UTC","input":{"x":[1,2]},"timeout":"1m30s",` +
		`"priority":"high","retry":{"attempts":3,"backoff_ms":2000,"max_backoff_ms":60000},"missed":"all","paused":true}`
	var d schedule.Definition
	if err := json.Unmarshal([]byte(raw), &d); err != nil {
		t.Fatal(err)
	}
	s := define(t, d)
	if s.Timeout != 90*time.Second || s.Lane != queue.High || s.Retry != (queue.Retry{Most: 3, Backoff: 2 * time.Second, MaxBackoff: time.Minute}) {
		t.Errorf("%+v", s)
	}
	shown, err := json.Marshal(schedule.DefinitionOf(s))
	if err != nil || string(shown) != raw {
		t.Errorf("got  %s\nwant %s, %v", shown, raw, err)
	}
	shown, err = json.Marshal(schedule.DefinitionOf(define(t, schedule.Definition{Name: "a", Cron: " 0 * * * * "})))
	if want := `{"name":"a","runner":"r","method":"m","cron":"0 * * * *","time_zone":"UTC","input":{},"priority":"normal","missed":"once"}`; err != nil || string(shown) != want {
		t.Errorf("got  %s\nwant %s, %v", shown, want, err)
	}
}

func TestADefinitionThatIsWrongSaysAllThatIs(t *testing.T) {
	t.Parallel()
	_, err := schedule.Definition{
		Name: "Not a name", Runner: "", Method: "a b", Cron: "hourly", TimeZone: "UTC", Input: []byte(`{`), Timeout: "soon", Priority: "urgent",
		Retry: &runnables.RetrySpec{Attempts: 0, BackoffMS: -1, MaxBackoffMS: -1}, Missed: "some",
	}.Schedule()
	if err == nil {
		t.Fatal("it was taken")
	}
	for _, word := range []string{
		"the schedule", "runner", "method", "five fields", "input is not JSON", "timeout", "priority", "attempts", "backoff_ms",
		"max_backoff_ms", "skip, once or all",
	} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%v\ndoes not mention %s", err, word)
		}
	}
	for word, d := range map[string]schedule.Definition{
		"bytes":               {Input: []byte(`"` + strings.Repeat("x", 256<<10) + `"`), Cron: "@daily"},
		"cron has":            {Cron: strings.Repeat("1,", 200) + "1 * * * *"},
		"at least backoff_ms": {Cron: "@daily", Retry: &runnables.RetrySpec{Attempts: 1, BackoffMS: 2, MaxBackoffMS: 1}},
		"is a service":        {Runner: "service.analysis", Cron: "@daily"},
		"IANA":                {Cron: "@daily", TimeZone: "Local"},
	} {
		d.Name, d.Runner, d.Method = "a", cmp.Or(d.Runner, "r"), "m"
		if _, err := d.Schedule(); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%v does not mention %s", err, word)
		}
	}
}

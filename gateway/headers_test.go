package gateway_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ekiben/ekiben/gateway"
	"github.com/ekiben/ekiben/queue"
)

// askText runs a text with headers.
func askText(t *testing.T, q *fakeQueue, headers ...string) (int, string) {
	t.Helper()
	w := send(t, newGateway(t, q, setup{}).Handler(), http.MethodPost, "/v1/runners/all/text", "a",
		append([]string{"Content-Type", "text/plain"}, headers...)...)
	return w.Code, w.Body.String()
}

func TestACallHasTheTimeAndThePriorityThatItAsksFor(t *testing.T) {
	t.Parallel()
	const usual = 60 * time.Second
	for _, tt := range []struct {
		name    string
		headers []string
		timeout time.Duration
		start   time.Duration
		lane    queue.Lane
	}{
		{"nothing", nil, usual, 0, queue.Normal},
		{"a timeout", []string{"Ekiben-Timeout", "1.5s"}, 1500 * time.Millisecond, 0, queue.Normal},
		{"seconds", []string{"Ekiben-Timeout", "2"}, 2 * time.Second, 0, queue.Normal},
		{"parts of seconds", []string{"Ekiben-Timeout", "0.25"}, 250 * time.Millisecond, 0, queue.Normal},
		{"several units", []string{"ekiben-timeout", "1h2m"}, 62 * time.Minute, 0, queue.Normal},
		{"the longest", []string{"Ekiben-Timeout", "24h"}, 24 * time.Hour, 0, queue.Normal},
		{"the shortest", []string{"Ekiben-Timeout", "1ms"}, time.Millisecond, 0, queue.Normal},
		{"a start", []string{"Ekiben-Start-Within", "500ms"}, usual, 500 * time.Millisecond, queue.Normal},
		{"a start after the end", []string{"Ekiben-Start-Within", "2m"}, usual, usual, queue.Normal},
		{"both", []string{"Ekiben-Start-Within", "2s", "Ekiben-Timeout", "1s"}, time.Second, time.Second, queue.Normal},
		{"high", []string{"Ekiben-Priority", "high"}, usual, 0, queue.High},
		{"normal", []string{"Ekiben-Priority", "normal"}, usual, 0, queue.Normal},
		{"low", []string{"Ekiben-Priority", "low"}, usual, 0, queue.Low},
		{"what nobody knows", []string{"Ekiben-Color", "red", "Ekiben-Timeouts", "x"}, usual, 0, queue.Normal},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, also := range [][]string{nil, {"Prefer", "respond-async"}} {
				q := newFakeQueue(everything())
				status, body := askText(t, q, append(tt.headers, also...)...)
				if status >= 300 {
					t.Fatalf("got %d %s", status, body)
				}
				if c := q.last(t); c.Timeout != tt.timeout || c.StartWithin != tt.start || c.Lane != tt.lane {
					t.Errorf("timeout %s, start within %s, lane %d, want %s, %s, %d", c.Timeout, c.StartWithin, c.Lane, tt.timeout, tt.start, tt.lane)
				}
			}
		})
	}
}

func TestWhatIsAskedForWronglyIsNotGuessed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		headers []string
		words   []string
	}{
		{[]string{"Ekiben-Timeout", "soon"}, []string{`Ekiben-Timeout is "soon"`, "1.5s"}},
		{[]string{"Ekiben-Timeout", ""}, []string{"Ekiben-Timeout is empty"}},
		{[]string{"Ekiben-Timeout", "0"}, []string{"at least 1ms"}},
		{[]string{"Ekiben-Timeout", "1us"}, []string{"at least 1ms"}},
		{[]string{"Ekiben-Timeout", "-1s"}, []string{"at least 1ms"}},
		{[]string{"Ekiben-Timeout", "NaN"}, []string{"a number of seconds"}},
		{[]string{"Ekiben-Timeout", "Inf"}, []string{"a number of seconds"}},
		{[]string{"Ekiben-Timeout", "1e3"}, []string{"a number of seconds"}},
		{[]string{"Ekiben-Timeout", "."}, []string{"a number of seconds"}},
		{[]string{"Ekiben-Timeout", "1 s"}, []string{"a number of seconds"}},
		{[]string{"Ekiben-Timeout", strings.Repeat("1", 5000)}, []string{"a number of seconds"}},
		{[]string{"Ekiben-Timeout", "25h"}, []string{"at most 24h"}},
		{[]string{"Ekiben-Timeout", "99999999999999999999"}, []string{"a number of seconds"}},
		{[]string{"Ekiben-Timeout", "1s", "Ekiben-Timeout", "1s"}, []string{"2 times", "once"}},
		{[]string{"Ekiben-Timeout", "1s, 2s"}, []string{`"1s, 2s"`}},
		{[]string{"Ekiben-Start-Within", "x"}, []string{`Ekiben-Start-Within is "x"`}},
		{[]string{"Ekiben-Start-Within", "48h"}, []string{"Ekiben-Start-Within", "at most"}},
		{[]string{"Ekiben-Priority", "urgent"}, []string{`Ekiben-Priority is "urgent"`, "high, normal or low"}},
		{[]string{"Ekiben-Priority", "HIGH"}, []string{"high, normal or low"}},
		{[]string{"Ekiben-Priority", "low", "Ekiben-Priority", "low"}, []string{"2 times"}},
	} {
		t.Run(strings.Join(tt.headers, " ")[:min(40, len(strings.Join(tt.headers, " ")))], func(t *testing.T) {
			t.Parallel()
			q := newFakeQueue(everything())
			w := send(t, newGateway(t, q, setup{}).Handler(), http.MethodPost, "/v1/runners/all/text", "a",
				append([]string{"Content-Type", "text/plain"}, tt.headers...)...)
			wantProblem(t, w, http.StatusBadRequest, "invalid_input", tt.words...)
			if q.queued() > 0 {
				t.Error("it was queued")
			}
		})
	}
}

// FuzzAsked: whatever the headers, what is taken is within bounds, and what is
// not is the client's mistake.
func FuzzAsked(f *testing.F) {
	for _, s := range []string{"1.5s", "500ms", "2", "", "-1", "NaN", "1e9", "0x10p2", "9223372036854775807ns", "106752d", "high"} {
		f.Add(s, s, s)
	}
	f.Fuzz(func(t *testing.T, timeout, start, priority string) {
		const longest = 24 * time.Hour
		call, err := gateway.Ask(http.Header{
			"Ekiben-Timeout": {timeout}, "Ekiben-Start-Within": {start}, "Ekiben-Priority": {priority},
		}, longest)
		if err != nil {
			wantInvalid(t, err)
			return
		}
		if call.Timeout < time.Millisecond || call.Timeout > longest || call.StartWithin < time.Millisecond || call.StartWithin > call.Timeout {
			t.Errorf("%q, %q: timeout %s, start within %s", timeout, start, call.Timeout, call.StartWithin)
		}
		if call.Lane > queue.Low {
			t.Errorf("%q: lane %d", priority, call.Lane)
		}
	})
}

package gateway_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ekiben/ekiben/gateway"
)

func TestPreferIsReadAsRFC7240Says(t *testing.T) {
	t.Parallel()
	waits := func(d time.Duration, applied string) gateway.Preferences {
		return gateway.Preferences{Waits: true, Wait: d, Applied: applied}
	}
	async := gateway.Preferences{Async: true, Applied: "respond-async"}
	both := gateway.Preferences{Async: true, Waits: true, Wait: 10 * time.Second, Applied: "respond-async, wait=10"}
	for _, tt := range []struct {
		lines []string
		want  gateway.Preferences
	}{
		{nil, gateway.Preferences{}},
		{[]string{""}, gateway.Preferences{}},
		{[]string{"respond-async"}, async},
		{[]string{"Respond-Async"}, async},
		{[]string{`respond-async=""`}, async},
		{[]string{"respond-async; q=1"}, async},
		{[]string{"return=minimal, respond-async"}, async},
		{[]string{`foo="a, wait=3", respond-async`}, async},
		{[]string{`foo="a\", wait=3", respond-async`}, async},
		{[]string{"respond-async, wait=10"}, both},
		{[]string{"respond-async", "wait=10"}, both},
		{[]string{"wait = 10 ,respond-async"}, both},
		{[]string{"wait=5"}, waits(5*time.Second, "wait=5")},
		{[]string{`wait="5"`}, waits(5*time.Second, "wait=5")},
		{[]string{`wait="\5"`}, waits(5*time.Second, "wait=5")},
		{[]string{"wait=0"}, waits(0, "wait=0")},
		{[]string{"wait=5, wait=9"}, waits(5*time.Second, "wait=5")},
		{[]string{"wait=61"}, waits(time.Minute, "wait=60")},
		{[]string{"wait=99999999999999999999"}, waits(time.Minute, "wait=60")},
		{[]string{"wait=-1"}, gateway.Preferences{}},
		{[]string{"wait=1.5"}, gateway.Preferences{}},
		{[]string{"wait"}, gateway.Preferences{}},
		{[]string{"wait=x, wait=2"}, waits(2*time.Second, "wait=2")},
		{[]string{",,;,=,\""}, gateway.Preferences{}},
	} {
		t.Run(strings.Join(tt.lines, " | "), func(t *testing.T) {
			t.Parallel()
			if got := gateway.PreferencesOf(http.Header{"Prefer": tt.lines}); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func FuzzPreferNeverWaitsForLongerThanAMinute(f *testing.F) {
	f.Add(`respond-async, wait=10; a="b,c\"d"`)
	f.Add(`wait="60`)
	f.Fuzz(func(t *testing.T, line string) {
		p := gateway.PreferencesOf(http.Header{"Prefer": {line}})
		if p.Wait < 0 || p.Wait > time.Minute || p.Wait > 0 && !p.Waits {
			t.Errorf("%q: %+v", line, p)
		}
	})
}

func TestAcceptIsReadAsRFC9110Says(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		line, media string
		want        float64
	}{
		{"", "application/json", 1},
		{"*/*", "application/json", 1},
		{"application/json", "application/json", 1},
		{"Application/JSON", "application/json", 1},
		{"application/json;charset=utf-8", "application/json", 1},
		{"text/html", "application/json", 0},
		{"text/*;q=0.3", "text/plain", 0.3},
		{"text/*;q=0.3, text/plain;q=0.7, */*;q=0.1", "text/plain", 0.7},
		{"text/*;q=0.3, text/plain;q=0.7, */*;q=0.1", "text/csv", 0.3},
		{"text/*;q=0.3, text/plain;q=0.7, */*;q=0.1", "application/json", 0.1},
		{"application/json;q=0, */*", "application/json", 0},
		{`application/json;x="a,b;c";q=0.5`, "application/json", 0.5},
		{"application/json; Q=0.5", "application/json", 0.5},
		{"application/json;q=NaN, text/plain", "application/json", 0},
		{"application/json;q=2", "application/json", 1}, // malformed, so nothing is left to ask for
		{"*/json, rubbish, /, text/", "application/json", 1},
	} {
		t.Run(tt.line+" for "+tt.media, func(t *testing.T) {
			t.Parallel()
			if got := gateway.Quality(http.Header{"Accept": {tt.line}}, tt.media); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func FuzzAcceptGivesQualitiesBetween0And1(f *testing.F) {
	f.Add("text/*;q=0.3, text/plain;q=0.7, */*;q=0.1")
	f.Add(`a/b;x="\`)
	f.Fuzz(func(t *testing.T, line string) {
		if q := gateway.Quality(http.Header{"Accept": {line}}, "text/plain"); !(q >= 0 && q <= 1) {
			t.Errorf("%q: %v", line, q)
		}
	})
}

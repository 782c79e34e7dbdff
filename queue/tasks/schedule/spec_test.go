package schedule_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ekiben/ekiben/queue/tasks/schedule"
)

// parse reads a spec that is right.
func parse(t *testing.T, spec, zone string) schedule.Spec {
	t.Helper()
	s, err := schedule.Parse(spec, zone)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ticks are those from one instant, included, to another, not included.
func ticks(t *testing.T, spec, zone, from, until string) []string {
	t.Helper()
	s := parse(t, spec, zone)
	end := moment(t, until)
	var all []string
	for at := s.Next(moment(t, from).Add(-time.Second)); at.Before(end); at = s.Next(at) {
		all = append(all, at.Format("01-02T15:04:05-07:00"))
	}
	return all
}

func moment(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// In 2026 the clocks of Berlin change on March 29 and October 25, those of New
// York on March 8 and November 1, those of Lord Howe by half an hour on April 5
// and October 4, those of Santiago at midnight on April 5 and September 6.
func TestTicksWhenTheClockIsPutForwardOrBack(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, spec, zone, from, until, want string }{
		{
			"a time that does not come ticks when the clock is put forward",
			"30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", "2026-03-31T00:00:00Z",
			"03-28T02:30:00+01:00 03-29T03:00:00+02:00 03-30T02:30:00+02:00",
		},
		{
			"several that do not come are one tick, with the one that is there anyway",
			"*/15 2,3 * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", "2026-03-29T12:00:00Z",
			"03-29T03:00:00+02:00 03-29T03:15:00+02:00 03-29T03:30:00+02:00 03-29T03:45:00+02:00",
		},
		{
			"a time that comes twice ticks at first",
			"30 2 * * *", "Europe/Berlin", "2026-10-24T00:00:00Z", "2026-10-27T00:00:00Z",
			"10-24T02:30:00+02:00 10-25T02:30:00+02:00 10-26T02:30:00+01:00",
		},
		{
			"hours that are named tick once each although one comes twice",
			"0 1,2,3 * * *", "Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25T12:00:00Z",
			"10-25T01:00:00+02:00 10-25T02:00:00+02:00 10-25T03:00:00+01:00",
		},
		{
			"every hour goes on as time passes, forward",
			"0 * * * *", "America/New_York", "2026-03-08T05:30:00Z", "2026-03-08T09:00:00Z",
			"03-08T01:00:00-05:00 03-08T03:00:00-04:00 03-08T04:00:00-04:00",
		},
		{
			"every hour goes on as time passes, back",
			"0 0-23 * * *", "America/New_York", "2026-11-01T04:30:00Z", "2026-11-01T08:00:00Z",
			"11-01T01:00:00-04:00 11-01T01:00:00-05:00 11-01T02:00:00-05:00",
		},
		{
			"half an hour forward",
			"15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", "2026-10-05T00:00:00Z",
			"10-04T02:30:00+11:00 10-05T02:15:00+11:00",
		},
		{
			"half an hour back",
			"45 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00:00Z", "2026-04-05T18:00:00Z",
			"04-05T01:45:00+11:00 04-06T01:45:00+10:30",
		},
		{
			"every half an hour through half an hour back",
			"*/30 * * * *", "Australia/Lord_Howe", "2026-04-04T14:00:00Z", "2026-04-04T16:00:00Z",
			"04-05T01:00:00+11:00 04-05T01:30:00+11:00 04-05T01:30:00+10:30 04-05T02:00:00+10:30",
		},
		{
			"a midnight that does not come",
			"@daily", "America/Santiago", "2026-09-05T00:00:00Z", "2026-09-08T00:00:00Z",
			"09-05T00:00:00-04:00 09-06T01:00:00-03:00 09-07T00:00:00-03:00",
		},
		{
			"a midnight that is passed twice",
			"@daily", "America/Santiago", "2026-04-04T00:00:00Z", "2026-04-06T12:00:00Z",
			"04-04T00:00:00-03:00 04-05T00:00:00-04:00 04-06T00:00:00-04:00",
		},
		{
			"a day that does not come",
			"0 12 30,31 12 *", "Pacific/Apia", "2011-12-28T00:00:00Z", "2012-01-02T00:00:00Z",
			"12-31T00:00:00+14:00 12-31T12:00:00+14:00",
		},
		{
			"every 90 seconds, whatever the zone",
			"@every 90s", "Europe/Berlin", "2026-03-29T00:59:30Z", "2026-03-29T01:04:00Z",
			"03-29T01:00:00+00:00 03-29T01:01:30+00:00 03-29T01:03:00+00:00",
		},
		{"leap day", "0 0 29 2 *", "", "2026-01-01T00:00:00Z", "2029-01-01T00:00:00Z", "02-29T00:00:00+00:00"},
		{"either day of the month or of the week", "0 0 1 * mon", "UTC", "2026-03-01T00:00:00Z", "2026-03-10T00:00:00Z", "03-01T00:00:00+00:00 03-02T00:00:00+00:00 03-09T00:00:00+00:00"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := strings.Join(ticks(t, tt.spec, tt.zone, tt.from, tt.until), " "); got != tt.want {
				t.Errorf("%s in %s\ngot  %s\nwant %s", tt.spec, tt.zone, got, tt.want)
			}
		})
	}
}

// Over a month with a change of the clock, every day has its ticks whatever the
// hour, and every hour has its own.
func TestAMonthHasAsManyTicksAsItHasTimes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		zone  string
		month time.Month
	}{
		{"Europe/Berlin", time.March},
		{"Europe/Berlin", time.October},
		{"America/New_York", time.March},
		{"America/New_York", time.November},
		{"Australia/Lord_Howe", time.April},
		{"Australia/Lord_Howe", time.October},
		{"Africa/Cairo", time.April},
		{"Africa/Cairo", time.October},
		{"America/Santiago", time.April},
		{"America/Santiago", time.September},
		{"Asia/Kolkata", time.March},
		{"", time.October},
	} {
		t.Run(fmt.Sprint(tt), func(t *testing.T) {
			t.Parallel()
			zone, err := time.LoadLocation(tt.zone)
			if err != nil {
				t.Fatal(err)
			}
			from := time.Date(2026, tt.month, 1, 0, 0, 0, 0, zone)
			until := from.AddDate(0, 1, 0)
			days := from.AddDate(0, 1, -1).Day()
			count := func(spec string) int {
				s, n := parse(t, spec, tt.zone), 0
				for at := s.Next(from.Add(-time.Second)); at.Before(until); at = s.Next(at) {
					n++
				}
				return n
			}
			for hour := range 24 {
				for _, minute := range []int{0, 30, 59} {
					if got := count(fmt.Sprintf("%d %d * * *", minute, hour)); got != days {
						t.Errorf("%02d:%02d ticks %d times in %d days", hour, minute, got, days)
					}
				}
			}
			passed := until.Sub(from)
			if got, want := count("*/15 * * * *"), int(passed/(15*time.Minute)); got != want {
				t.Errorf("every 15 minutes: %d ticks, want %d", got, want)
			}
			if got, want := count("@every 10m"), int(passed/(10*time.Minute)); got != want {
				t.Errorf("@every 10m: %d ticks, want %d", got, want)
			}
		})
	}
}

// Whatever the spec: what comes next is later, the same from any instant before
// it, and on the wall clock what the spec says or, where that is not shown, the
// moment of the change.
func TestTheNextTickIsTheNextFromAnywhereBefore(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		minute, hour := rapid.IntRange(0, 59).Draw(t, "minute"), rapid.IntRange(0, 23).Draw(t, "hour")
		text := rapid.SampledFrom([]string{
			fmt.Sprintf("%d %d * * *", minute, hour), fmt.Sprintf("%d * * * *", minute), fmt.Sprintf("*/%d %d-23 * * *", minute+1, hour),
			fmt.Sprintf("%d */%d * * 0-4", minute, hour+1), fmt.Sprintf("@every %dm", minute+1), "* * * * *",
		}).Draw(t, "spec")
		zone := rapid.SampledFrom([]string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Africa/Casablanca", "UTC"}).Draw(t, "zone")
		s, err := schedule.Parse(text, zone)
		if err != nil {
			t.Fatal(err)
		}
		const year = 365 * 24 * 60 * 60
		after := time.Unix(1_767_225_600+rapid.Int64Range(0, year).Draw(t, "after"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds"))
		next := s.Next(after)
		if !next.After(after) || next.Nanosecond() != 0 {
			t.Fatalf("%s in %s: %s comes after %s", text, zone, next, after)
		}
		between := after.Add(time.Duration(rapid.Int64Range(0, int64(next.Sub(after))-1).Draw(t, "between")))
		if again := s.Next(between); !again.Equal(next) {
			t.Fatalf("%s in %s: after %s comes %s, but from %s on %s", text, zone, after, next, between, again)
		}
	})
}

func TestASpecThatIsNotOneSaysWhatIs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ spec, zone, word string }{
		{"", "", "five fields"},
		{"* * * *", "", "five fields"},
		{"0 * * * * *", "", "five fields"},
		{"61 * * * *", "", "five fields"},
		{"@reboot", "", "@every"},
		{"@every", "", "five fields"},
		{"@every 0s", "", "whole seconds"},
		{"@every 1500ms", "", "whole seconds"},
		{"@every -1m", "", "whole seconds"},
		{"@every 9000h", "", "whole seconds"},
		{"0 0 30 2 *", "", "never"},
		{"TZ=UTC * * * * *", "", "time_zone"},
		{"CRON_TZ=", "", "time_zone"},
		{"TZ=", "", "time_zone"},
		{"* * * * *", "Mars/Olympus", "IANA"},
		{"* * * * *", "Local", "IANA"},
		{"* * * * *", "../etc/passwd", "IANA"},
		{"* * * * *", "CEST", "IANA"},
	} {
		_, err := schedule.Parse(tt.spec, tt.zone)
		if err == nil || !strings.Contains(err.Error(), tt.word) {
			t.Errorf("%q in %q: %v, want a word about %q", tt.spec, tt.zone, err, tt.word)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"* * * * *", "@daily", "@every 1h", "*/5 1-3,7 1 jan sun", "TZ=", "@every 1e9h", "? * L W #"} {
		f.Add(s, "Europe/Berlin")
	}
	f.Fuzz(func(t *testing.T, text, zone string) {
		s, err := schedule.Parse(text, zone)
		if err != nil {
			return
		}
		after := time.Unix(1_774_700_000, 0)
		if next := s.Next(after); !next.IsZero() && !next.After(after) {
			t.Errorf("%q in %q: %s", text, zone, next)
		}
	})
}

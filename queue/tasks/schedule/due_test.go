package schedule_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ekiben/ekiben/queue"
)

func TestWhatIsDoneAboutTicks(t *testing.T) {
	t.Parallel()
	const start = "2026-05-01T00:00:00Z"
	for _, tt := range []struct {
		name, spec string
		now        string
		rule       queue.Missed
		run        string
		missed     int
	}{
		{"nothing is due", "0 * * * *", "2026-05-01T00:59:59Z", queue.MissedOnce, "", 0},
		{"a tick on time", "0 * * * *", "2026-05-01T01:00:00Z", queue.MissedSkip, "01:00:00", 0},
		{"still on time", "0 * * * *", "2026-05-01T01:00:10Z", queue.MissedSkip, "01:00:00", 0},
		{"late and skipped", "0 * * * *", "2026-05-01T01:00:11Z", queue.MissedSkip, "", 1},
		{"late and run", "0 * * * *", "2026-05-01T01:00:11Z", queue.MissedOnce, "01:00:00", 0},
		{"the latest of several", "0 * * * *", "2026-05-01T05:30:00Z", queue.MissedOnce, "05:00:00", 4},
		{"none of several", "0 * * * *", "2026-05-01T05:30:00Z", queue.MissedSkip, "", 5},
		{"all of several", "0 * * * *", "2026-05-01T03:30:00Z", queue.MissedAll, "01:00:00 02:00:00 03:00:00", 0},
		{"one is on time, the others are late", "0 * * * *", "2026-05-01T05:00:01Z", queue.MissedOnce, "05:00:00", 4},
		{"one is on time, which is not missed", "0 * * * *", "2026-05-01T02:00:01Z", queue.MissedAll, "01:00:00 02:00:00", 0},
		{"several on time", "@every 5s", "2026-05-01T00:00:12Z", queue.MissedOnce, "00:00:05 00:00:10", 0},
		{"a clock that went back", "0 * * * *", "2026-04-30T00:00:00Z", queue.MissedAll, "", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			due := parse(t, tt.spec, "").Due(tt.rule, moment(t, start), moment(t, tt.now))
			var run []string
			for _, at := range due.Run {
				run = append(run, at.UTC().Format(time.TimeOnly))
			}
			if got := strings.Join(run, " "); got != tt.run || due.Missed != tt.missed {
				t.Errorf("runs %q and misses %d, want %q and %d", got, due.Missed, tt.run, tt.missed)
			}
			if (due.Missed > 0) != !due.Until.IsZero() {
				t.Errorf("missed %d until %s", due.Missed, due.Until)
			}
		})
	}
}

// After standstills of any length: what is run and what is missed are all ticks,
// and in between nothing is left over.
func TestNoTickIsForgottenHoweverLongItStoodStill(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		spec string
		span time.Duration
		all  int
	}{
		{"@every 1s", 5 * time.Second, 5},
		{"@every 1s", 11 * time.Second, 11},
		{"@every 1s", 111 * time.Second, 111},
		{"@every 1s", time.Hour, 3600},
		{"* * * * *", 99 * time.Minute, 99},
		{"* * * * *", 24 * time.Hour, 1440},
		{"0 * * * *", 365 * 24 * time.Hour, 8760},
	} {
		for rule, late := range map[queue.Missed]int{queue.MissedSkip: 0, queue.MissedOnce: 1, queue.MissedAll: 100} {
			t.Run(fmt.Sprint(tt, rule), func(t *testing.T) {
				t.Parallel()
				s, start := parse(t, tt.spec, ""), moment(t, "2026-05-01T00:00:00Z")
				now := start.Add(tt.span)
				due := s.Due(rule, start, now)
				if got := len(due.Run) + due.Missed; got != tt.all {
					t.Errorf("%d are run and %d are missed, want %d in all", len(due.Run), due.Missed, tt.all)
				}
				missed := 0
				for i, at := range due.Run {
					if now.Sub(at) > 10*time.Second {
						missed++
					}
					if i > 0 && !s.Next(due.Run[i-1]).Equal(at) {
						t.Errorf("%s is followed by %s", due.Run[i-1], at)
					}
				}
				if missed > late {
					t.Errorf("%d missed ticks are run, want %d at most", missed, late)
				}
				if due.Missed > 0 && len(due.Run) > 0 && !s.Next(due.Until).Equal(due.Run[0]) {
					t.Errorf("after %s comes %s, not %s", due.Until, s.Next(due.Until), due.Run[0])
				}
				if n := len(due.Run); n > 0 && s.Next(due.Run[n-1]).Before(now) {
					t.Errorf("%s is left over", s.Next(due.Run[n-1]))
				}
			})
		}
	}
}

func TestTheTicksOfManyYearsAreNotCountedOneByOne(t *testing.T) {
	t.Parallel()
	s, start := parse(t, "@every 1s", ""), moment(t, "2026-05-01T00:00:00Z")
	now := start.AddDate(40, 0, 0)
	due := s.Due(queue.MissedAll, start, now)
	if len(due.Run) != 111 || !due.Run[110].Equal(now) || due.Missed < 99_000 || !due.Until.Equal(due.Run[0].Add(-time.Second)) {
		t.Errorf("%d are run until %s, %d are missed until %s", len(due.Run), due.Run[len(due.Run)-1], due.Missed, due.Until)
	}
}

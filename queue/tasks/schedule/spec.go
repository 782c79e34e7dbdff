package schedule

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // zones are known on hosts that have no list of them

	"github.com/robfig/cron/v3"
)

// Spec says when a schedule ticks. It is immutable; make it with [Parse].
//
// Ticks are whole minutes of a wall clock, except those of @every, which are the
// multiples of its duration since 1970-01-01T00:00:00Z, whatever the zone.
//
// When the clock is put forward or back, it depends on whether the hour field
// allows every hour. If it does, as in "*/5 * * * *", the schedule follows time as
// it passes: what the clock never shows does not tick, and what it shows twice
// ticks twice. If it names hours, as in "30 2 * * *", each wall-clock time ticks
// once: one that comes twice, when it comes first; one that does not come, at the
// moment at which the clock is put forward over it. Ticks that fall on the same
// moment so are one.
type Spec struct {
	// every is the distance of ticks, or 0, and fields says then which civil times
	// tick.
	every  time.Duration
	fields *cron.SpecSchedule
	zone   *time.Location
	// hourly: every hour is allowed.
	hourly bool
}

// allHours are the bits of the hour field that has all of them.
const allHours = 1<<24 - 1

// longestEvery bounds @every.
const longestEvery = 366 * 24 * time.Hour

// Parse reads a cron spec and the IANA name of a time zone; "" is UTC. A spec
// that never ticks is an error.
func Parse(spec, zone string) (Spec, error) {
	location, err := zoneNamed(zone)
	if err != nil {
		return Spec{}, err
	}
	if strings.Contains(spec, "=") {
		return Spec{}, errors.New("cron has a time zone in it, which goes into time_zone")
	}
	parser := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)
	parsed, err := parser.Parse(spec)
	if err != nil {
		return Spec{}, fmt.Errorf("cron is %.80q, want five fields (minute hour day-of-month month day-of-week), @hourly, @daily, @weekly, @monthly, @yearly or @every 90s: %w", spec, err)
	}
	if _, ok := parsed.(cron.ConstantDelaySchedule); ok {
		return everyOf(spec)
	}
	fields, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return Spec{}, fmt.Errorf("cron %.80q is of a kind that is not taken", spec)
	}
	fields.Location = time.UTC
	s := Spec{fields: fields, zone: location, hourly: fields.Hour&allHours == allHours}
	if s.Next(time.Unix(0, 0)).IsZero() {
		return Spec{}, fmt.Errorf("cron %.80q never comes", spec)
	}
	return s, nil
}

// everyOf reads @every, strictly: the parser makes seconds of anything.
func everyOf(spec string) (Spec, error) {
	text := strings.TrimPrefix(strings.TrimSpace(spec), "@every ")
	d, err := time.ParseDuration(text)
	if err != nil || d < time.Second || d > longestEvery || d%time.Second != 0 {
		return Spec{}, fmt.Errorf("cron is %.80q, want @every with whole seconds, at least 1s and at most %s", spec, longestEvery)
	}
	return Spec{every: d, zone: time.UTC}, nil
}

// zoneNamed is the zone with this name. "Local" is not one: it is another on
// each host.
func zoneNamed(name string) (*time.Location, error) {
	location, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil, fmt.Errorf("time_zone is %.80q, want the IANA name of one such as Europe/Berlin, or UTC", name)
	}
	return location, nil
}

// Next is the first tick after an instant, in the spec's zone. It is zero if there
// is none within five years.
func (s Spec) Next(after time.Time) time.Time {
	switch {
	case s.every > 0:
		seconds := int64(s.every / time.Second)
		n := after.Unix() / seconds
		if after.Unix() < 0 && after.Unix()%seconds != 0 {
			n--
		}
		return time.Unix((n+1)*seconds, 0).In(s.zone)
	case s.hourly:
		return s.nextPassing(after)
	default:
		return s.nextShown(after)
	}
}

// nextShown is the next of a spec that names hours: civil times in their order.
func (s Spec) nextShown(after time.Time) time.Time {
	civil := civilOf(after, s.zone)
	for {
		civil = s.fields.Next(civil)
		if civil.IsZero() {
			return time.Time{}
		}
		if at := instantOf(civil, s.zone); at.After(after) {
			return at.In(s.zone)
		}
	}
}

// nextPassing is the next of a spec with all hours: instants in their order, one
// period between changes of the clock after the other.
func (s Spec) nextPassing(after time.Time) time.Time {
	at := after.Add(time.Nanosecond)
	until := after.AddDate(5, 0, 0)
	for at.Before(until) {
		_, end := at.In(s.zone).ZoneBounds()
		_, offset := at.In(s.zone).Zone()
		shift := time.Duration(offset) * time.Second
		// Next is behind what it is given, in whole seconds.
		civil := s.fields.Next(at.UTC().Add(shift - time.Nanosecond))
		if !civil.IsZero() {
			if next := civil.Add(-shift); end.IsZero() || next.Before(end) {
				return next.In(s.zone)
			}
		}
		if end.IsZero() {
			break
		}
		at = end
	}
	return time.Time{}
}

// Upcoming are the next n ticks after an instant, or fewer if there are.
func (s Spec) Upcoming(after time.Time, n int) []time.Time {
	ticks := make([]time.Time, 0, n)
	for len(ticks) < n {
		after = s.Next(after)
		if after.IsZero() {
			break
		}
		ticks = append(ticks, after)
	}
	return ticks
}

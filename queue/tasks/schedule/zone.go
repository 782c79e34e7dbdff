package schedule

import "time"

// A civil time is what a clock on a wall shows. It is held as the time.Time in
// UTC that shows the same.

// civilOf is what a wall clock of a zone shows at an instant.
func civilOf(t time.Time, zone *time.Location) time.Time {
	_, offset := t.In(zone).Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// farthest is more than any wall clock is from UTC, and than any is ever put
// forward or back.
const farthest = 48 * time.Hour

// instantOf is when the wall clock of a zone shows a civil time: for the first
// time, if it does twice; when the clock is put forward over it, if it never
// does. It does not decrease as the civil time grows.
func instantOf(civil time.Time, zone *time.Location) time.Time {
	at := civil.Add(-farthest)
	for {
		_, end := at.In(zone).ZoneBounds()
		_, offset := at.In(zone).Zone()
		shown := civil.Add(-time.Duration(offset) * time.Second)
		if end.IsZero() || shown.Before(end) {
			// Either it is shown in this period, or the period began by going over it.
			if shown.Before(at) {
				return at
			}
			return shown
		}
		at = end.UTC()
	}
}

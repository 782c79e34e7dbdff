package schedule

import (
	"time"

	"github.com/ekiben/ekiben/queue"
)

const (
	// OnTime is how long after it a tick still counts as on time. All that are run,
	// whatever is to be done about missed ones.
	OnTime = 10 * time.Second

	// mostMissed is how many missed ticks are run at once at most.
	mostMissed = 100

	// mostCounted bounds how many ticks are counted one by one.
	mostCounted = 100_000
)

// Due is what is to be done about the ticks since the last one that was dealt
// with.
type Due struct {
	// Run are the ticks that are to be run, the oldest first.
	Run []time.Time
	// Missed is how many are not, and Until the last of those: whoever runs Run
	// moves past it first. Beyond 100,000 ticks it is a lower bound.
	Missed int
	Until  time.Time
}

// Due decides on the ticks after one instant up to another, by what is to be done
// about missed ones: [queue.MissedSkip] runs none, [queue.MissedOnce] the latest,
// unless a tick is on time, [queue.MissedAll] the latest 100.
func (s Spec) Due(missed queue.Missed, after, now time.Time) Due {
	latest, count := s.latest(after, now)
	late := 0
	for late < len(latest) && now.Sub(latest[late]) > OnTime {
		late++
	}
	drop := late
	switch missed {
	case queue.MissedSkip:
	case queue.MissedAll:
		drop = max(0, late-mostMissed)
	case queue.MissedOnce:
		if late > 0 && late == len(latest) {
			drop--
		}
	}
	due := Due{Run: latest[drop:], Missed: count - len(latest) + drop}
	switch {
	case drop > 0:
		due.Until = latest[drop-1]
	case due.Missed > 0:
		due.Until = latest[0].Add(-time.Second)
	}
	return due
}

// kept is how many of the latest ticks matter: those that are missed and run, and
// those on time, of which there is at most one a second.
const kept = mostMissed + int(OnTime/time.Second) + 1

// latest are the last ticks after one instant up to another, and how many there
// are in all.
func (s Spec) latest(after, now time.Time) (ticks []time.Time, count int) {
	at := after
	for count < mostCounted {
		if at = s.Next(at); at.IsZero() || at.After(now) {
			return last(ticks, kept), count
		}
		count++
		if ticks = append(ticks, at); len(ticks) >= 2*kept {
			ticks = append(ticks[:0], last(ticks, kept)...)
		}
	}
	// So many that the last are found from behind.
	for span := time.Minute; ; span *= 2 {
		from := now.Add(-span)
		if from.Before(at) {
			from = at
		}
		found := s.between(from, now)
		if len(found) >= kept || from.Equal(at) {
			return last(append(ticks, found...), kept), count + len(found)
		}
	}
}

// between are the ticks after one instant up to another.
func (s Spec) between(after, until time.Time) []time.Time {
	var ticks []time.Time
	for at := s.Next(after); !at.IsZero() && !at.After(until); at = s.Next(at) {
		ticks = append(ticks, at)
	}
	return ticks
}

// last are the last n of some.
func last(ticks []time.Time, n int) []time.Time { return ticks[max(0, len(ticks)-n):] }

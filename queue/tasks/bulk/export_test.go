package bulk

import (
	"net/http"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// Backoff is how long a run holds up what is to be submitted.
type Backoff struct{ r run }

// Hold notes what became of some calls, and returns for how long nothing is
// submitted.
func (b *Backoff) Hold(refused, some bool) time.Duration {
	b.r.hold(refused, some)
	return max(time.Until(b.r.notBefore), 0)
}

// Part is one that is filled by and by.
type Part struct{ p part }

// Add adds the outcome of a line.
func (p *Part) Add(now time.Time, answer []byte) {
	p.p.add(now, &line{stage: over, status: http.StatusOK, answer: answer}, &queue.Batch{})
}

// Due reports whether it is to be stored.
func (p *Part) Due(now time.Time, c Config) bool { return p.p.due(now, &c) }

// Empty makes room for other lines.
func (p *Part) Empty() { p.p.empty() }

// Places are those of a process that runs so many batches at a time.
type Places struct{ *places }

// NewPlaces makes them.
func NewPlaces(c Config) Places { return Places{newPlaces(&c)} }

// Line puts batches that do not run in order.
func (p Places) Line(open ...string) []string { return p.line(open) }

// Take gives a batch a place if there is room, and returns which is to leave: "" if
// none is.
func (p Places) Take(now time.Time, id string) (leaves string, taken bool) {
	if !p.room(now) {
		return "", false
	}
	before := map[string]bool{}
	for other, at := range p.running {
		before[other] = at.leaves.Load()
	}
	p.take(now, id)
	for other, left := range before {
		if p.running[other].leaves.Load() && !left {
			leaves = other
		}
	}
	return leaves, true
}

// Move notes that a batch has come further.
func (p Places) Move(now time.Time, id string) { p.running[id].move(now) }

// Leave frees the place of a batch.
func (p Places) Leave(id string) { p.leave(id) }

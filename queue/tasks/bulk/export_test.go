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

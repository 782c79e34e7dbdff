package bulk

import "time"

// Backoff is how long a run holds up what is to be submitted.
type Backoff struct{ r run }

// Hold notes what became of some calls, and returns for how long nothing is
// submitted.
func (b *Backoff) Hold(refused, some bool) time.Duration {
	b.r.hold(refused, some)
	return max(time.Until(b.r.notBefore), 0)
}

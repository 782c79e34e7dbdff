package gateway

import (
	"context"
	"sync"
	"time"
)

const (
	// lookupsFor is how long the outcome of a lookup counts.
	lookupsFor = time.Second

	// maxLookups is how many names are looked up in that time. Beyond it, names
	// are unknown unless the next refresh finds them.
	maxLookups = 32

	// lookupTimeout bounds one lookup.
	lookupTimeout = time.Second
)

// lookups keep a flood of unknown names from the queue: a name is looked up
// once for all who ask at the same time, its outcome counts for a while, and
// only so many names are looked up in that while. The zero value is ready.
type lookups struct {
	mu sync.Mutex
	// searches are those since from. Guarded by mu.
	searches map[string]*search
	from     time.Time
}

// search is one lookup. found and err are set before done is closed.
type search struct {
	done  chan struct{}
	found *runner
	err   error
}

// find returns what lookup finds, now or a little while ago.
func (l *lookups) find(ctx context.Context, name string, lookup func(context.Context, string) (*runner, error)) (*runner, error) {
	s, first := l.search(name)
	switch {
	case s == nil:
		return nil, unknownRunner(name)
	case first:
		// Others wait for it too, so it outlives a client that goes away.
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookupTimeout)
		defer cancel()
		defer close(s.done)
		s.found, s.err = lookup(bounded, name)
		return s.found, s.err
	}
	select {
	case <-s.done:
		return s.found, s.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// search returns the search for a name, and whether the caller is the first and
// must do it; or nil if too many were begun.
func (l *lookups) search(name string) (s *search, first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); l.searches == nil || now.Sub(l.from) >= lookupsFor {
		l.searches, l.from = map[string]*search{}, now
	}
	if s = l.searches[name]; s != nil {
		return s, false
	}
	if len(l.searches) >= maxLookups {
		return nil, false
	}
	s = &search{done: make(chan struct{})}
	l.searches[name] = s
	return s, true
}

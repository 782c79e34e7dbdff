//go:build unix

package process

import "sync"

// slots are the regions of outputs. One is taken for each call and is free again
// when its outputs are released, which may be after the process has ended.
type slots struct {
	regions [outputSlots]*region

	mu     sync.Mutex // guards what follows
	taken  [outputSlots]bool
	closed bool
}

// take returns the number of a free slot, or noSlot.
func (s *slots) take() uint32 {
	for n := range uint32(outputSlots) {
		if s.claim(n) {
			return n
		}
	}
	return noSlot
}

// claim takes a slot if it is free.
func (s *slots) claim(n uint32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.taken[n]
	s.taken[n] = true
	return !was
}

// free gives a slot back.
func (s *slots) free(n uint32) {
	if n == noSlot {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken[n] = false
	if s.closed {
		_ = s.regions[n].close()
	}
}

// close closes the regions: at once those that are free, the others when they
// are.
func (s *slots) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	for n, r := range s.regions {
		if r != nil && !s.taken[n] {
			_ = r.close()
		}
	}
}

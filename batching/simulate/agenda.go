package simulate

import "time"

// event is something that happens at a time.
type event struct {
	at    time.Duration
	order int // of two at the same time the one planned first comes first
	do    func()
}

func (e event) before(other event) bool {
	if e.at != other.at {
		return e.at < other.at
	}
	return e.order < other.order
}

// agenda is what is going to happen: a binary heap with the next event at the top.
type agenda []event

func (a *agenda) push(e event) {
	*a = append(*a, e)
	h := *a
	for child := len(h) - 1; child > 0; {
		parent := (child - 1) / 2
		if !h[child].before(h[parent]) {
			return
		}
		h[child], h[parent] = h[parent], h[child]
		child = parent
	}
}

// pop removes the next event from an agenda that is not empty.
func (a *agenda) pop() event {
	h := *a
	next, last := h[0], len(h)-1
	h[0], h[last] = h[last], event{}
	h = h[:last]
	*a = h
	for parent := 0; ; {
		child := 2*parent + 1
		if child >= last {
			return next
		}
		if child+1 < last && h[child+1].before(h[child]) {
			child++
		}
		if !h[child].before(h[parent]) {
			return next
		}
		h[child], h[parent] = h[parent], h[child]
		parent = child
	}
}

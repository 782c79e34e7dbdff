package tasks

import (
	"context"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	// slotPatience is how long a delivery waits for another one to the same receiver
	// to end.
	slotPatience = 500 * time.Millisecond

	// putBackFor is how long one is put back at least that waited in vain, and
	// putBackGap how long behind the one that was put back before it: many that come
	// again together would keep everybody busy.
	putBackFor, putBackGap = time.Second, 10 * time.Millisecond
)

// receivers bounds the deliveries that are under way to one receiver: one that
// accepts and never answers must leave others their turns.
type receivers struct {
	// most is how many there may be.
	most int

	mu sync.Mutex
	// at are those that deliveries are under way to, or wait for. Guarded by mu.
	at map[string]*receiver
}

// receiver is one of them. All but slots is guarded by the mutex of its owner.
type receiver struct {
	slots chan struct{}
	users int
	// jammed: one waited in vain, and none has ended since. Nobody else waits then.
	jammed bool
	// last is when the last one comes again that was put back.
	last time.Time
}

func newReceivers(most int) *receivers {
	return &receivers{most: max(most, 1), at: map[string]*receiver{}}
}

// enter lets a delivery go, which calls leave when it has ended; or leave is nil,
// and it is to come again after some time.
func (r *receivers) enter(ctx context.Context, to string) (leave func(), after time.Duration) {
	host := hostOf(to)
	it, jammed := r.join(host)
	select {
	case it.slots <- struct{}{}:
		return func() { r.leave(host, it) }, 0
	default:
	}
	if !jammed {
		timer := time.NewTimer(slotPatience)
		defer timer.Stop()
		select {
		case it.slots <- struct{}{}:
			return func() { r.leave(host, it) }, 0
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return nil, r.putBack(host, it)
}

// join finds a receiver.
func (r *receivers) join(host string) (it *receiver, jammed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	it = r.at[host]
	if it == nil {
		it = &receiver{slots: make(chan struct{}, r.most)}
		r.at[host] = it
	}
	it.users++
	return it, it.jammed
}

// leave ends a delivery.
func (r *receivers) leave(host string, it *receiver) {
	<-it.slots
	r.mu.Lock()
	defer r.mu.Unlock()
	it.jammed = false
	r.forget(host, it)
}

// putBack says when a delivery that waited in vain comes again.
func (r *receivers) putBack(host string, it *receiver) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	it.jammed = true
	now := time.Now()
	if soonest := now.Add(putBackFor); it.last.Before(soonest) {
		it.last = soonest
	}
	it.last = it.last.Add(putBackGap)
	r.forget(host, it)
	return it.last.Sub(now)
}

// forget drops a receiver that nobody uses any more. The mutex is held.
func (r *receivers) forget(host string, it *receiver) {
	if it.users--; it.users == 0 {
		delete(r.at, host)
	}
}

// hostOf is the receiver of a URL: its host and port.
func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	return strings.ToLower(u.Host)
}

package queue

import (
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// mailbag holds replies by the gateway that they go to.
type mailbag map[string]*letter

// letter is one entry of a gateway's stream: call id, reply, and so on.
type letter struct {
	pairs []any
	size  int
}

func (m mailbag) add(gateway, id string, body []byte) {
	if gateway == "" {
		return
	}
	l := m[gateway]
	if l == nil {
		l = new(letter)
		m[gateway] = l
	}
	l.pairs = append(l.pairs, id, body)
	l.size += len(body)
}

// checked sends each letter by a script that drops it if there is no room.
func (m mailbag) checked(q *Queue) []evaluation {
	evs := make([]evaluation, 0, len(m))
	for gateway, l := range m {
		evs = append(evs, l.checked(q, gateway))
	}
	return evs
}

func (l *letter) checked(q *Queue, gateway string) evaluation {
	keys := []string{q.keys.replies(gateway), q.keys.replyBytes(gateway)}
	return evaluation{&q.scripts.reply, keys, append([]any{q.config.MaxReplyBytes}, l.pairs...)}
}

// unchecked are the commands that do the same without looking first. Lua looks
// at every byte that it is given, which for 1 KiB costs more than all the rest.
func (l *letter) unchecked(q *Queue, gateway string) [unchecked]evaluation {
	stream, bytes := q.keys.replies(gateway), q.keys.replyBytes(gateway)
	return [unchecked]evaluation{
		{args: append([]any{"XADD", stream, "NOMKSTREAM", "*"}, l.pairs...)},
		{args: []any{"INCRBY", bytes, l.size}},
		{args: []any{"PEXPIRE", bytes, replyTTL.Milliseconds()}},
	}
}

const unchecked = 3

// post sends letters: unchecked as long as there was room the last time, so that
// no more than one letter of each instance is too many. It is safe for
// concurrent use.
type post struct {
	mu sync.Mutex
	// crowded are gateways that had no room, by the key of their bytes. Guarded
	// by mu.
	crowded map[any]bool
	// cautious is until when all letters are checked: Redis's memory was full, and
	// what is not a script is refused then. Guarded by mu.
	cautious time.Time
}

// caution is how long letters are checked after Redis's memory was full.
const caution = 10 * time.Second

func (p *post) send(q *Queue, m mailbag) []evaluation {
	p.mu.Lock()
	defer p.mu.Unlock()
	evs := make([]evaluation, 0, 1+unchecked*len(m))
	careful := time.Now().Before(p.cautious)
	for gateway, l := range m {
		if careful || p.crowded[q.keys.replyBytes(gateway)] {
			evs = append(evs, l.checked(q, gateway))
			continue
		}
		steps := l.unchecked(q, gateway)
		evs = append(evs, steps[:]...)
	}
	return evs
}

// heard notes who has room, by what came of what was sent, and returns the first
// error in it.
func (p *post) heard(q *Queue, sent []evaluation, results []result) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, ev := range sent {
		r := results[i]
		switch {
		case isFull(r.err):
			p.cautious = time.Now().Add(caution)
		case r.err != nil:
		case ev.script != nil && number(r.value) == 1:
			delete(p.crowded, ev.keys[1])
		case ev.script == nil && ev.args[0] == "INCRBY" && number(r.value) > q.config.MaxReplyBytes:
			if p.crowded == nil {
				p.crowded = map[any]bool{}
			}
			p.crowded[ev.args[1]] = true
		}
	}
	return firstError(results[:len(sent)])
}

// isFull reports whether Redis refused a command because its memory is full.
func isFull(err error) bool { return redis.HasErrorPrefix(err, "OOM ") }

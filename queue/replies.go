package queue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// A gateway reads its replies from a stream of its own. It says now and then
// how far it has read, which trims the stream and keeps it alive: the stream of
// a gateway that is gone expires, and workers then drop what they send to it.
const (
	replyTTL      = time.Minute
	maxUnsaid     = 128
	maxUnsaidSize = 1 << 20
	sayEvery      = time.Second
)

// receive reads replies until ctx is done.
func (p *Producer) receive(ctx context.Context) error {
	r := reader{queue: p.queue, gateway: p.gateway, last: "0"}
	for ctx.Err() == nil {
		listening := p.listening.Load()
		made, err := r.say(ctx)
		if err != nil {
			pause(ctx, sayEvery/10)
			continue
		}
		p.listening.Store(true)
		if made && listening {
			p.forsake()
		}
		for ctx.Err() == nil && !r.due() {
			messages, err := r.next(ctx)
			if err != nil {
				pause(ctx, sayEvery/10)
				break
			}
			for _, m := range messages {
				p.deliver(&r, m)
			}
		}
	}
	p.hangUp(ctx)
	return nil
}

// listen makes the stream for replies, before the first call is accepted: what is
// sent to a stream that does not exist is dropped.
func (p *Producer) listen(ctx context.Context) error {
	if p.listening.Load() {
		return nil
	}
	r := reader{queue: p.queue, gateway: p.gateway}
	if _, err := r.say(ctx); err != nil {
		return err
	}
	p.listening.Store(true)
	return nil
}

// forsake ends the wait for all calls that were accepted: the stream was lost,
// and their replies may have been.
func (p *Producer) forsake() {
	for _, t := range p.waiting.all() {
		if t.queued() && p.giveUp(t) {
			t.settle(answer{err: fmt.Errorf("%w: Redis lost the replies to this gateway", ErrUnavailable)})
		}
	}
}

// knock ends the last read when ctx is done, which it would not notice.
func (p *Producer) knock(ctx context.Context) error {
	<-ctx.Done()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	// If it fails the read ends by itself.
	_ = p.queue.redis.XAdd(ctx, &redis.XAddArgs{
		Stream: p.queue.keys.replies(p.gateway), NoMkStream: true, Values: []string{"", ""},
	}).Err()
	return nil
}

// hangUp drops the stream, so that workers send nothing there any more.
func (p *Producer) hangUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	// If it fails the stream expires.
	_ = p.queue.redis.Unlink(ctx, p.queue.keys.replies(p.gateway), p.queue.keys.replyBytes(p.gateway)).Err()
}

// deliver hands the replies of one entry to who waits for them.
func (p *Producer) deliver(r *reader, m redis.XMessage) {
	r.last = m.ID
	r.entries++
	for id, v := range m.Values {
		body := text(v)
		r.size += len(body)
		reply, hint, err := decodeReply(bytesOf(body)) // outputs are never written to
		switch {
		case err != nil:
			p.waiting.settle(id, answer{err: err})
		case hint:
			p.waiting.hint(id)
		default:
			p.waiting.settle(id, answer{reply: reply})
		}
	}
}

// reader reads one gateway's replies. It belongs to one goroutine.
type reader struct {
	queue   *Queue
	gateway string

	last    string // the last entry read
	entries int    // since said
	size    int
	said    time.Time
}

// due reports whether it is time to say how far the reader has read.
func (r *reader) due() bool {
	return r.entries >= maxUnsaid || r.size >= maxUnsaidSize || time.Since(r.said) >= sayEvery
}

// say reports whether the stream had to be made, because Redis lost it or this
// gateway was not heard of for too long.
func (r *reader) say(ctx context.Context) (made bool, err error) {
	last := r.last
	if r.entries == 0 {
		last = ""
	}
	there, err := r.queue.scripts.run(ctx, &r.queue.scripts.read,
		[]string{r.queue.keys.replies(r.gateway), r.queue.keys.replyBytes(r.gateway)},
		last, r.size, replyTTL.Milliseconds())
	if err != nil {
		return false, err
	}
	made = number(there) == 0
	if made {
		r.last = "0"
	}
	r.entries, r.size, r.said = 0, 0, time.Now()
	return made, nil
}

func (r *reader) next(ctx context.Context) ([]redis.XMessage, error) {
	streams, err := r.queue.block.XRead(ctx, &redis.XReadArgs{
		Streams: []string{r.queue.keys.replies(r.gateway), r.last}, Count: maxUnsaid, Block: maxBlock,
	}).Result()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, unavailable("read replies", err)
	}
	return streams[0].Messages, nil
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// waiting knows who waits for what.
type waiting struct {
	shards [64]waitingShard
}

type waitingShard struct {
	mu sync.Mutex
	// calls are awaited calls by id, jobs those who wait for a job to end.
	// Guarded by mu.
	calls map[string]*ticket
	jobs  map[string][]chan struct{}
}

// shard picks by the last byte of the id, which is random.
func (w *waiting) shard(id string) *waitingShard {
	if id == "" {
		return &w.shards[0]
	}
	return &w.shards[id[len(id)-1]%64]
}

func (w *waiting) add(t *ticket) {
	id := t.call.ID
	s := w.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls == nil {
		s.calls = map[string]*ticket{}
	}
	s.calls[id] = t
}

func (w *waiting) remove(t *ticket) {
	s := w.shard(t.call.ID)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls[t.call.ID] == t {
		delete(s.calls, t.call.ID)
	}
}

// all returns who waits for a reply.
func (w *waiting) all() []*ticket {
	var ts []*ticket
	for i := range w.shards {
		s := &w.shards[i]
		s.mu.Lock()
		for _, t := range s.calls {
			ts = append(ts, t)
		}
		s.mu.Unlock()
	}
	return ts
}

// settle ends the wait for a call, if there is one.
func (w *waiting) settle(id string, a answer) {
	s := w.shard(id)
	s.mu.Lock()
	t := s.calls[id]
	s.mu.Unlock()
	if t != nil {
		t.settle(a)
	}
}

// watch returns a channel that is sent to when the job is said to have ended,
// and a function that ends that.
func (w *waiting) watch(id string) (ended <-chan struct{}, forget func()) {
	s, c := w.shard(id), make(chan struct{}, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.jobs == nil {
		s.jobs = map[string][]chan struct{}{}
	}
	s.jobs[id] = append(s.jobs[id], c)
	return c, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for i, other := range s.jobs[id] {
			if other == c {
				s.jobs[id] = append(s.jobs[id][:i:i], s.jobs[id][i+1:]...)
			}
		}
		if len(s.jobs[id]) == 0 {
			delete(s.jobs, id)
		}
	}
}

func (w *waiting) hint(id string) {
	s := w.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.jobs[id] {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

package queue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ekiben/ekiben/tensor"
)

// Producer is a gateway's end of the queue: it enqueues calls and receives their
// replies. [Producer.Run] must run while it is used.
type Producer struct {
	queue   *Queue
	gateway string

	// intake takes calls to the acceptor of their runner.
	intake [acceptors]chan *ticket

	// withdrawn are queued calls that nobody waits for any more.
	withdrawn chan *ticket

	waiting waiting

	// listening is set once this gateway has a stream for replies. No call is
	// accepted before.
	listening atomic.Bool

	// stopped is closed when Run returns.
	stopped chan struct{}
}

// acceptors is how many goroutines accept calls. All calls of a runner go
// through one of them, in order.
const acceptors = 4

// ticket is a call on its way: to the queue, and for an awaited one to its
// reply.
type ticket struct {
	call     *Call
	envelope []byte
	body     body

	// done gets what ends the wait, once: the reply of an awaited call, the
	// acceptance of a job, or an error.
	done chan answer

	mu sync.Mutex
	// at is where the call was queued. Guarded by mu.
	at place
	// abandoned: nobody waits for it any more. Guarded by mu.
	abandoned bool
}

type answer struct {
	reply Reply
	err   error

	// created is when a job was accepted; zero if there was one with its id.
	// ahead is how many calls waited before it.
	created time.Time
	ahead   int
}

// settle ends the wait, unless it has ended.
func (t *ticket) settle(a answer) {
	select {
	case t.done <- a:
	default:
	}
}

// accepted notes where the call was queued. It reports whether somebody still
// waits for it.
func (t *ticket) accepted(at place) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.at = at
	return !t.abandoned
}

// queued reports whether the call is known to have been accepted.
func (t *ticket) queued() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.at.entry != ""
}

// abandon notes that nobody waits any more. It reports whether the call is
// known to be queued.
func (t *ticket) abandon() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.abandoned = true
	return t.at.entry != ""
}

// NewProducer returns the producer of a gateway. gateway is unique among those
// that run.
func (q *Queue) NewProducer(gateway string) *Producer {
	p := &Producer{
		queue: q, gateway: gateway,
		withdrawn: make(chan *ticket, 4096),
		stopped:   make(chan struct{}),
	}
	for i := range p.intake {
		p.intake[i] = make(chan *ticket, 1024)
	}
	return p
}

// Run accepts calls and receives replies until ctx is done. It then returns nil;
// calls still waiting fail with [ErrUnavailable].
func (p *Producer) Run(ctx context.Context) error {
	defer close(p.stopped)
	g, ctx := errgroup.WithContext(ctx)
	for _, in := range p.intake {
		g.Go(func() error { return p.accept(ctx, in) })
	}
	g.Go(func() error { return p.withdraw(ctx) })
	g.Go(func() error { return p.receive(ctx) })
	g.Go(func() error { return p.knock(ctx) })
	return g.Wait() //nolint:wrapcheck // none of them fails
}

// lastWord is how long after its deadline an awaited call still has its reply: a worker
// that stops it then says that it had begun, which we do not know.
const lastWord = 300 * time.Millisecond

// Do enqueues an awaited call and waits for its reply. It returns [ErrFull],
// [ErrNoWorker] or [ErrUnavailable] if the call was not accepted or that is not
// known, and [ErrDeadline] if it was not answered in time. If ctx ends first the
// call is withdrawn from the queue and the error is ctx's. A call that the
// runner failed is a Reply with Err.
func (p *Producer) Do(ctx context.Context, call Call) (Reply, error) {
	call.job, call.replyTo = false, p.gateway
	t, err := p.queue.newTicket(&call)
	if err != nil {
		return Reply{}, err
	}
	p.waiting.add(t)
	defer p.waiting.remove(t)
	if err := p.send(ctx, t); err != nil {
		return Reply{}, err
	}
	deadline := time.NewTimer(call.Timeout + lastWord)
	defer deadline.Stop()
	select {
	case a := <-t.done:
		a.reply.ID = call.ID
		return a.reply, a.err
	case <-deadline.C:
		p.giveUp(t)
		return Reply{}, fmt.Errorf("%w: not answered within %s", ErrDeadline, call.Timeout)
	case <-ctx.Done():
		p.giveUp(t)
		return Reply{}, fmt.Errorf("queue: call %s: %w", call.ID, context.Cause(ctx))
	case <-p.stopped:
		return Reply{}, fmt.Errorf("%w: the gateway stopped", ErrUnavailable)
	}
}

// Submit enqueues a job and returns once it is accepted. Errors are those of
// [Producer.Do]. A job with the same id that exists already is returned as it
// is.
func (p *Producer) Submit(ctx context.Context, call Call) (Job, error) {
	call.job, call.replyTo = true, p.gateway
	const attempts = 3
	for attempt := 1; ; attempt++ {
		// A new ticket each time: the old one may still be on its way. The script
		// recognizes the id, so nothing is queued twice.
		t, err := p.queue.newTicket(&call)
		if err != nil {
			return Job{}, err
		}
		if err := p.send(ctx, t); err != nil {
			return Job{}, err
		}
		select {
		case a := <-t.done:
			if errors.Is(a.err, ErrUnavailable) && attempt < attempts {
				continue
			}
			if a.err != nil {
				return Job{}, a.err
			}
			if a.created.IsZero() {
				return p.queue.Job(ctx, call.ID)
			}
			return accepted(&call, a), nil
		case <-ctx.Done():
			return Job{}, fmt.Errorf("%w: job %s: %w", ErrUnavailable, call.ID, context.Cause(ctx))
		case <-p.stopped:
			return Job{}, fmt.Errorf("%w: the gateway stopped", ErrUnavailable)
		}
	}
}

// accepted is a job that was accepted just now.
func accepted(c *Call, a answer) Job {
	j := Job{
		ID: c.ID, Runner: c.Runner, Method: c.Method, State: Queued, Lane: c.Lane, Rows: c.Rows,
		RetriesLeft: c.Retry.Most, Ahead: a.ahead, Created: a.created,
	}
	from := a.created
	if delay := c.Delay.Truncate(time.Microsecond); delay > 0 {
		from = from.Add(delay)
		j.RunAt = from
	}
	j.StartBy, j.Deadline = from.Add(c.begin().Truncate(time.Microsecond)), from.Add(c.Timeout.Truncate(time.Microsecond))
	return j
}

func (q *Queue) newTicket(call *Call) (*ticket, error) {
	if err := checkFields(call); err != nil {
		return nil, err
	}
	t := &ticket{call: call, done: make(chan answer, 1)}
	t.envelope, t.body = q.pack(call)
	return t, nil
}

// pack writes a call, with its inputs in a body if they are large.
func (q *Queue) pack(call *Call) (envelope []byte, apart body) {
	if call.apart = tensor.NamedSize(call.Inputs) > q.config.MaxInline; call.apart {
		apart = newBody(tensor.AppendNamed(make([]byte, 0, tensor.NamedSize(call.Inputs)), call.Inputs))
	}
	return appendEnvelope(make([]byte, 0, envelopeSize(call)), call), apart
}

// size is how many bytes the call takes in Redis.
func (t *ticket) size() int { return len(t.envelope) + len(t.body.bytes) }

// send hands the ticket to its runner's acceptor.
func (p *Producer) send(ctx context.Context, t *ticket) error {
	hash := uint32(2166136261) // FNV-1a
	for i := range len(t.call.Runner) {
		hash = (hash ^ uint32(t.call.Runner[i])) * 16777619
	}
	select {
	case p.intake[hash%acceptors] <- t:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("queue: call %s: %w", t.call.ID, context.Cause(ctx))
	case <-p.stopped:
		return fmt.Errorf("%w: the gateway stopped", ErrUnavailable)
	}
}

// giveUp takes an awaited call off the queue, if it still is in it. If too many
// calls are given up at once the deadline does it. It reports whether the call is
// known to have been accepted; if not, its acceptor will see.
func (p *Producer) giveUp(t *ticket) bool {
	if !t.abandon() {
		return false
	}
	select {
	case p.withdrawn <- t:
	default:
	}
	return true
}

// withdraw takes abandoned calls off the queue.
func (p *Producer) withdraw(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case t := <-p.withdrawn:
			evs := []evaluation{p.withdrawal(t)}
			for len(evs) < maxIDs && len(p.withdrawn) > 0 {
				evs = append(evs, p.withdrawal(<-p.withdrawn))
			}
			// What fails here ends at its deadline.
			_, _ = p.queue.scripts.runAll(ctx, evs)
		}
	}
}

func (p *Producer) withdrawal(t *ticket) evaluation {
	t.mu.Lock()
	defer t.mu.Unlock()
	return evaluation{&p.queue.scripts.cancel, p.queue.keys.shardKeys(t.call.Runner), []any{
		"", t.at.lane, t.at.entry, p.queue.config.Retention.Milliseconds(),
	}}
}

package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Ask is a question to the queue: take at most Rows rows if at least Enough
// wait, or if the oldest call has waited Age.
type Ask struct {
	Rows, Enough int
	Age          time.Duration

	// Need is how long the batch is expected to take, 0 if that is not known. A
	// call that has less time left would end too late: it expires instead, if a
	// full batch waits behind it.
	Need time.Duration
}

// Facts are what the queue knows at the moment of a cut, before it.
type Facts struct {
	// Now is Redis's clock.
	Now time.Duration
	// Rows and Calls wait.
	Rows, Calls int
	// Oldest and Newest are the ages of the oldest and newest call that waits.
	Oldest, Newest time.Duration
	// Left is the time to the nearest deadline, 0 if there is none.
	Left time.Duration
	// Arrived counts the rows accepted so far.
	Arrived int64
}

// Cut is the answer to an [Ask].
type Cut struct {
	// Deliveries are the batch, in order of arrival. None: not yet.
	Deliveries []Delivery
	Facts
	// More calls wait behind the batch.
	More bool
}

// Delivery is a call in the hands of one consumer.
type Delivery struct {
	Call

	// Waited is the time from acceptance to the cut.
	Waited time.Duration

	// Left is the time from the cut to the deadline, StartLeft that within which
	// execution must begin.
	Left, StartLeft time.Duration

	// Suspect: the call lost a worker or crashed its instance before, and comes
	// alone.
	Suspect bool

	at    place
	bytes int64
	share string
	body  string // its name, "" for none
}

// beside is what stands beside an envelope, see envelope.go.
type beside struct {
	rows                        int
	bytes                       int64
	accepted, startBy, deadline time.Duration
	share, job, group           string
}

func besideOf(m string) (beside, error) {
	v := strings.SplitN(m, " ", 8)
	if len(v) < 8 {
		return beside{}, fmt.Errorf("%w: %d values beside the envelope", ErrMalformed, len(v))
	}
	return beside{
		rows: int(number(v[0])), bytes: number(v[1]), accepted: micros(v[2]), startBy: micros(v[3]), deadline: micros(v[4]),
		share: v[5], job: v[6], group: v[7],
	}, nil
}

// place is where an entry is.
type place struct {
	lane  int
	entry string
}

// Consumer takes the calls of one runner, for one instance. One goroutine uses
// it, but [Consumer.Renew] and [Consumer.Ring] may be called beside it.
type Consumer struct {
	queue        *Queue
	runner, name string
	keys         []string

	// unsure is set when a cut may have delivered what never arrived here. Only
	// the using goroutine touches it.
	unsure bool

	mu sync.Mutex
	// held are the deliveries of this consumer, by call id. Guarded by mu.
	held map[place]string
	// leaving are those of them that are being ended or given back: that they are
	// not held any more does not mean that they are lost. Guarded by mu.
	leaving map[place]int

	post post
}

// NewConsumer returns the consumer of a worker's instance. worker is unique
// among all that ever were.
func (q *Queue) NewConsumer(runner, worker string, instance int) *Consumer {
	return &Consumer{
		queue: q, runner: runner, name: worker + "/" + strconv.Itoa(instance),
		keys: q.keys.shardKeys(runner), held: map[place]string{}, leaving: map[place]int{},
	}
}

// Cut asks for a batch. Calls that cannot be decoded do not come out of it: they
// become dead letters.
func (c *Consumer) Cut(ctx context.Context, ask Ask) (Cut, error) {
	if c.unsure {
		if err := c.release(ctx, "except", c.places()); err != nil {
			return Cut{}, unavailable("release what a cut may have delivered", err)
		}
		c.unsure = false
	}
	answer, err := c.queue.scripts.run(ctx, &c.queue.scripts.cut, c.keys,
		c.name, ask.Rows, ask.Enough, ask.Age.Microseconds(), c.queue.config.Retention.Milliseconds(), maxCutBytes,
		c.queue.config.Aging.Microseconds(), ask.Need.Microseconds())
	if err != nil {
		c.unsure = isConnection(err)
		return Cut{}, unavailable("cut a batch of "+c.runner, err)
	}
	return c.read(ctx, answer)
}

// Fields of the answer to a cut, and of each call in it.
const (
	cutFacts = 8
	cutCall  = 6
	cutBody  = 5
	// hadBegun is what is said of a suspect that ran when its instance crashed.
	hadBegun = 2
)

func (c *Consumer) read(ctx context.Context, answer any) (Cut, error) {
	l, err := list(answer)
	if err != nil || len(l) < cutFacts || (len(l)-cutFacts)%cutCall != 0 {
		return Cut{}, fmt.Errorf("%w: a cut answered %d values", ErrMalformed, len(l))
	}
	out := Cut{Facts: Facts{
		Now: micros(l[0]), Calls: int(number(l[1])), Rows: int(number(l[2])),
		Oldest: micros(l[3]), Newest: micros(l[4]), Arrived: number(l[6]),
	}, More: number(l[7]) == 1}
	if left := number(l[5]); left >= 0 {
		out.Left = max(time.Duration(left)*time.Microsecond, time.Microsecond)
	}
	calls := slices.Collect(slices.Chunk(l[cutFacts:], cutCall))
	names := make([]string, len(calls))
	for i, call := range calls {
		names[i] = text(call[cutBody])
	}
	bodies, err := c.queue.bodies(ctx, c.runner, names)
	if err != nil {
		c.unsure = true
		return Cut{}, err
	}
	for i, call := range calls {
		d, job, err := c.delivery(call, out.Now)
		if err == nil {
			err = d.take(bodies[i])
		}
		if err != nil {
			c.bury(ctx, d, job, err)
			continue
		}
		out.Deliveries = append(out.Deliveries, d)
	}
	c.hold(out.Deliveries)
	return out, nil
}

// delivery decodes one call of a cut. job is the id of the job, if it is one,
// even if the call cannot be decoded.
func (c *Consumer) delivery(l []any, now time.Duration) (d Delivery, job string, err error) {
	d = Delivery{at: place{int(number(l[0])), text(l[1])}, Suspect: number(l[2]) > 0, body: text(l[cutBody])}
	beside, err := besideOf(text(l[4]))
	if err != nil {
		return d, "", err
	}
	job = beside.job
	d.bytes, d.share, d.Waited = beside.bytes, beside.share, now-beside.accepted
	d.StartLeft, d.Left = beside.startBy-now, beside.deadline-now
	if number(l[2]) == hadBegun {
		d.StartLeft = d.Left
	}
	call, err := decodeEnvelope(bytesOf(text(l[3])))
	if err != nil {
		d.Call = call
		return d, job, err
	}
	call.Runner, call.Rows, call.Group = c.runner, beside.rows, beside.group
	if call.Rows < 1 || call.job != (job != "") || call.apart != (d.body != "") {
		d.Call = call
		return d, job, fmt.Errorf("%w: the envelope contradicts what is beside it", ErrMalformed)
	}
	call.Timeout = d.Left + d.Waited
	d.Call = call
	return d, job, nil
}

// bury gives up a delivery that cannot be decoded, and tells who waits for it if
// that much is known. If it fails, the next cut gives the delivery back and comes
// across it again.
func (c *Consumer) bury(ctx context.Context, d Delivery, job string, reason error) {
	reply := appendReply(nil, &Reply{Err: &CallError{Code: CodeMismatch, Message: reason.Error()}})
	told := mailbag{}
	if !d.job {
		told.add(d.replyTo, d.ID, reply)
	}
	evs := append(told.checked(c.queue), evaluation{&c.queue.scripts.bury, c.keys, []any{
		d.at.lane, d.at.entry, reason.Error(), job, reply, c.queue.config.Retention.Milliseconds(),
	}})
	_, err := c.queue.scripts.runAll(ctx, evs)
	c.unsure = c.unsure || err != nil
}

func (c *Consumer) hold(ds []Delivery) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range ds {
		c.held[d.at] = d.ID
	}
}

func (c *Consumer) letGo(ds ...Delivery) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range ds {
		delete(c.held, d.at)
	}
}

// leave notes that deliveries are being ended or given back, until the function
// that it returns is called.
func (c *Consumer) leave(ps []place) (done func()) {
	count := func(n int) {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, p := range ps {
			if c.leaving[p] += n; c.leaving[p] == 0 {
				delete(c.leaving, p)
			}
		}
	}
	count(1)
	return func() { count(-1) }
}

// placesOf are where deliveries are.
func placesOf(ds []Delivery) []place {
	ps := make([]place, len(ds))
	for i, d := range ds {
		ps[i] = d.at
	}
	return ps
}

func (c *Consumer) places() []place {
	c.mu.Lock()
	defer c.mu.Unlock()
	ps := make([]place, 0, len(c.held))
	for p := range c.held {
		ps = append(ps, p)
	}
	return ps
}

// Wait waits for the bell, for at most d and at most about a second. It reports
// whether it rang. While it waits it does not notice the end of ctx.
func (c *Consumer) Wait(ctx context.Context, d time.Duration) (bool, error) {
	if d = min(d, maxBlock); d < time.Millisecond {
		d = time.Millisecond // Redis would take 0 for ever
	}
	seconds := strconv.FormatFloat(d.Seconds(), 'f', 6, 64)
	err := c.queue.block.Do(ctx, "BLPOP", c.queue.keys.bell(c.runner), seconds).Err()
	if errors.Is(err, redis.Nil) {
		return false, nil
	}
	if err != nil {
		return false, unavailable("wait for the bell of "+c.runner, err)
	}
	return true, nil
}

// Ring rings the bell for another instance, for one that heard it but stops.
func (c *Consumer) Ring(ctx context.Context) error {
	pipe, bell := c.queue.redis.Pipeline(), c.queue.keys.bell(c.runner)
	pipe.LPush(ctx, bell, "1")
	pipe.LTrim(ctx, bell, 0, 0)
	if _, err := pipe.Exec(ctx); err != nil {
		return unavailable("ring the bell of "+c.runner, err)
	}
	return nil
}

// Release gives calls back that were not executed. They keep their place.
func (c *Consumer) Release(ctx context.Context, ds []Delivery) error {
	ps := placesOf(ds)
	defer c.leave(ps)()
	if err := c.release(ctx, "only", ps); err != nil {
		return unavailable("release calls of "+c.runner, err)
	}
	c.letGo(ds...)
	return nil
}

func (c *Consumer) release(ctx context.Context, which string, ps []place) error {
	_, err := c.queue.scripts.run(ctx, &c.queue.scripts.release, c.keys, appendPlaces([]any{c.name, which, c.queue.config.Retention.Milliseconds(), len(ps)}, ps)...)
	return err
}

func appendPlaces(args []any, ps []place) []any {
	for _, p := range ps {
		args = append(args, p.lane, p.entry)
	}
	return args
}

// Leave gives back whatever the consumer still holds.
func (c *Consumer) Leave(ctx context.Context) error {
	if err := c.release(ctx, "except", nil); err != nil {
		return unavailable("leave "+c.runner, err)
	}
	c.mu.Lock()
	clear(c.held)
	c.mu.Unlock()
	return nil
}

// Bounds of what one script handles. Redis serves nobody else meanwhile.
const (
	maxCutBytes    = 32 << 20
	maxFinishBytes = 8 << 20
)

// maxIDs is how many calls one script handles: its lists go through Lua's stack.
const maxIDs = 128

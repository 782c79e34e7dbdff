package worker_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
	"github.com/ekiben/ekiben/worker"
)

// fakeQueue is a queue in memory, of one runner. Its clock is that of the test.
type fakeQueue struct {
	lease     time.Duration
	cutTakes  time.Duration
	finishing time.Duration // how long a Finish takes
	renewing  time.Duration // how long the answer to a Renew is under way

	mu       sync.Mutex
	down     bool // nothing works
	failing  map[string]error
	waiting  []queue.Delivery // Waited holds the time of acceptance until the cut
	start    time.Time
	arrived  int64
	bell     bool
	ringAt   int           // rows that ring the bell when a call comes,
	until    time.Duration // or the time from which any call does
	rings    int
	spec     []byte
	others   []queue.Heartbeat // of workers beside the one under test
	replies  map[string]queue.Reply
	finished [][]string // ids, a Finish each
	released []string
	left     int      // how often the worker did
	mostHeld int      // by one consumer at a time
	doubled  []string // ended twice
	events   []event
	beats    []queue.Heartbeat
	lost     []string // what the next Renew answers
	canceled []string // and what every one does while they are held
	crashed  [][]string
	how      queue.Crash // the last of them
	buries   bool        // what crashes is given up
	swept    queue.Swept
}

// event is something that a worker did, and when.
type event struct {
	what string
	at   time.Duration
}

func newFakeQueue() *fakeQueue {
	return &fakeQueue{lease: 15 * time.Second, start: time.Now(), replies: map[string]queue.Reply{}, failing: map[string]error{}}
}

// step notes an event and answers whether it fails. The lock is held.
func (q *fakeQueue) step(what string) error {
	q.events = append(q.events, event{what, time.Since(q.start)})
	if q.down {
		return fmt.Errorf("%w: %s", queue.ErrUnavailable, what)
	}
	return q.failing[what]
}

// times are when the worker did something.
func (q *fakeQueue) times(what string) []time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	var ts []time.Duration
	for _, e := range q.events {
		if e.what == what {
			ts = append(ts, e.at)
		}
	}
	return ts
}

// do changes the queue, or looks at it, while a worker uses it.
func (q *fakeQueue) do(f func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	f()
}

// lastBeat is the last heartbeat.
func (q *fakeQueue) lastBeat() (b queue.Heartbeat) {
	q.do(func() {
		if n := len(q.beats); n > 0 {
			b = q.beats[n-1]
		}
	})
	return b
}

// published is the spec.
func (q *fakeQueue) published() (spec string) {
	q.do(func() { spec = string(q.spec) })
	return spec
}

// put accepts calls.
func (q *fakeQueue) put(ds ...queue.Delivery) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, d := range ds {
		d.Waited = time.Since(q.start)
		q.arrived += int64(d.Rows)
		q.waiting = append(q.waiting, d)
	}
	rows := 0
	for _, d := range q.waiting {
		rows += d.Rows
	}
	q.bell = q.bell || rows >= q.ringAt || time.Since(q.start) >= q.until
}

func (q *fakeQueue) Announce(_ context.Context, _ string, spec []byte) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.step("announce"); err != nil {
		return err
	}
	q.spec = spec
	return nil
}

func (q *fakeQueue) Spec(context.Context, string) ([]byte, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.step("spec"); err != nil {
		return nil, err
	}
	if q.spec == nil {
		return nil, queue.ErrUnknownRunner
	}
	return q.spec, nil
}

func (q *fakeQueue) Beat(_ context.Context, _ string, beat queue.Heartbeat) (bool, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.step("beat"); err != nil {
		return false, err
	}
	q.beats = append(q.beats, beat)
	return q.spec != nil, nil
}

func (q *fakeQueue) Workers(context.Context, string) ([]queue.Heartbeat, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.others, q.step("workers")
}

func (q *fakeQueue) Leave(context.Context, string, string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.left++
	return q.step("leave")
}

func (q *fakeQueue) Sweep(context.Context, string) (queue.Swept, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.swept, q.step("sweep")
}

func (q *fakeQueue) Lease() time.Duration { return q.lease }

func (q *fakeQueue) NewConsumer(string, string, int) worker.Consumer { return &fakeConsumer{q: q} }

// stage is a worker under test and what stands around it.
type stage struct {
	t       *testing.T
	queue   *fakeQueue
	worker  *worker.Worker
	metrics *prometheus.Registry
	log     *bytes.Buffer
	stop    context.CancelFunc
	done    chan error
}

const served = "fake"

// options are those of the runner under test: take what is there, eight rows at
// most.
func options() runnables.Runner {
	return runnables.Runner{Name: served, Runnable: "fake", Batching: runnables.BatchNone, MaxBatchSize: 8}
}

// play makes a worker of a runnable and starts it. It must be called in a
// synctest bubble.
func play(t *testing.T, q *fakeQueue, r runnables.Runner, kind runnables.Kind) *stage {
	t.Helper()
	s := &stage{t: t, queue: q, metrics: prometheus.NewRegistry(), log: &bytes.Buffer{}, done: make(chan error, 1)}
	c := worker.Config{ID: "w", DrainTimeout: 25 * time.Second}
	log := slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelInfo}))
	var err error
	s.worker, err = worker.New(c, q, runnables.Kinds{"fake": kind}, worker.Anywhere(r), worker.Telemetry{Log: log, Metrics: s.metrics})
	if err != nil {
		t.Fatal(err)
	}
	var ctx context.Context
	ctx, s.stop = context.WithCancel(t.Context())
	go func() { s.done <- s.worker.Run(ctx) }()
	return s
}

// end stops the worker and waits for it.
func (s *stage) end() {
	s.t.Helper()
	s.stop()
	if err := <-s.done; err != nil {
		s.t.Errorf("Run() = %v", err)
	}
}

// kindOf makes a kind of a runnable's methods.
func kindOf(ms ...runnables.Method) runnables.Kind {
	return runnables.Kind{New: func(context.Context, runnables.Setup) (runnables.Runnable, error) { return runnables.New(ms...) }}
}

// double is a method that answers twice every number of its input, after what
// hook says.
func double(name string, hook func(ctx context.Context, rows []int64) error) runnables.Method {
	return runnables.Batch(name, "x", func(ctx context.Context, in []int64) ([]int64, error) {
		if hook != nil {
			if err := hook(ctx, in); err != nil {
				if _, rows := err.(runnables.RowErrors); !rows {
					return nil, err
				}
				return doubled(in), err
			}
		}
		return doubled(in), nil
	})
}

func doubled(in []int64) []int64 {
	out := make([]int64, len(in))
	for i, v := range in {
		out[i] = 2 * v
	}
	return out
}

// call is a call of a method of [double], with an hour to its deadline.
func call(id int, values ...int64) queue.Delivery {
	return callOf("run", id, values...)
}

func callOf(method string, id int, values ...int64) queue.Delivery {
	in, err := tensor.Of([]int{len(values)}, values)
	if err != nil {
		panic(err)
	}
	return queue.Delivery{Call: queue.Call{
		ID: strconv.Itoa(id), Runner: served, Method: method, Rows: len(values), Group: method,
		Inputs: []tensor.Named{{Name: "x", Tensor: in}},
	}, Left: time.Hour, StartLeft: time.Hour}
}

// valuesOf are the numbers of a reply, or the code of its error.
func valuesOf(r queue.Reply, ok bool) string {
	if !ok {
		return "none"
	}
	if r.Err != nil {
		return r.Err.Code
	}
	if len(r.Outputs) != 1 {
		return fmt.Sprintf("%d outputs", len(r.Outputs))
	}
	vs, err := tensor.Values[int64](r.Outputs[0].Tensor)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(vs)
}

// ints are the numbers of a call.
func ints(d queue.Delivery) []int64 {
	vs, err := tensor.Values[int64](d.Inputs[0].Tensor)
	if err != nil {
		panic(err)
	}
	return vs
}

// want checks the reply to a call.
func (q *fakeQueue) want(t *testing.T, id int, want string) {
	t.Helper()
	q.mu.Lock()
	defer q.mu.Unlock()
	r, ok := q.replies[strconv.Itoa(id)]
	if got := valuesOf(r, ok); got != want {
		t.Errorf("call %d was answered %s, want %s (%v)", id, got, want, r.Err)
	}
}

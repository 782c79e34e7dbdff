package queuetest

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/tensor"
)

// runner is the one that most tests use.
const runner = "ocr"

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

// scene is one test: a queue, a gateway, and what tests do with them.
type scene struct {
	Backend
	Producer

	t *testing.T
}

func newScene(t *testing.T, b Backend) *scene {
	t.Helper()
	return &scene{Backend: b, Producer: b.NewProducer("gateway"), t: t}
}

// failer is a test: a [testing.T] or a rapid.T.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// await polls until what is said is true.
func await(t failer, what string, is func() bool) {
	t.Helper()
	every := time.NewTicker(2 * time.Millisecond)
	defer every.Stop()
	for late := time.After(patience); !is(); {
		select {
		case <-every.C:
		case <-late:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// pass lets time go by.
func pass(d time.Duration) { <-time.After(d) }

// must fails the test on an error.
func must[T any](v T, err error) func(failer) T {
	return func(t failer) T {
		t.Helper()
		if err != nil {
			t.Fatalf("%v", err)
		}
		return v
	}
}

// order is a call to be made; label is its input.
type order struct {
	label   string
	rows    int
	group   string
	lane    queue.Lane
	timeout time.Duration
	caller  string
	// change changes the call at last.
	change func(*queue.Call)
}

// of is an order of one group.
func of(label string, rows int) order { return order{label: label, rows: rows, group: "g"} }

func (o order) call() queue.Call {
	in, err := tensor.OfStrings([]int{1}, []string{o.label})
	if err != nil {
		panic(err) // the shape is right
	}
	c := queue.Call{
		ID: queue.NewID(runner), Runner: runner, Method: "read", Lane: o.lane, Rows: o.rows, Group: o.group,
		Inputs: []tensor.Named{{Name: "page", Tensor: in}}, Timeout: o.timeout, Caller: o.caller,
		Admission: queue.Admission{MaxCalls: 10000, MaxBytes: 1 << 30},
	}
	if c.Timeout == 0 {
		c.Timeout = time.Hour
	}
	if o.change != nil {
		o.change(&c)
	}
	return c
}

// submit queues jobs and returns their ids.
func (s *scene) submit(orders ...order) []string {
	s.t.Helper()
	var ids []string
	for _, o := range orders {
		ids = append(ids, must(s.Submit(s.t.Context(), o.call()))(s.t).ID)
	}
	return ids
}

// reply is what came of an awaited call.
type reply struct {
	queue.Reply

	err error
}

// do makes awaited calls and returns once they are queued.
func (s *scene) do(orders ...order) []<-chan reply {
	s.t.Helper()
	var replies []<-chan reply
	for _, o := range orders {
		before, done := s.stats().Accepted, make(chan reply, 1)
		go func() {
			r, err := s.Do(s.t.Context(), o.call())
			done <- reply{r, err}
		}()
		await(s.t, "the call is queued", func() bool { return s.stats().Accepted > before })
		replies = append(replies, done)
	}
	return replies
}

// receive returns what came of an awaited call.
func (s *scene) receive(c <-chan reply) reply {
	s.t.Helper()
	select {
	case r := <-c:
		return r
	case <-time.After(patience):
		s.t.Fatal("the call was never answered")
		return reply{}
	}
}

// consumer is an instance of worker w.
func (s *scene) consumer(w string) Consumer { return s.NewConsumer(runner, w, 0) }

// cut asks for at most rows, whatever waits.
func (s *scene) cut(c Consumer, rows int) queue.Cut {
	s.t.Helper()
	return must(c.Cut(s.t.Context(), queue.Ask{Rows: rows, Enough: 1}))(s.t)
}

// wantCut cuts and compares labels.
func (s *scene) wantCut(c Consumer, rows int, want ...string) queue.Cut {
	s.t.Helper()
	cut := s.cut(c, rows)
	if got := labels(cut.Deliveries); !slices.Equal(got, want) {
		s.t.Fatalf("cut %q, want %q", got, want)
	}
	return cut
}

func labels(ds []queue.Delivery) []string {
	var ls []string
	for _, d := range ds {
		ls = append(ls, label(d.Inputs))
	}
	return ls
}

func label(ns []tensor.Named) string {
	if len(ns) != 1 {
		return ""
	}
	return ns[0].Tensor.Strings()[0]
}

// echo answers every delivery with its input.
func echo(ds []queue.Delivery) []queue.Outcome {
	out := make([]queue.Outcome, len(ds))
	for i, d := range ds {
		out[i] = queue.Outcome{Delivery: d, Reply: queue.Reply{Outputs: d.Inputs}}
	}
	return out
}

// fail lets every delivery fail.
func fail(ds []queue.Delivery) []queue.Outcome {
	out := make([]queue.Outcome, len(ds))
	for i, d := range ds {
		failure := &queue.CallError{Code: queue.CodeRunnerFailed, Message: "out of ink", Retryable: true}
		out[i] = queue.Outcome{Delivery: d, Reply: queue.Reply{Err: failure}}
	}
	return out
}

// finish ends calls and returns how many outcomes had no effect.
func (s *scene) finish(c Consumer, outcomes []queue.Outcome) int {
	s.t.Helper()
	return must(c.Finish(s.t.Context(), outcomes))(s.t).Lost
}

func (s *scene) sweep() queue.Swept {
	s.t.Helper()
	return must(s.Sweep(s.t.Context(), runner))(s.t)
}

func (s *scene) stats() queue.Stats {
	s.t.Helper()
	return must(s.Stats(context.WithoutCancel(s.t.Context()), runner))(s.t)[0]
}

func (s *scene) job(id string) queue.Job {
	s.t.Helper()
	return must(s.Job(s.t.Context(), id))(s.t)
}

func (s *scene) wantState(id string, want queue.State) {
	s.t.Helper()
	if j := s.job(id); j.State != want {
		s.t.Errorf("the job is %s, want %s", j.State, want)
	}
}

// rest fails the test unless the queue is empty and its counters are 0.
func (s *scene) rest() {
	s.t.Helper()
	if st := s.stats(); st.Depth != 0 || st.Bytes != 0 || st.Waiting != 0 || st.WaitingRows != 0 || st.Oldest != 0 {
		s.t.Errorf("at rest there are %+v", st)
	}
	if s.Leftovers != nil {
		if left := s.Leftovers(runner); len(left) > 0 {
			s.t.Errorf("at rest there are %s", strings.Join(left, ", "))
		}
	}
}

// drain cuts and answers all that is queued, and returns the batches.
func (s *scene) drain(c Consumer, rows int) []string {
	s.t.Helper()
	var batches []string
	for {
		cut := s.cut(c, rows)
		if len(cut.Deliveries) == 0 {
			s.rest()
			return batches
		}
		batches = append(batches, strings.Join(labels(cut.Deliveries), " "))
		s.finish(c, echo(cut.Deliveries))
	}
}

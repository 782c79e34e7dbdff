package queue_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ekiben/ekiben/internal/redistest"
	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/tensor"
)

const runner = "ocr"

// bench is one queue with a producer and what tests need around it.
type bench struct {
	*queue.Queue
	*queue.Producer

	gateway string
	t       *testing.T
}

func setup(t *testing.T, change ...func(*queue.Config)) *bench {
	t.Helper()
	c := queue.DefaultConfig()
	c.URL, c.Prefix = redistest.URL(t), redistest.Prefix()
	for _, f := range change {
		f(&c)
	}
	return connect(t, c)
}

func connect(t *testing.T, c queue.Config) *bench {
	t.Helper()
	q, err := queue.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	gateway := "gw-" + redistest.Prefix()
	p := q.NewProducer(gateway)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run() = %v", err)
		}
		if err := q.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
	return &bench{q, p, gateway, t}
}

func call(s string) queue.Call {
	in, err := tensor.OfStrings([]int{1}, []string{s})
	if err != nil {
		panic(err)
	}
	return queue.Call{
		ID: queue.NewID(runner), Runner: runner, Method: "read", Rows: 1, Group: "read",
		Inputs: []tensor.Named{{Name: "page", Tensor: in}}, Timeout: time.Minute,
		Admission: queue.Admission{MaxCalls: 1000, MaxBytes: 1 << 20},
	}
}

var any32 = queue.Ask{Rows: 32, Enough: 1}

// cut cuts until there is a batch.
func (b *bench) cut(c *queue.Consumer, ask queue.Ask) queue.Cut {
	b.t.Helper()
	for late := time.Now().Add(patience); ; {
		if time.Now().After(late) {
			b.t.Fatalf("nothing is cut: %+v", b.stats())
		}
		got, err := c.Cut(b.t.Context(), ask)
		if err != nil {
			b.t.Fatal(err)
		}
		if len(got.Deliveries) > 0 {
			return got
		}
		if _, err := c.Wait(b.t.Context(), time.Second); err != nil {
			b.t.Fatal(err)
		}
	}
}

// answer answers every delivery with its own first input.
func answer(ds []queue.Delivery) []queue.Outcome {
	out := make([]queue.Outcome, len(ds))
	for i, d := range ds {
		out[i] = queue.Outcome{Delivery: d, Reply: queue.Reply{Outputs: d.Inputs}}
	}
	return out
}

func said(ns []tensor.Named) string { return ns[0].Tensor.Strings()[0] }

func (b *bench) stats() queue.Stats {
	b.t.Helper()
	s, err := b.Stats(b.t.Context(), runner)
	if err != nil {
		b.t.Fatal(err)
	}
	return s[0]
}

func (b *bench) rest() {
	b.t.Helper()
	if s := b.stats(); s.Depth != 0 || s.Bytes != 0 || s.Waiting != 0 || s.WaitingRows != 0 {
		b.t.Errorf("at rest: %+v; want depth, bytes and waiting 0", s)
	}
}

func TestAwaitedCallIsAnswered(t *testing.T) {
	t.Parallel()

	b := setup(t)
	w := b.NewConsumer(runner, "w", 0)
	type result struct {
		queue.Reply
		err error
	}
	done := make(chan result, 1)
	go func() {
		r, err := b.Do(t.Context(), call("hello"))
		done <- result{r, err}
	}()
	batch := b.cut(w, any32)
	if len(batch.Deliveries) != 1 || said(batch.Deliveries[0].Inputs) != "hello" {
		t.Fatalf("got %+v", batch)
	}
	f, err := w.Finish(t.Context(), answer(batch.Deliveries))
	if err != nil || f.Lost != 0 {
		t.Fatalf("Finish() = %+v, %v", f, err)
	}
	r := <-done
	if r.err != nil || r.Err != nil || said(r.Outputs) != "hello" {
		t.Fatalf("Do() = %+v", r)
	}
	b.rest()
}

func TestJobEndsOnce(t *testing.T) {
	t.Parallel()

	b := setup(t)
	w := b.NewConsumer(runner, "w", 0)
	c := call("hello")
	j, err := b.Submit(t.Context(), c)
	if err != nil || j.State != queue.Queued || j.ID != c.ID || j.Method != "read" {
		t.Fatalf("Submit() = %+v, %v", j, err)
	}
	if _, err := b.Result(t.Context(), c.ID); !errors.Is(err, queue.ErrNotDone) {
		t.Errorf("Result() = %v, want ErrNotDone", err)
	}
	again, err := b.Submit(t.Context(), c)
	if err != nil || again.State != queue.Queued || b.stats().Depth != 1 {
		t.Fatalf("second Submit() = %+v, %v with depth %d; want the same job", again, err, b.stats().Depth)
	}
	batch := b.cut(w, any32)
	if j, _ := b.Job(t.Context(), c.ID); j.State != queue.Running || j.Started.IsZero() {
		t.Errorf("Job() = %+v, want it running", j)
	}
	if f, err := w.Finish(t.Context(), answer(batch.Deliveries)); err != nil || f.Lost != 0 {
		t.Fatalf("Finish() = %+v, %v", f, err)
	}
	late := answer(batch.Deliveries)
	late[0].Reply = queue.Reply{Err: &queue.CallError{Code: queue.CodeRunnerFailed, Message: "too late"}}
	if f, err := w.Finish(t.Context(), late); err != nil || f.Lost != 1 {
		t.Errorf("second Finish() = %+v, %v; want it lost", f, err)
	}
	j, err = b.Producer.Wait(t.Context(), c.ID, time.Minute)
	if err != nil || j.State != queue.Succeeded || j.Expires.IsZero() {
		t.Errorf("Wait() = %+v, %v", j, err)
	}
	r, err := b.Result(t.Context(), c.ID)
	if err != nil || said(r.Outputs) != "hello" {
		t.Errorf("Result() = %+v, %v", r, err)
	}
	b.rest()
}

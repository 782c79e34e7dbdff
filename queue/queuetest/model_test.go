package queuetest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/queue/queuetest"
	"github.com/ekiben/ekiben/tensor"
)

func call(t *testing.T) queue.Call {
	t.Helper()
	in, err := tensor.OfStrings([]int{1}, []string{"hello"})
	if err != nil {
		t.Fatal(err)
	}
	return queue.Call{
		ID: queue.NewID("ocr"), Runner: "ocr", Method: "read", Rows: 1, Group: "g",
		Inputs: []tensor.Named{{Name: "page", Tensor: in}}, Timeout: time.Hour,
		Admission: queue.Admission{MaxCalls: 10, MaxBytes: 1 << 20},
	}
}

func TestModelRunsInVirtualTime(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		m := queuetest.NewModel(queue.DefaultConfig())
		p, w := m.NewProducer("gateway"), m.NewConsumer("ocr", "w", 0)
		ctx, stop := context.WithCancel(t.Context())
		go func() { _ = p.Run(ctx) }()
		began := time.Now()

		// Nobody answers: the deadline passes.
		if _, err := p.Do(ctx, call(t)); !errors.Is(err, queue.ErrDeadline) || time.Since(began) != time.Hour {
			t.Errorf("Do() = %v after %s, want ErrDeadline after an hour", err, time.Since(began))
		}

		// An instance waits for company until the call is old enough.
		done := make(chan queue.Reply, 1)
		go func() {
			r, err := p.Do(ctx, call(t))
			if err != nil {
				t.Error(err)
			}
			done <- r
		}()
		synctest.Wait()
		ask := queue.Ask{Rows: 8, Enough: 2, Age: 500 * time.Millisecond}
		cut, err := w.Cut(ctx, ask)
		if err != nil || len(cut.Deliveries) > 0 {
			t.Fatalf("Cut() = %+v, %v; want it to wait", cut, err)
		}
		for len(cut.Deliveries) == 0 {
			if _, err := w.Wait(ctx, ask.Age-cut.Oldest); err != nil {
				t.Fatal(err)
			}
			if cut, err = w.Cut(ctx, ask); err != nil {
				t.Fatal(err)
			}
		}
		if d := cut.Deliveries[0]; d.Waited != 500*time.Millisecond || d.Left != time.Hour-500*time.Millisecond {
			t.Errorf("waited %s, left %s", d.Waited, d.Left)
		}
		out := []queue.Outcome{{Delivery: cut.Deliveries[0], Reply: queue.Reply{Outputs: cut.Deliveries[0].Inputs}}}
		if f, err := w.Finish(ctx, out); err != nil || f.Lost != 0 {
			t.Errorf("Finish() = %+v, %v", f, err)
		}
		if r := <-done; r.Err != nil || len(r.Outputs) != 1 {
			t.Errorf("Do() = %+v", r)
		}

		// A lease runs out.
		if _, err := p.Submit(ctx, call(t)); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Cut(ctx, queue.Ask{Rows: 1, Enough: 1}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(m.Lease() - time.Millisecond)
		if s, err := m.Sweep(ctx, "ocr"); err != nil || s.Reclaimed != 0 {
			t.Errorf("Sweep() = %+v, %v; want nothing before the lease is over", s, err)
		}
		time.Sleep(time.Millisecond)
		if s, err := m.Sweep(ctx, "ocr"); err != nil || s.Reclaimed != 1 {
			t.Errorf("Sweep() = %+v, %v; want the call taken back", s, err)
		}
		stop()
		synctest.Wait()
		if _, err := p.Do(context.WithoutCancel(ctx), call(t)); !errors.Is(err, queue.ErrUnavailable) {
			t.Errorf("Do() of a gateway that stopped = %v, want ErrUnavailable", err)
		}
	})
}

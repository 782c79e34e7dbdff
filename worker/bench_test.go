package worker_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/runnables/echo"
	"github.com/ekiben/ekiben/tensor"
	"github.com/ekiben/ekiben/worker"
)

// instantQueue answers every question with the same batch and takes no time.
type instantQueue struct {
	*fakeQueue

	cut  queue.Cut
	left atomic.Int64 // calls
	done chan struct{}
}

func (q *instantQueue) NewConsumer(string, string, int) worker.Consumer { return q }

func (q *instantQueue) Cut(context.Context, queue.Ask) (queue.Cut, error) { return q.cut, nil }

func (q *instantQueue) Finish(_ context.Context, outcomes []queue.Outcome) (queue.Finished, error) {
	for i := range outcomes {
		if outcomes[i].Reply.Err != nil {
			panic(outcomes[i].Reply.Err)
		}
	}
	if q.left.Add(-int64(len(outcomes))) <= 0 {
		select {
		case q.done <- struct{}{}:
		default:
		}
	}
	return queue.Finished{}, nil
}

func (q *instantQueue) Release(context.Context, []queue.Delivery) error { return nil }
func (q *instantQueue) Crashed(context.Context, []queue.Delivery, queue.Crash) (int, error) {
	return 0, nil
}
func (q *instantQueue) Wait(context.Context, time.Duration) (bool, error) { return true, nil }
func (q *instantQueue) Ring(context.Context) error                        { return nil }
func (q *instantQueue) Renew(context.Context) (queue.Renewal, error)      { return queue.Renewal{}, nil }
func (q *instantQueue) Leave(context.Context) error                       { return nil }

// directory hides Leave(ctx), which a Queue and a Consumer have in common.
type directory struct{ *instantQueue }

func (d directory) Leave(context.Context, string, string) error { return nil }

// BenchmarkWorker measures everything of a call but the queue: checks,
// concatenation, execution, split, metrics, and the handing over between the
// goroutines of an instance. One operation is one call of 1 KiB.
func BenchmarkWorker(b *testing.B) {
	for _, size := range []int{1, 32} {
		b.Run(fmt.Sprintf("batches of %d", size), func(b *testing.B) {
			in, err := tensor.OfItems([]int{1}, [][]byte{bytes.Repeat([]byte("x"), 1024)})
			if err != nil {
				b.Fatal(err)
			}
			q := &instantQueue{fakeQueue: newFakeQueue(), done: make(chan struct{}, 1)}
			q.left.Store(int64(b.N))
			for i := range size {
				q.cut.Deliveries = append(q.cut.Deliveries, queue.Delivery{Call: queue.Call{
					ID: fmt.Sprint(i), Method: "run", Rows: 1, Group: "run", Inputs: []tensor.Named{{Name: "input", Tensor: in}},
				}, Left: time.Hour, StartLeft: time.Hour})
			}
			w, err := worker.New(worker.DefaultConfig(), directory{q}, runnables.Kinds{"echo": echo.Kind()},
				worker.Anywhere(runnables.Runner{Name: "echo", Runnable: "echo"}), worker.Telemetry{Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				b.Fatal(err)
			}
			ctx, stop := context.WithCancel(b.Context())
			b.ReportAllocs()
			b.ResetTimer()
			ended := make(chan error, 1)
			go func() { ended <- w.Run(ctx) }()
			<-q.done
			b.StopTimer()
			stop()
			if err := <-ended; err != nil {
				b.Error(err)
			}
		})
	}
}

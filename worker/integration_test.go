package worker_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/ekiben/ekiben/internal/redistest"
	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/runnables/echo"
	"github.com/ekiben/ekiben/tensor"
	"github.com/ekiben/ekiben/worker"
)

// One worker of two instances on a real Redis answers every call with its own
// input, and is gone after it was told to stop.
func TestWorkerAnswersCallsOverRedis(t *testing.T) {
	t.Parallel()

	config := queue.DefaultConfig()
	config.URL, config.Prefix = redistest.URL(t), redistest.Prefix()
	q, err := queue.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	w, err := worker.New(worker.DefaultConfig(), worker.On(q), runnables.Kinds{"echo": echo.Kind()},
		worker.Anywhere(runnables.Runner{Name: "parrot", Runnable: "echo", Replicas: 2}), worker.Telemetry{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	producer := q.NewProducer("gw-" + redistest.Prefix())
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	go func() { ended <- w.Run(ctx) }()
	go func() { ended <- producer.Run(ctx) }()

	// The first call may find that the gateway does not listen for replies yet.
	for {
		if _, _, err := say(t.Context(), producer, "hello"); !errors.Is(err, queue.ErrUnavailable) {
			break
		}
	}
	before, err := q.Stats(t.Context(), "parrot")
	if err != nil {
		t.Fatal(err)
	}
	var calls sync.WaitGroup
	for n := range 200 {
		calls.Go(func() {
			said, heard, err := say(t.Context(), producer, strconv.Itoa(n))
			if err != nil || !heard.Equal(said) {
				t.Errorf("call %d: %v, %v", n, heard, err)
			}
		})
	}
	calls.Wait()
	if beats, err := q.Workers(t.Context(), "parrot"); err != nil || len(beats) != 1 || beats[0].Instances != 2 {
		t.Errorf("heartbeats %v, %v, want one of two instances", beats, err)
	}
	stop()
	for range 2 {
		if err := <-ended; err != nil {
			t.Errorf("Run() = %v", err)
		}
	}
	stats, err := q.Stats(t.Context(), "parrot")
	if err != nil || stats[0].Depth != 0 || stats[0].Workers != 0 || stats[0].Finished != before[0].Finished+200 {
		t.Errorf("afterwards %+v, %v; want nothing queued, no worker, 200 more finished", stats, err)
	}
	if err := q.Close(); err != nil {
		t.Error(err)
	}
}

// say calls the parrot, and returns what was sent and what came back.
func say(ctx context.Context, p *queue.Producer, word string) (said, heard tensor.Tensor, err error) {
	if said, err = tensor.OfStrings([]int{1}, []string{word}); err != nil {
		return said, heard, err
	}
	reply, err := p.Do(ctx, queue.Call{
		ID: queue.NewID("parrot"), Runner: "parrot", Method: "run", Rows: 1, Group: "run", Timeout: time.Minute,
		Inputs:    []tensor.Named{{Name: "input", Tensor: said}},
		Admission: queue.Admission{MaxCalls: 1000, MaxBytes: 1 << 20},
	})
	if err == nil && reply.Err != nil {
		err = reply.Err
	}
	if err == nil && len(reply.Outputs) != 1 {
		err = fmt.Errorf("%d outputs", len(reply.Outputs))
	}
	if err != nil {
		return said, heard, err
	}
	return said, reply.Outputs[0].Tensor, nil
}

package queue_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ekiben/ekiben/internal/redistest"
	"github.com/ekiben/ekiben/queue"
)

// consumers are those that Redis knows of.
func consumers(t *testing.T, r *redis.Client, prefix string) []string {
	t.Helper()
	known, err := r.XInfoConsumers(t.Context(), prefix+":{ocr~0}:calls:normal", "workers").Result()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range known {
		if !strings.HasPrefix(c.Name, "released") {
			names = append(names, c.Name)
		}
	}
	slices.Sort(names)
	return names
}

func TestConsumersOfWorkersThatAreGoneAreForgotten(t *testing.T) {
	t.Parallel()

	var prefix string
	b := setup(t, soon, func(c *queue.Config) { prefix = c.Prefix })
	options, err := redis.ParseURL(redistest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	r := redis.NewClient(options)
	t.Cleanup(func() { _ = r.Close() })
	beat := func(worker string) {
		t.Helper()
		if _, err := b.Beat(t.Context(), runner, queue.Heartbeat{Worker: worker}); err != nil {
			t.Fatal(err)
		}
	}
	wantConsumers := func(when string, want ...string) {
		t.Helper()
		if got := consumers(t, r, prefix); !slices.Equal(got, want) {
			t.Errorf("%s: consumers %q, want %q", when, got, want)
		}
	}
	for _, worker := range []string{"left", "crashed", "silent", "alive"} {
		if _, err := b.Submit(t.Context(), call(worker)); err != nil {
			t.Fatal(err)
		}
		beat(worker)
		c := b.NewConsumer(runner, worker, 0)
		batch := b.cut(c, any32)
		if worker != "crashed" {
			b.finish(c, answer(batch.Deliveries))
		}
	}
	wantConsumers("all have cut", "alive/0", "crashed/0", "left/0", "silent/0")
	for _, worker := range []string{"left", "crashed"} {
		if err := b.Queue.Leave(t.Context(), runner, worker); err != nil {
			t.Fatal(err)
		}
	}
	// With what it holds, a consumer must stay: its calls would be lost with it.
	wantConsumers("two have left", "alive/0", "crashed/0", "silent/0")
	for late := time.Now().Add(patience); ; {
		swept, err := b.Sweep(t.Context(), runner)
		if err != nil || time.Now().After(late) {
			t.Fatalf("nothing is taken back: %v", err)
		}
		if swept.Reclaimed == 1 {
			break
		}
	}
	hours := float64(time.Now().Add(-2 * time.Hour).UnixMilli())
	if err := r.ZAdd(t.Context(), prefix+":{ocr~0}:workers", redis.Z{Score: hours, Member: "silent"}).Err(); err != nil {
		t.Fatal(err)
	}
	beat("alive")
	wantConsumers("the lease is over, and one was silent for hours", "alive/0")
	if left, err := r.HKeys(t.Context(), prefix+":{ocr~0}:beats").Result(); err != nil || !slices.Equal(left, []string{"alive"}) {
		t.Errorf("heartbeats of %q are kept, %v; want those of the living", left, err)
	}
}

// One instance hears the bell and stops at that point, as if its process were
// paused. The others must find the call within about a second.
func TestBellThatAPausedInstanceHeardDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()

	b := setup(t)
	paused, awake := b.NewConsumer(runner, "paused", 0), b.NewConsumer(runner, "awake", 0)
	b.submitOne("first")
	if rung, err := paused.Wait(t.Context(), time.Second); !rung {
		t.Fatalf("the bell did not ring: %v", err)
	}
	began := time.Now()
	for {
		if _, err := awake.Wait(t.Context(), time.Hour); err != nil {
			t.Fatal(err)
		}
		cut, err := awake.Cut(t.Context(), any32)
		if err != nil {
			t.Fatal(err)
		}
		if len(cut.Deliveries) > 0 {
			break
		}
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("the call was found after %s, want about a second", took)
	}
	// The next arrival rings again, whatever became of the token.
	b.submitOne("second")
	if rung, err := awake.Wait(t.Context(), time.Second); !rung {
		t.Errorf("the next arrival did not ring: %v", err)
	}
}

func (b *bench) submitOne(label string) {
	b.t.Helper()
	if _, err := b.Submit(b.t.Context(), call(label)); err != nil {
		b.t.Fatal(err)
	}
}

package gateway_test

import (
	"testing"
	"time"

	"github.com/ekiben/ekiben/gateway"
	"github.com/ekiben/ekiben/queue"
)

// at makes stats of a queue with a worker.
func at(seconds float64, depth int, finished int64) queue.Stats {
	return queue.Stats{At: time.Duration(seconds * float64(time.Second)), Depth: depth, Finished: finished, Workers: 1}
}

func TestRetryAfterIsWhenHalfOfTheBacklogWillBeGone(t *testing.T) {
	t.Parallel()
	noWorker := at(1, 100, 0)
	noWorker.Workers = 0
	canceled := at(1, 100, 5)
	canceled.Canceled, canceled.Expired, canceled.Buried = 2, 2, 1
	for _, tt := range []struct {
		name   string
		stats  []queue.Stats
		chance float64
		want   time.Duration
	}{
		{"nothing is known", nil, 0.5, 5 * time.Second},
		{"one sample says no rate", []queue.Stats{at(0, 100, 7)}, 0.5, 5 * time.Second},
		{"100 calls at 10/s", []queue.Stats{at(0, 100, 0), at(1, 100, 10)}, 0.5, 5 * time.Second},
		{"a fifth earlier", []queue.Stats{at(0, 100, 0), at(1, 100, 10)}, 0, 4 * time.Second},
		{"almost a fifth later", []queue.Stats{at(0, 100, 0), at(1, 100, 10)}, 0.999, 6 * time.Second},
		{"half seconds are rounded up", []queue.Stats{at(0, 50, 0), at(1, 50, 10)}, 0.5, 3 * time.Second},
		{"at least a second", []queue.Stats{at(0, 10, 0), at(1, 10, 1000)}, 0, time.Second},
		{"at most a minute", []queue.Stats{at(0, 10000, 0), at(1, 10000, 1)}, 0.999, time.Minute},
		{"all that left counts", []queue.Stats{at(0, 100, 0), canceled}, 0.5, 5 * time.Second},
		{"nobody drains it", []queue.Stats{at(0, 100, 0), noWorker}, 0.5, 30 * time.Second},
		{"it stands still", []queue.Stats{at(0, 100, 0), at(1, 100, 0)}, 0.5, 30 * time.Second},
		{"an idle queue tells no rate", []queue.Stats{at(0, 100, 0), at(1, 100, 10), at(2, 0, 110), at(3, 100, 110)}, 0.5, 5 * time.Second},
		{"a flush takes counters back", []queue.Stats{at(0, 100, 500), at(1, 100, 510), at(2, 100, 3), at(3, 100, 13)}, 0.5, 5 * time.Second},
		{"time that stands still is ignored", []queue.Stats{at(0, 100, 0), at(1, 100, 10), at(1, 100, 50)}, 0.5, 5 * time.Second},
		{"a change shows slowly", []queue.Stats{at(0, 100, 0), at(1, 100, 10), at(2, 100, 10)}, 0.5, 7 * time.Second},
		{"and in the end", []queue.Stats{at(0, 100, 0), at(1, 100, 10), at(61, 100, 610), at(121, 100, 730)}, 0.5, 25 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := gateway.RetryAfter(tt.chance, tt.stats...); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

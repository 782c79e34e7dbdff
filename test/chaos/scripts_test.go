package chaos_test

import (
	"context"
	"math/rand/v2"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/ekiben/ekiben/test/chaos/history"
)

// fillMemory lets calls pile up, and then leaves Redis no memory for a while: it
// accepts nothing then, and what it has must drain.
func fillMemory(ctx context.Context, c *cluster, _ *rand.Rand) {
	pause(ctx, 2*time.Second)
	for _, w := range c.workers {
		w.now().Signal(syscall.SIGSTOP)
	}
	pause(ctx, lease*3/4)
	c.fault("memory full")
	c.config("maxmemory", "1mb")
	for _, w := range c.workers {
		w.now().Signal(syscall.SIGCONT)
	}
	began, depth := time.Now(), 0
	if s, err := c.stats(ctx); err == nil {
		depth = s.Depth
	}
	if until(ctx, 10*time.Second, func() bool {
		s, err := c.stats(ctx)
		return err == nil && s.Depth == 0
	}) {
		c.figure("%d calls drained within %s of a Redis without memory", depth, time.Since(began).Round(time.Millisecond))
	} else {
		c.t.Errorf("%d calls did not drain from a Redis without memory", depth)
	}
	pause(ctx, lease)
	c.config("maxmemory", "0")
}

func (c *cluster) config(parameter, value string) {
	c.t.Helper()
	if _, err := c.redis.Do("CONFIG", "SET", parameter, value); err != nil {
		c.t.Error(err)
	}
}

// flushAll empties Redis.
func flushAll(ctx context.Context, c *cluster, _ *rand.Rand) {
	pause(ctx, 3*time.Second)
	c.fault("flushall")
	if _, err := c.redis.Do("FLUSHALL"); err != nil {
		c.t.Error(err)
	}
	c.record.Add(history.Event{Kind: history.DataLost, Call: -1})
}

// succeedsAfterLoss says how long it took until calls that were sent after a loss
// of data succeeded.
func succeedsAfterLoss(t *testing.T, events []history.Event) {
	t.Helper()
	var lost time.Time
	later := map[int]bool{}
	for _, e := range events {
		switch e.Kind {
		case history.DataLost:
			lost = e.At
		case history.Submitted:
			later[e.Call] = !lost.IsZero()
		case history.Replied:
			if later[e.Call] && e.Status == http.StatusOK {
				t.Logf("the first call succeeded %s after the loss", e.At.Sub(lost).Round(time.Millisecond))
				return
			}
		default:
		}
	}
	t.Error("no call succeeded after the loss")
}

// awaited are calls whose clients wait, all of them ordinary.
var awaited = mix{work: 100 * time.Millisecond}

// rollingRestart replaces one process after the other, as often as there is time.
func rollingRestart(ctx context.Context, c *cluster, _ *rand.Rand) {
	restarts := 0
	for ; ctx.Err() == nil; restarts++ {
		slots := c.slots()
		s := slots[restarts%len(slots)]
		pause(ctx, lease/4)
		c.fault("restart " + s.name[:len(s.name)-2])
		s.replace()
		if err := s.ready(ctx); err != nil && ctx.Err() == nil {
			c.t.Error(err)
		}
	}
	c.figure("%d processes were restarted", restarts)
}

// reportFailed lists the awaited calls that failed.
func reportFailed(t *testing.T, events []history.Event) {
	t.Helper()
	for _, e := range events {
		switch e.Kind {
		case history.Refused, history.Unknown:
			t.Logf("call %d failed: %s: %d %s %s", e.Call, e.Kind, e.Status, e.Code, e.Body)
		case history.Replied:
			if e.Status != http.StatusOK {
				t.Logf("call %d failed: %d %s %s", e.Call, e.Status, e.Code, e.Body)
			}
		default:
		}
	}
}

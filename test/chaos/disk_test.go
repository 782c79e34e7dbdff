package chaos_test

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/ekiben/ekiben/test/chaos/history"
)

// Redis's disk is full for a while. It needs a disk of its own: a small file
// system in memory, which only root may mount.
func TestDiskFull(t *testing.T) { //nolint:paralleltest // needs the machine for itself
	need(t)
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=6m"); err != nil {
		t.Skipf("NOT RUN: disk full: a file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	var full, mended time.Time
	scenario{
		name: "disk full", long: 9 * time.Second,
		setup: setup{gateways: 2, workers: 3, redis: []string{"--dir", dir, "--auto-aof-rewrite-percentage", "0"}},
		script: func(ctx context.Context, c *cluster, _ *rand.Rand) {
			pause(ctx, 2*time.Second)
			c.fault("disk full")
			full = time.Now()
			filler := filepath.Join(dir, "filler")
			if err := fill(filler); err != nil {
				c.t.Error(err)
			}
			pause(ctx, 4*time.Second)
			if err := os.Remove(filler); err != nil {
				c.t.Error(err)
			}
			mended = time.Now()
		},
		after: func(t *testing.T, events []history.Event) { t.Helper(); describeOutage(t, events, full, mended) },
	}.play(t, *seedFlag)
}

// fill writes to a file until there is no more room.
func fill(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	return nil
}

// describeOutage says what clients met during an outage, and when it was over.
func describeOutage(t *testing.T, events []history.Event, from, to time.Time) {
	t.Helper()
	answered, refused := 0, 0
	var first time.Time
	submitted := map[int]time.Time{}
	for _, e := range events {
		during := e.At.After(from) && e.At.Before(to)
		switch e.Kind {
		case history.Submitted:
			submitted[e.Call] = e.At
		case history.Replied, history.Accepted:
			if during {
				answered++
			}
			if first.IsZero() && submitted[e.Call].After(to) {
				first = e.At
			}
		case history.Refused, history.Unknown:
			if during {
				refused++
			}
		default:
		}
	}
	if first.IsZero() {
		t.Error("nothing succeeded after the outage")
		return
	}
	t.Logf("in an outage of %s, %d calls were accepted and %d were not; the first after it succeeded %s later",
		to.Sub(from).Round(time.Millisecond), answered, refused, first.Sub(to).Round(time.Millisecond))
}

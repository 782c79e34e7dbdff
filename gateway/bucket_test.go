package gateway_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben/ekiben/gateway"
)

func TestACallerBeyondItsRateIsRefusedUntilATokenIsThere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue(everything())
		g := newGateway(t, q, setup{config: func(c *gateway.Config) { c.CallerRate, c.CallerBurst = 0.1, 2 }})
		h := g.Handler()
		run := func() int { return send(t, h, http.MethodPost, "/v1/runners/all/text", "x").Code }
		for range 2 {
			if got := run(); got != http.StatusOK {
				t.Fatalf("got %d within the burst", got)
			}
		}
		time.Sleep(time.Second)
		w := send(t, h, http.MethodPost, "/v1/runners/all/text", "x")
		wantProblem(t, w, http.StatusTooManyRequests, "rate_limited", "more calls a second")
		if after := w.Header().Get("Retry-After"); after != "9" && after != "10" && after != "11" {
			t.Errorf("Retry-After is %s, want a token's 9 s and up to a fifth more", after)
		}
		if got := send(t, h, http.MethodGet, "/v1/runners", "").Code; got != http.StatusOK {
			t.Errorf("reading costs nothing, but got %d", got)
		}
		time.Sleep(9 * time.Second)
		if got := run(); got != http.StatusOK {
			t.Errorf("got %d with a token", got)
		}
		if got := run(); got != http.StatusTooManyRequests {
			t.Errorf("got %d without one", got)
		}
		if n := q.queued(); n != 3 {
			t.Errorf("%d calls were queued", n)
		}
		wantMetric(t, g, `ekiben_refused_total{reason="rate_limited",runner=""} 2`)
	})
}

func TestCallersHaveBucketsOfTheirOwn(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	b := gateway.NewBuckets(1, 1, 10)
	if wait := b.Take(now, "a"); wait != 0 {
		t.Error(wait)
	}
	if wait := b.Take(now.Add(250*time.Millisecond), "a"); wait != 750*time.Millisecond {
		t.Errorf("a waits %s", wait)
	}
	if wait := b.Take(now, "b"); wait != 0 {
		t.Errorf("b waits %s", wait)
	}
}

func TestBucketsThatAreFullAgainAreForgotten(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	b := gateway.NewBuckets(2, 4, 1000) // full after 2 s
	for i := range 100 {
		b.Take(now, fmt.Sprint(i))
	}
	if n := b.Len(); n != 100 {
		t.Errorf("%d are remembered", n)
	}
	now = now.Add(2 * time.Second)
	for i := range 100 {
		b.Take(now, "later "+fmt.Sprint(i))
	}
	if n := b.Len(); n != 100 {
		t.Errorf("%d are remembered after the first were full again", n)
	}
}

func TestBucketsAreBounded(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	b := gateway.NewBuckets(0.001, 1, 3)
	for i, caller := range strings.Fields("a b c a d e a") {
		wait := b.Take(now.Add(time.Duration(i)), caller)
		if again := caller == "a" && i > 0; again != (wait > 0) {
			t.Errorf("take %d of %s waits %s: one that is heard of is not forgotten", i, caller, wait)
		}
	}
	if n := b.Len(); n != 3 {
		t.Errorf("%d are remembered, want 3", n)
	}
	if wait := b.Take(now, "b"); wait != 0 {
		t.Errorf("the oldest was not forgotten: it waits %s", wait)
	}
}

package gateway_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben/ekiben/gateway"
	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/runnables"
)

// running runs a gateway in the background until the test or cancel ends it.
func running(t *testing.T, g *gateway.Gateway) (cancel func()) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	return sync.OnceFunc(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestARunnerThatIsNotKnownYetIsLookedUpAtOnce(t *testing.T) {
	t.Parallel()
	q := newFakeQueue(everything())
	h := newGateway(t, q, setup{}).Handler()
	for range 3 {
		wantBody(t, send(t, h, http.MethodPost, "/v1/runners/all/text", "x", "Content-Type", "text/plain"), http.StatusOK, `["x"]`)
	}
	if got := q.lookups("all"); got != 1 {
		t.Errorf("%d lookups", got)
	}
}

func TestManyWhoAskForANewRunnerAtOnceAllFindIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := slowSpecs{newFakeQueue(everything())}
		g := newGateway(t, q.fakeQueue, setup{also: func(d *gateway.Deps) { d.Directory = q }})
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				wantBody(t, send(t, g.Handler(), http.MethodPost, "/v1/runners/all/text", "x", "Content-Type", "text/plain"), http.StatusOK, `["x"]`)
			})
		}
		all.Wait()
		if got := q.lookups("all"); got != 1 {
			t.Errorf("%d lookups", got)
		}
	})
}

// slowSpecs takes a while to find specs.
type slowSpecs struct{ *fakeQueue }

func (q slowSpecs) Spec(ctx context.Context, name string) ([]byte, error) {
	time.Sleep(50 * time.Millisecond)
	return q.fakeQueue.Spec(ctx, name)
}

func TestAClientThatGoesAwayDoesNotWaitForALookup(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := slowSpecs{newFakeQueue(everything())}
		g := newGateway(t, q.fakeQueue, setup{also: func(d *gateway.Deps) { d.Directory = q }})
		go send(t, g.Handler(), http.MethodGet, "/v1/runners/all", "")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		start := time.Now()
		if _, _, err := g.Calls().Run(ctx, "all", "text", nil); err == nil || time.Since(start) != 10*time.Millisecond {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
		time.Sleep(time.Second) // the first one ends
	})
}

func TestUnknownNamesDoNotBecomeAFloodOfLookups(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		h := newGateway(t, q, setup{}).Handler()
		ask := func(name string) {
			wantProblem(t, send(t, h, http.MethodPost, "/v1/runners/"+name+"/x", ""), http.StatusNotFound, "not_found")
		}
		for range 10 {
			ask("nobody")
		}
		if got := q.lookups("nobody"); got != 1 {
			t.Errorf("%d lookups of one name", got)
		}
		for i := range 200 {
			ask(fmt.Sprintf("nobody-%d", i))
		}
		if got := len(q.asked); got != 32 {
			t.Errorf("%d names were looked up", got)
		}
		time.Sleep(time.Second)
		ask("nobody")
		if got := q.lookups("nobody"); got != 2 {
			t.Errorf("%d lookups of one name, a second later", got)
		}
	})
}

func TestALookupThatFailsIsNotAnAnswer(t *testing.T) {
	t.Parallel()
	q := newFakeQueue(everything())
	q.down = queue.ErrUnavailable
	h := newGateway(t, q, setup{}).Handler()
	wantProblem(t, send(t, h, http.MethodPost, "/v1/runners/all/text", "x"), http.StatusServiceUnavailable, "unavailable")
}

func TestRunnersComeAndChangeAndGo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue(everything())
		g := newGateway(t, q, setup{})
		defer running(t, g)()
		synctest.Wait()
		names := func() string { return send(t, g.Handler(), http.MethodGet, "/v1/runners", "").Body.String() }
		if !strings.Contains(names(), `"all"`) {
			t.Errorf("got %s", names())
		}
		q.mu.Lock()
		changed := everything()
		changed.Methods = changed.Methods[:1]
		q.specs["all"], q.specs["new"] = changed, spec("new", everything().Methods[1].Signature)
		q.mu.Unlock()
		time.Sleep(1100 * time.Millisecond)
		if got := names(); !strings.Contains(got, `"new"`) || strings.Contains(got, "vectors") {
			t.Errorf("got %s", got)
		}
		q.mu.Lock()
		delete(q.specs, "all")
		q.mu.Unlock()
		time.Sleep(1100 * time.Millisecond)
		if got := names(); strings.Contains(got, `"all"`) {
			t.Errorf("got %s", got)
		}
		if q.sweeps["new"] < 2 {
			t.Errorf("swept %d times", q.sweeps["new"])
		}
	})
}

func TestASpecThatCannotBeServedLeavesTheOldOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log lockedBuffer
		q := newFakeQueue(everything())
		g := newGateway(t, q, setup{log: &log})
		defer running(t, g)()
		synctest.Wait()
		q.mu.Lock()
		q.specs["all"] = spec("all", runnables.Signature{Name: "NOT A NAME"})
		q.specs["broken"] = q.specs["all"]
		q.mu.Unlock()
		time.Sleep(2100 * time.Millisecond)
		wantBody(t, send(t, g.Handler(), http.MethodPost, "/v1/runners/all/text", "x", "Content-Type", "text/plain"), http.StatusOK, `["x"]`)
		wantProblem(t, send(t, g.Handler(), http.MethodPost, "/v1/runners/broken/text", "x"), http.StatusInternalServerError, "internal")
		if got := strings.Count(log.String(), "cannot be refreshed"); got != 1 {
			t.Errorf("logged %d times: %s", got, log.String())
		}
	})
}

func TestWhileRedisIsAwayTheLastKnownIsUsedAndTheLogSaysItOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log lockedBuffer
		q := newFakeQueue(everything())
		g := newGateway(t, q, setup{log: &log})
		defer running(t, g)()
		synctest.Wait()
		q.setDown(queue.ErrUnavailable)
		time.Sleep(5 * time.Second)
		wantBody(t, send(t, g.Handler(), http.MethodPost, "/v1/runners/all/text", "x", "Content-Type", "text/plain"), http.StatusOK, `["x"]`)
		if page := send(t, g.Handler(), http.MethodGet, "/dashboard", "").Body.String(); !strings.Contains(page, "cannot be reached") || !strings.Contains(page, "all") {
			t.Error("the dashboard does not say so")
		}
		q.setDown(nil)
		time.Sleep(5 * time.Second)
		if page := send(t, g.Handler(), http.MethodGet, "/dashboard", "").Body.String(); strings.Contains(page, "cannot be reached") {
			t.Error("the dashboard says so still")
		}
		if got := log.String(); strings.Count(got, "cannot be refreshed") != 1 || strings.Count(got, "refreshed again") != 1 {
			t.Errorf("log: %s", got)
		}
	})
}

func TestAFullQueueIsRefusedForAsLongAsItTakesToDrain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue(everything())
		q.do = func(context.Context, queue.Call) (queue.Reply, error) { return queue.Reply{}, queue.ErrFull }
		g := newGateway(t, q, setup{})
		defer running(t, g)()
		for i := range 5 { // ten calls a second leave a queue of 400
			q.mu.Lock()
			q.stats["all"] = queue.Stats{At: time.Duration(i) * time.Second, Depth: 400, Finished: int64(10 * i), Workers: 1}
			q.mu.Unlock()
			time.Sleep(time.Second)
		}
		w := send(t, g.Handler(), http.MethodPost, "/v1/runners/all/text", "x", "Content-Type", "text/plain")
		wantProblem(t, w, http.StatusTooManyRequests, "queue_full")
		var seconds int
		if _, err := fmt.Sscan(w.Header().Get("Retry-After"), &seconds); err != nil || seconds < 16 || seconds > 24 {
			t.Errorf("Retry-After %q, want 20 ± 4", w.Header().Get("Retry-After"))
		}
	})
}

func TestRunReportsAProducerThatFails(t *testing.T) {
	t.Parallel()
	g := newGateway(t, newFakeQueue(), setup{also: func(d *gateway.Deps) { d.Producer = brokenProducer{} }})
	if err := g.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "no replies") {
		t.Errorf("got %v", err)
	}
}

type brokenProducer struct{ *fakeQueue }

func (brokenProducer) Run(context.Context) error { return fmt.Errorf("no replies") }

package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben/ekiben/gateway"
	"github.com/ekiben/ekiben/queue"
)

// errRefused is what the queue says of a Redis whose memory is full.
var errRefused = fmt.Errorf("%w: accept: %w: OOM command not allowed", queue.ErrUnavailable, queue.ErrRefused)

// staffed is a queue of two runners, one of which has a worker.
func staffed() *fakeQueue {
	q := newFakeQueue(iris(), everything())
	q.beats["iris_clf"] = []queue.Heartbeat{{Host: "gpu-a", PID: 17, Instances: 4, Busy: 3}}
	return q
}

func (q *fakeQueue) setDown(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.down = err
}

func TestWhileRedisIsAwayWorkersAreShownAsTheyWere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := staffed()
		g := newGateway(t, q, setup{})
		defer running(t, g)()
		synctest.Wait()
		q.setDown(queue.ErrUnavailable)
		time.Sleep(30 * time.Second) // nobody has looked before
		page := send(t, g.Handler(), http.MethodGet, "/dashboard", "").Body.String()
		for _, want := range []string{"cannot be reached", "gpu-a:17", "3 of 4", "30.0 s ago"} {
			if !strings.Contains(page, want) {
				t.Errorf("%q is not in %s", want, page)
			}
		}
		for _, path := range []string{"/v1/runners", "/v1/runners/iris_clf"} {
			w := send(t, g.Handler(), http.MethodGet, path, "")
			if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"workers":1,"instances":4,"busy":3`) {
				t.Errorf("%s: %d %s", path, w.Code, w.Body)
			}
		}
	})
}

func TestWhatWasNeverKnownIsNotMadeUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := noWorkers{newFakeQueue(everything())}
		g := newGateway(t, q.fakeQueue, setup{also: func(d *gateway.Deps) { d.Directory = q }})
		defer running(t, g)()
		synctest.Wait()
		page := send(t, g.Handler(), http.MethodGet, "/dashboard", "").Body.String()
		for _, bad := range []string{"no worker", "0 of 0", "Start one"} {
			if strings.Contains(page, bad) {
				t.Errorf("%q is in %s", bad, page)
			}
		}
		for _, path := range []string{"/v1/runners", "/v1/runners/all"} {
			wantProblem(t, send(t, g.Handler(), http.MethodGet, path, ""), http.StatusServiceUnavailable, "unavailable")
		}
	})
}

// noWorkers cannot list workers.
type noWorkers struct{ *fakeQueue }

func (noWorkers) Workers(context.Context, string) ([]queue.Heartbeat, error) {
	return nil, queue.ErrUnavailable
}

// frozen is a directory that gives no answer while ice is set.
type frozen struct {
	*fakeQueue

	ice atomic.Bool
}

func (q *frozen) wait(ctx context.Context) error {
	if !q.ice.Load() {
		return nil
	}
	<-ctx.Done()
	return fmt.Errorf("%w: %w", queue.ErrUnavailable, ctx.Err())
}

func (q *frozen) Runners(ctx context.Context) ([]string, error) {
	if err := q.wait(ctx); err != nil {
		return nil, err
	}
	return q.fakeQueue.Runners(ctx)
}

func (q *frozen) Spec(ctx context.Context, name string) ([]byte, error) {
	if err := q.wait(ctx); err != nil {
		return nil, err
	}
	return q.fakeQueue.Spec(ctx, name)
}

func (q *frozen) Workers(ctx context.Context, name string) ([]queue.Heartbeat, error) {
	if err := q.wait(ctx); err != nil {
		return nil, err
	}
	return q.fakeQueue.Workers(ctx, name)
}

func TestWhileRedisIsFrozenPagesComeWithinASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := &frozen{fakeQueue: staffed()}
		g := newGateway(t, q.fakeQueue, setup{also: func(d *gateway.Deps) { d.Directory = q }})
		defer running(t, g)()
		synctest.Wait()
		q.ice.Store(true)
		page := ""
		for begin := time.Now(); time.Since(begin) < 20*time.Second; time.Sleep(time.Second / 3) {
			for _, path := range []string{"/dashboard", "/v1/runners", "/v1/runners/iris_clf", "/v1/runners/nobody"} {
				start := time.Now()
				w := send(t, g.Handler(), http.MethodGet, path, "")
				if took := time.Since(start); took > time.Second {
					t.Fatalf("%s took %s, %s after the frost", path, took, time.Since(begin))
				}
				if path != "/v1/runners/nobody" && w.Code != http.StatusOK {
					t.Fatalf("%s: %d %s", path, w.Code, w.Body)
				}
				if path == "/dashboard" {
					page = w.Body.String()
				}
			}
		}
		if !strings.Contains(page, "cannot be reached") || !strings.Contains(page, "gpu-a:17") {
			t.Errorf("got %s", page)
		}
		q.ice.Store(false)
		time.Sleep(7 * time.Second) // until the round that froze is over
		if page := send(t, g.Handler(), http.MethodGet, "/dashboard", "").Body.String(); strings.Contains(page, "cannot be reached") {
			t.Error("the dashboard says so still")
		}
	})
}

func TestARedisThatRefusesCallsIsSaidSoEverywhere(t *testing.T) {
	t.Parallel()
	for _, job := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var log lockedBuffer
			q := staffed()
			g := newGateway(t, q, setup{log: &log})
			defer running(t, g)()
			refuse := func(err error) {
				q.mu.Lock()
				defer q.mu.Unlock()
				q.submitErr = err
				q.do = func(ctx context.Context, c queue.Call) (queue.Reply, error) {
					reply, _ := echo(ctx, c)
					return reply, err
				}
			}
			call := func(status int) {
				t.Helper()
				headers := []string{"Content-Type", "text/plain"}
				if job {
					headers = append(headers, "Prefer", "respond-async")
				}
				w := send(t, g.Handler(), http.MethodPost, "/v1/runners/all/text", "x", headers...)
				if status != http.StatusServiceUnavailable {
					if w.Code != status {
						t.Errorf("%d %s", w.Code, w.Body)
					}
					return
				}
				p := wantProblem(t, w, status, "unavailable", "can be reached", "refuses to store")
				if !p.Retryable || strings.Contains(p.Detail, "OOM") {
					t.Errorf("%+v", p)
				}
			}
			ready := func(body string) {
				t.Helper()
				time.Sleep(time.Second) // the last answer is forgotten
				if w := send(t, g.Handler(), http.MethodGet, "/readyz", ""); !strings.Contains(w.Body.String(), body) {
					t.Errorf("readyz: %d %s", w.Code, w.Body)
				}
			}
			taken := http.StatusOK
			if job {
				taken = http.StatusAccepted
			}
			call(taken)
			refuse(errRefused)
			for range 3 {
				call(http.StatusServiceUnavailable)
			}
			ready("redis can be reached, but refuses to store anything")
			if page := send(t, g.Handler(), http.MethodGet, "/dashboard", "").Body.String(); !strings.Contains(page, "refuses to store") {
				t.Errorf("got %s", page)
			}
			time.Sleep(10 * time.Second)
			ready(`"ok"`)
			call(http.StatusServiceUnavailable)
			ready("refuses")
			refuse(nil)
			call(taken)
			ready(`"ok"`)
			if got := log.String(); strings.Count(got, "level=WARN msg=\"redis refuses calls\"") != 1 || !strings.Contains(got, "OOM command not allowed") ||
				strings.Count(got, "takes calls again") != 1 {
				t.Errorf("log: %s", got)
			}
		})
	}
}

func TestACallThatWasTakenBeforeSaysNothingOfWhetherRedisRefusesNow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue(everything())
		release := make(chan struct{})
		q.do = func(ctx context.Context, c queue.Call) (queue.Reply, error) {
			if c.Method == "files" {
				return queue.Reply{}, errRefused
			}
			<-release
			return echo(ctx, c)
		}
		g := newGateway(t, q, setup{})
		done := make(chan struct{})
		go func() {
			defer close(done)
			send(t, g.Handler(), http.MethodPost, "/v1/runners/all/text", "x", "Content-Type", "text/plain")
		}()
		synctest.Wait()
		send(t, g.Handler(), http.MethodPost, "/v1/runners/all/files", "x")
		close(release)
		<-done
		if w := send(t, g.Handler(), http.MethodGet, "/readyz", ""); w.Code != http.StatusServiceUnavailable {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

func TestAPingThatIsRefusedIsNotAnOutage(t *testing.T) {
	t.Parallel()
	q := newFakeQueue()
	q.down = errors.Join(queue.ErrUnavailable, queue.ErrRefused)
	w := send(t, newGateway(t, q, setup{}).Handler(), http.MethodGet, "/readyz", "")
	wantBody(t, w, http.StatusServiceUnavailable, `{"status":"unavailable","reasons":["redis can be reached, but refuses to store anything"]}`+"\n")
}

package chaos_test

import (
	"net/http"
	"syscall"
	"testing"

	"github.com/ekiben/ekiben/internal/processes"
	"github.com/ekiben/ekiben/internal/tcpproxy"
	"github.com/ekiben/ekiben/test/chaos/history"
)

// One test a row of the table of crash windows, named by its step: G is the
// gateway, W the worker. A proxy on the way of the one process knows the script
// of the step and acts before or after its effect.

// The accept of a job is tried again with its id; that of an awaited call is not,
// and its client is told that nobody knows.
func TestWindowG2BeforeAcceptNothingExists(t *testing.T) {
	t.Parallel()
	both(t, 1, 1, func(w *window, job bool) {
		caught := w.gateways[0].proxy.LoseRequest(w.scriptSHA("accept"))
		s := w.send(job, 0)
		w.await("the accept is lost", caught)
		if es := w.close()[s.n]; job {
			w.want(es, 1, 1, true)
		} else {
			w.want(es, 0, 0, false)
			w.unknown(es)
		}
	})
}

func TestWindowG2AfterAcceptOneExists(t *testing.T) {
	t.Parallel()
	both(t, 1, 1, func(w *window, job bool) {
		caught := w.gateways[0].proxy.LoseAnswer(w.scriptSHA("accept"))
		s := w.send(job, 0)
		w.await("the answer to the accept is lost", caught)
		es := w.close()[s.n]
		w.want(es, 1, 1, job)
		if !job {
			w.unknown(es)
		}
	})
}

// unknown checks that the client was told that nobody knows.
func (w *window) unknown(events []history.Event) {
	w.t.Helper()
	for _, e := range events {
		if e.Kind == history.Unknown && e.Code == "unavailable" {
			return
		}
	}
	w.t.Errorf("the client was not told that its call may exist: %+v", events)
}

func TestWindowG2GatewayDiesAfterAccept(t *testing.T) {
	t.Parallel()
	both(t, 2, 1, func(w *window, job bool) {
		caught := w.gateways[0].proxy.After(w.scriptSHA("accept"), func() { kill(w.gateways[0]) })
		s := w.send(job, 0)
		w.await("the gateway has died", caught)
		es := w.close()[s.n]
		w.want(es, 1, 1, false)
		if count(es, history.Unknown) != 1 {
			w.t.Errorf("the client was told more than its gateway lived to tell: %+v", es)
		}
	})
}

func TestWindowG3TheCallGoesOnWithoutItsGateway(t *testing.T) {
	t.Parallel()
	both(t, 2, 1, func(w *window, job bool) {
		s := w.send(job, lease/2)
		w.begun(s, 1)
		kill(w.gateways[0])
		w.want(w.close()[s.n], 1, 1, job)
	})
}

func TestWindowG4TheClientNeverReadsItsAnswer(t *testing.T) {
	t.Parallel()
	both(t, 1, 1, func(w *window, job bool) {
		p := tcpproxy.Start(w.t, w.gateways[0].addr)
		direct := w.load.gateways
		w.load.gateways = []string{"http://" + p.Addr()}
		caught := p.LoseAnswer("POST /v1/")
		s := w.send(job, 0)
		w.await("the answer to the client is lost", caught)
		<-s.done
		w.load.gateways = direct
		w.want(w.close()[s.n], 1, 1, false)
	})
}

func TestWindowW1DeliveredToNobody(t *testing.T) {
	t.Parallel()
	both(t, 1, 1, func(w *window, job bool) {
		worker := w.workers[0]
		for range 10 {
			caught := worker.proxy.After(w.scriptSHA("cut"), func() { kill(worker) })
			s := w.send(job, 0)
			w.await("the worker has died", caught)
			if w.ask(pendingScript) == 1 {
				w.want(w.close()[s.n], 1, 1, true)
				return
			}
			<-s.done // the worker had asked before the call was there
		}
		w.t.Error("nothing was ever delivered to a worker that does not know")
	})
}

func TestWindowW1AnswerLostWorkerLives(t *testing.T) {
	t.Parallel()
	both(t, 1, 1, func(w *window, job bool) {
		caught := w.workers[0].proxy.LoseAnswer(w.scriptSHA("cut"))
		s := w.send(job, 0)
		w.await("the answer to the cut is lost", caught)
		w.want(w.close()[s.n], 1, 1, true)
	})
}

func TestWindowW3WorkIsLostAndDoneAgain(t *testing.T) {
	t.Parallel()
	both(t, 1, 1, func(w *window, job bool) {
		s := w.send(job, lease/2)
		w.begun(s, 1)
		kill(w.workers[0])
		w.want(w.close()[s.n], 2, 1, true)
	})
}

func TestWindowW4BeforeFinishTheResultIsLost(t *testing.T) {
	t.Parallel()
	both(t, 1, 1, func(w *window, job bool) {
		worker := w.workers[0]
		caught := worker.proxy.Before(w.scriptSHA("finish"), func() { kill(worker) })
		s := w.send(job, 0)
		w.await("the worker has died", caught)
		w.want(w.close()[s.n], 2, 2, true)
	})
}

func TestWindowW4AfterFinishNothingIsDoneAgain(t *testing.T) {
	t.Parallel()
	both(t, 1, 1, func(w *window, job bool) {
		worker := w.workers[0]
		caught := worker.proxy.After(w.scriptSHA("finish"), func() { kill(worker) })
		s := w.send(job, 0)
		w.await("the worker has died", caught)
		w.want(w.close()[s.n], 1, 1, true)
	})
}

func TestWindowW4FinishIsTriedAgain(t *testing.T) {
	t.Parallel()
	both(t, 1, 1, func(w *window, job bool) {
		caught := w.workers[0].proxy.LoseAnswer(w.scriptSHA("finish"))
		s := w.send(job, 0)
		w.await("the answer to the finish is lost", caught)
		w.want(w.close()[s.n], 1, 1, true)
	})
}

func TestWindowW5TheGatewayMissesTheReply(t *testing.T) {
	t.Parallel()
	both(t, 1, 1, func(w *window, job bool) {
		s := w.send(job, lease/2)
		w.begun(s, 1)
		w.gateways[0].proxy.Reset() // the read under way is answered to nobody
		caught := w.gateways[0].proxy.LoseAnswer("xread")
		w.await("an answer to a read of replies is lost", caught)
		w.want(w.close()[s.n], 1, 1, true)
	})
}

func TestWindowRedisRestarts(t *testing.T) {
	t.Parallel()
	both(t, 1, 1, func(w *window, job bool) {
		s := w.send(job, lease)
		w.begun(s, 1)
		w.redis.Kill()
		w.redis.Restart()
		// The lease was over meanwhile, or nearly; still nobody takes the call away.
		w.want(w.close()[s.n], 1, 1, true)
	})
}

// While a worker cannot renew another one executes its calls; the client sees
// one outcome, and it is right.
func TestWindowPartitionedWorker(t *testing.T) {
	t.Parallel()
	both(t, 1, 2, func(w *window, job bool) {
		s := w.send(job, 2*lease)
		w.begun(s, 1)
		victim := w.holder(s)
		victim.proxy.Silence()
		w.begun(s, 2)
		victim.proxy.Restore()
		w.close()
	})
}

func TestWindowStoppedWorker(t *testing.T) {
	t.Parallel()
	both(t, 1, 2, func(w *window, job bool) {
		s := w.send(job, lease/2)
		w.begun(s, 1)
		victim := w.holder(s).now()
		victim.Signal(syscall.SIGSTOP)
		w.begun(s, 2)
		victim.Signal(syscall.SIGCONT)
		w.close()
	})
}

// holder is the worker that a call was first executed by.
func (w *window) holder(s sent) *slot {
	w.t.Helper()
	for _, e := range w.executed() {
		for _, worker := range w.workers {
			if e.Call == s.n && worker.now().PID() == e.PID {
				return worker
			}
		}
	}
	w.t.Fatalf("nobody executes call %d", s.n)
	return nil
}

func TestWindowRedisLosesItsData(t *testing.T) {
	t.Parallel()
	need(t)
	w := openWindow(t, 1, 1)
	a, err := w.load.post(t.Context(), 0, history.Plan{Job: true, Row: "0 answer 500000 1"})
	if err != nil {
		t.Fatal(err)
	}
	job, err := readJob(a)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.redis.Do("FLUSHALL"); err != nil {
		t.Fatal(err)
	}
	a, err = send(t.Context(), plainClient, message{method: http.MethodGet, url: w.load.job(0, job.ID), timeout: readPatience})
	if err != nil || a.status != http.StatusNotFound || a.code != "not_found" {
		t.Errorf("a job that Redis lost answers %d %s, %v; want 404 and never pending", a.status, a.code, err)
	}
	processes.Eventually(t, "calls succeed again", func() bool {
		a, err := w.load.post(t.Context(), 0, history.Plan{Row: "2 answer 0 1"})
		return err == nil && a.status == http.StatusOK
	})
	processes.Eventually(t, "the queue is at rest", func() bool {
		s, err := w.stats(t.Context())
		return err == nil && s.Depth == 0 && s.Bytes == 0 && w.ask(pendingScript) == 0 && w.ask(timelessScript) == 0
	})
}

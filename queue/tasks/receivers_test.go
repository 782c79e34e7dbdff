package tasks_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/queue/tasks"
)

func TestAReceiverHasSoManyDeliveriesAtOnce(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		enter := tasks.Receivers(2)
		first, _ := enter(t.Context(), "https://Dead.example/a")
		second, _ := enter(t.Context(), "https://dead.example/b")
		if first == nil || second == nil {
			t.Fatal("the first two do not go")
		}
		if leave, _ := enter(t.Context(), "https://dead.example:8443/"); leave == nil {
			t.Error("another port waits")
		}
		began := time.Now()
		leave, after := enter(t.Context(), "https://dead.example/c")
		if waited := time.Since(began); leave != nil || waited != tasks.SlotPatience || after != time.Second+10*time.Millisecond {
			t.Errorf("the third waited for %s and is put back for %s", waited, after)
		}
		began = time.Now()
		leave, after = enter(t.Context(), "https://dead.example/d")
		if waited := time.Since(began); leave != nil || waited != 0 || after != time.Second+20*time.Millisecond {
			t.Errorf("the fourth waited for %s and is put back for %s", waited, after)
		}
		first()
		if leave, _ = enter(t.Context(), "https://dead.example/c"); leave == nil {
			t.Error("nobody goes when one has ended")
		}
	})
}

func TestADeliveryGoesWhenAnotherEndsSoon(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		enter := tasks.Receivers(1)
		first, _ := enter(t.Context(), "https://example.com/")
		time.AfterFunc(100*time.Millisecond, first)
		if leave, _ := enter(t.Context(), "https://example.com/"); leave == nil {
			t.Error("it is put back")
		}
	})
}

func TestADeliveryThatWaitsEndsWithItsProcess(t *testing.T) {
	t.Parallel()

	enter := tasks.Receivers(1)
	if leave, _ := enter(t.Context(), "https://example.com/"); leave == nil {
		t.Fatal("the first does not go")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if leave, after := enter(ctx, "https://example.com/"); leave != nil || after < time.Second {
		t.Errorf("it is put back for %s", after)
	}
}

// silent accepts what it is sent and does not answer until the test ends.
func silent(t *testing.T) (in *inbox, most *atomic.Int32) {
	t.Helper()
	var now atomic.Int32
	most = &atomic.Int32{}
	over := make(chan struct{})
	in = newInbox(t, func(http.ResponseWriter, *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for was := most.Load(); n > was && !most.CompareAndSwap(was, n); was = most.Load() {
		}
		<-over
	})
	t.Cleanup(func() { close(over) })
	return in, most
}

// Nobody waits until a receiver that does not answer has had its 15 seconds.
func TestASilentReceiverDelaysNobodyElse(t *testing.T) {
	t.Parallel()

	q := newFakeQueue()
	start(t, newServer(t, ownPlace(t), q, nil))
	dead, most := silent(t)
	var pending, healthy []queue.Errand
	for range 64 {
		pending = append(pending, q.ended(dead.url))
	}
	in := newInbox(t, nil)
	for range 3 {
		healthy = append(healthy, q.ended(in.url))
	}
	for _, e := range healthy {
		eventually(t, "the note", func() bool { return q.hook(e.Job).State == queue.HookDelivered })
	}
	for _, e := range pending {
		if hook := q.hook(e.Job); hook.Deliveries > 0 {
			t.Fatalf("a delivery to the silent receiver has ended: %+v", hook)
		}
	}
	if most.Load() > 4 {
		t.Errorf("%d deliveries to one receiver at once", most.Load())
	}
}

func TestSilentReceiversDelayNoJob(t *testing.T) {
	t.Parallel()

	q, at := newFakeQueue(), ownPlace(t)
	start(t, newServer(t, at, q, nil))
	var told []queue.Errand
	for range 5 {
		dead, _ := silent(t)
		for range 4 {
			told = append(told, q.ended(dead.url))
		}
	}
	eventually(t, "that all are busy", func() bool { return counts(t, at)[tasks.Active] == tasks.DefaultConfig().Concurrency })
	later := q.delayed()
	eventually(t, "the job", func() bool { return q.broughtBack(later) == 1 })
	for _, e := range told {
		if hook := q.hook(e.Job); hook.Deliveries > 0 {
			t.Fatalf("a delivery to a silent receiver has ended: %+v", hook)
		}
	}
}

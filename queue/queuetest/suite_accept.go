package queuetest

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/tensor"
)

// acceptance are the rules of what is taken in.
var acceptance = []test{
	{"as many calls as the bound says are accepted, and not one more", func(s *scene) {
		for i := range 5 {
			c := of("a", 1).call()
			c.Admission.MaxCalls = 3
			_, err := s.Submit(s.t.Context(), c)
			if full := i >= 3; errors.Is(err, queue.ErrFull) != full || (err != nil) != full {
				s.t.Errorf("call %d: %v", i, err)
			}
		}
		if d := s.stats().Depth; d != 3 {
			s.t.Errorf("depth is %d, want 3", d)
		}
		s.drain(s.consumer("w"), 10)
	}},
	{"as many bytes as the bound says are accepted, and not one more", func(s *scene) {
		s.submit(of("a", 1))
		size := s.stats().Bytes
		exact, short := of("b", 1).call(), of("c", 1).call()
		exact.Admission.MaxBytes, short.Admission.MaxBytes = 2*size, 3*size-1
		if _, err := s.Submit(s.t.Context(), exact); err != nil {
			s.t.Errorf("a call that fits exactly: %v", err)
		}
		if _, err := s.Submit(s.t.Context(), short); !errors.Is(err, queue.ErrFull) {
			s.t.Errorf("a call that is a byte too large: %v, want ErrFull", err)
		}
		if b := s.stats().Bytes; b != 2*size {
			s.t.Errorf("%d bytes are queued, want %d", b, 2*size)
		}
		s.drain(s.consumer("w"), 10)
	}},
	{"what is in flight counts against the bounds until it ends", func(s *scene) {
		w := s.consumer("w")
		s.submit(of("a", 1))
		cut := s.cut(w, 1)
		c := of("b", 1).call()
		c.Admission.MaxCalls = 1
		if _, err := s.Submit(s.t.Context(), c); !errors.Is(err, queue.ErrFull) {
			s.t.Errorf("Submit() = %v, want ErrFull", err)
		}
		s.finish(w, echo(cut.Deliveries))
		if _, err := s.Submit(s.t.Context(), c); err != nil {
			s.t.Error(err)
		}
	}},
	{"an awaited call that is refused is told so", func(s *scene) {
		c := of("a", 1).call()
		c.Admission.MaxCalls = 0
		if _, err := s.Do(s.t.Context(), c); !errors.Is(err, queue.ErrFull) {
			s.t.Errorf("Do() = %v, want ErrFull", err)
		}
		s.rest()
	}},
	{"a refused call leaves no record", func(s *scene) {
		c := of("a", 1).call()
		c.Admission.MaxCalls = 0
		_, _ = s.Submit(s.t.Context(), c)
		if _, err := s.Job(s.t.Context(), c.ID); !errors.Is(err, queue.ErrUnknownJob) {
			s.t.Errorf("Job() = %v, want ErrUnknownJob", err)
		}
		s.rest()
	}},
	{"a call that needs a worker is refused while none lives", func(s *scene) {
		c := of("a", 1).call()
		c.Admission.NeedWorker = true
		try := func() error { _, err := s.Submit(s.t.Context(), c); return err }
		if err := try(); !errors.Is(err, queue.ErrNoWorker) {
			s.t.Errorf("before a worker came: %v, want ErrNoWorker", err)
		}
		must(s.Beat(s.t.Context(), runner, queue.Heartbeat{Worker: "w"}))(s.t)
		if err := try(); err != nil {
			s.t.Errorf("with a worker: %v", err)
		}
		c.ID = queue.NewID(runner)
		await(s.t, "the worker is silent for too long", func() bool { return errors.Is(try(), queue.ErrNoWorker) || s.cancel(c.ID) })
	}},
	{"a job whose id is known is not queued again", func(s *scene) {
		c := of("a", 1).call()
		must(s.Submit(s.t.Context(), c))(s.t)
		again := must(s.Submit(s.t.Context(), c))(s.t)
		if again.State != queue.Queued || again.ID != c.ID || s.stats().Depth != 1 {
			s.t.Errorf("the second Submit() = %+v with depth %d", again, s.stats().Depth)
		}
		w := s.consumer("w")
		s.finish(w, echo(s.cut(w, 1).Deliveries))
		if again = must(s.Submit(s.t.Context(), c))(s.t); again.State != queue.Succeeded || s.stats().Depth != 0 {
			s.t.Errorf("Submit() after the end = %+v with depth %d", again, s.stats().Depth)
		}
	}},
	{"a call without rows or time, or with an id or inputs that cannot be sent, is refused", func(s *scene) {
		for _, spoil := range []func(*queue.Call){
			func(c *queue.Call) { c.Rows = 0 },
			func(c *queue.Call) { c.Timeout = 0 },
			func(c *queue.Call) { c.Inputs[0].Tensor = tensor.Tensor{} },
			func(c *queue.Call) { c.ID = "other~0~x" },
			func(c *queue.Call) { c.ID += " x" },
			func(c *queue.Call) { c.Caller = strings.Repeat("x", 2000) },
		} {
			c := of("a", 1).call()
			spoil(&c)
			if _, err := s.Submit(s.t.Context(), c); !errors.Is(err, queue.ErrMalformed) {
				s.t.Errorf("Submit() = %v, want ErrMalformed", err)
			}
		}
		s.rest()
	}},
	{"a caller that goes away takes its queued call along", func(s *scene) {
		ctx, cancel := context.WithCancel(s.t.Context())
		went := make(chan error, 1)
		go func() {
			_, err := s.Do(ctx, of("a", 1).call())
			went <- err
		}()
		await(s.t, "the call is queued", func() bool { return s.stats().Depth == 1 })
		cancel()
		if err := <-went; !errors.Is(err, context.Canceled) {
			s.t.Errorf("Do() = %v, want the context's error", err)
		}
		await(s.t, "the call is gone", func() bool { return s.stats().Depth == 0 })
		if n := s.stats().Canceled; n != 1 {
			s.t.Errorf("%d calls were canceled, want 1", n)
		}
		s.rest()
	}},
	{"an awaited call that nobody answers in time fails with ErrDeadline and leaves", func(s *scene) {
		c := of("a", 1).call()
		c.Timeout = 30 * time.Millisecond
		if _, err := s.Do(s.t.Context(), c); !errors.Is(err, queue.ErrDeadline) {
			s.t.Errorf("Do() = %v, want ErrDeadline", err)
		}
		await(s.t, "the call came and is gone", func() bool { st := s.stats(); return st.Accepted == 1 && st.Depth == 0 })
		s.rest()
	}},
}

// cancel cancels a job that must not stay and returns false, for awaiting.
func (s *scene) cancel(id string) bool {
	_, _ = s.Cancel(s.t.Context(), id)
	return false
}

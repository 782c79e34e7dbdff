package queuetest

import (
	"errors"
	"time"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/tensor"
)

// endings are the rules of how calls end.
var endings = []test{
	{"awaited calls are answered, each with its own", func(s *scene) {
		replies := s.do(of("a", 1), of("b", 1), of("c", 1))
		w := s.consumer("w")
		out := echo(s.wantCut(w, 8, "a", "b", "c").Deliveries)
		timing := queue.Timing{Queue: time.Second, Batch: 2 * time.Millisecond, Execute: 3 * time.Microsecond, Rows: 3}
		out[0].Reply.Timing = timing
		if lost := s.finish(w, out); lost != 0 {
			s.t.Errorf("%d outcomes had no effect", lost)
		}
		for i, want := range []string{"a", "b", "c"} {
			r := s.receive(replies[i])
			if r.err != nil || r.Err != nil || label(r.Outputs) != want || r.ID == "" {
				s.t.Errorf("call %s got %+v", want, r)
			}
			if i == 0 && r.Timing != timing {
				s.t.Errorf("timing %+v, want %+v", r.Timing, timing)
			}
		}
		s.rest()
	}},
	{"a failure of the runner reaches the caller whole", func(s *scene) {
		awaited := s.do(of("a", 1))[0]
		w := s.consumer("w")
		if lost := s.finish(w, fail(s.cut(w, 8).Deliveries)); lost != 0 {
			s.t.Error("the failure had no effect")
		}
		want := queue.CallError{Code: queue.CodeRunnerFailed, Message: "out of ink", Retryable: true}
		if r := s.receive(awaited); r.err != nil || r.Err == nil || *r.Err != want {
			s.t.Errorf("Do() = %+v, want %+v", r, want)
		}
		s.rest()
	}},
	{"calls of different gateways end in one batch", func(s *scene) {
		other := &scene{Backend: s.Backend, Producer: s.NewProducer("gateway2"), t: s.t}
		here, there := s.do(of("here", 1))[0], other.do(of("there", 1))[0]
		w := s.consumer("w")
		s.finish(w, echo(s.cut(w, 8).Deliveries))
		if r := s.receive(here); label(r.Outputs) != "here" {
			s.t.Errorf("the first gateway got %+v", r)
		}
		if r := s.receive(there); label(r.Outputs) != "there" {
			s.t.Errorf("the second gateway got %+v", r)
		}
	}},
	{"finishing again has no effect", func(s *scene) {
		id := s.submit(of("a", 1))[0]
		s.do(of("b", 1))
		w := s.consumer("w")
		out := echo(s.cut(w, 8).Deliveries)
		s.finish(w, out)
		first := s.job(id)
		if lost := s.finish(w, out); lost != 2 {
			s.t.Errorf("%d outcomes had no effect, want 2", lost)
		}
		if lost := s.finish(w, fail(s.drained(out))); lost != 2 {
			s.t.Errorf("%d failures had no effect, want 2", lost)
		}
		if again := s.job(id); again != first {
			s.t.Errorf("the job was %+v and is %+v", first, again)
		}
		if st := s.stats(); st.Finished != 2 || st.FinishedRows != 2 {
			s.t.Errorf("stats: %+v, want 2 finished", st)
		}
		s.rest()
	}},
	{"outputs of every size come back as they were", func(s *scene) {
		for _, n := range []int{0, 1, 1000, 1 << 20} {
			c := of("a", 1).call()
			in, err := tensor.Of([]int{n}, make([]uint8, n))
			if err != nil {
				s.t.Fatal(err)
			}
			c.Inputs[0].Tensor = in
			id := must(s.Submit(s.t.Context(), c))(s.t).ID
			w := s.consumer("w")
			s.finish(w, echo(s.cut(w, 8).Deliveries))
			r := must(s.Result(s.t.Context(), id))(s.t)
			if len(r.Outputs) != 1 || len(r.Outputs[0].Tensor.Data()) != len(in.Data()) {
				s.t.Errorf("%d bytes did not come back", n)
			}
		}
		s.rest()
	}},
	{"many calls are finished at once", func(s *scene) {
		for range 300 {
			s.submit(of("a", 1))
		}
		w := s.consumer("w")
		out := echo(s.cut(w, 1000).Deliveries)
		if lost := s.finish(w, out); lost != 0 || s.stats().Finished != 300 {
			s.t.Errorf("%d outcomes had no effect, %d finished; want 0 and 300", lost, s.stats().Finished)
		}
		s.rest()
	}},
	{"a queued job that is canceled does not run", func(s *scene) {
		ids := s.submit(of("a", 1), of("b", 1))
		if j := must(s.Cancel(s.t.Context(), ids[0]))(s.t); j.State != queue.Canceled {
			s.t.Errorf("Cancel() = %+v", j)
		}
		if st := s.stats(); st.Depth != 1 || st.Waiting != 1 || st.Canceled != 1 {
			s.t.Errorf("stats: %+v", st)
		}
		w := s.consumer("w")
		s.finish(w, echo(s.wantCut(w, 8, "b").Deliveries))
		s.rest()
	}},
	{"a released job that is canceled does not run", func(s *scene) {
		id := s.submit(of("a", 1))[0]
		w := s.consumer("w")
		if err := w.Release(s.t.Context(), s.cut(w, 1).Deliveries); err != nil {
			s.t.Fatal(err)
		}
		must(s.Cancel(s.t.Context(), id))(s.t)
		s.wantCut(w, 8)
		s.rest()
	}},
	{"a running job that is canceled never shows a result", func(s *scene) {
		id := s.submit(of("a", 1))[0]
		w := s.consumer("w")
		cut := s.cut(w, 8)
		if j := must(s.Cancel(s.t.Context(), id))(s.t); j.State != queue.Canceled {
			s.t.Errorf("Cancel() = %+v", j)
		}
		if lost := s.finish(w, echo(cut.Deliveries)); lost != 1 {
			s.t.Error("the result had an effect")
		}
		s.wantState(id, queue.Canceled)
		if _, err := s.Result(s.t.Context(), id); !errors.Is(err, queue.ErrNotDone) {
			s.t.Errorf("Result() = %v, want ErrNotDone", err)
		}
		s.rest()
	}},
	{"a running job that is canceled is dropped when its worker dies", func(s *scene) {
		id := s.submit(of("a", 1))[0]
		s.cut(s.consumer("v"), 8)
		must(s.Cancel(s.t.Context(), id))(s.t)
		s.Abandon("v", 0)
		s.sweep()
		s.wantCut(s.consumer("w"), 8)
		s.rest()
	}},
	{"a job that has ended is not changed by canceling it", func(s *scene) {
		id := s.submit(of("a", 1))[0]
		w := s.consumer("w")
		s.finish(w, echo(s.cut(w, 8).Deliveries))
		before := s.job(id)
		if j := must(s.Cancel(s.t.Context(), id))(s.t); j != before {
			s.t.Errorf("Cancel() = %+v, want %+v", j, before)
		}
	}},
}

// drained are the deliveries of outcomes.
func (s *scene) drained(out []queue.Outcome) []queue.Delivery {
	ds := make([]queue.Delivery, len(out))
	for i, o := range out {
		ds[i] = o.Delivery
	}
	return ds
}

package queuetest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// unwanted are the rules of calls in flight that nobody wants any more.
var unwanted = []test{
	{"who runs a canceled job learns of it", func(s *scene) {
		ids := s.submit(of("a", 1), of("b", 1))
		w := s.consumer("w")
		cut := s.wantCut(w, 8, "a", "b")
		if j := must(s.Cancel(s.t.Context(), ids[0]))(s.t); j.State != queue.Canceled {
			s.t.Errorf("Cancel() = %+v", j)
		}
		r := must(w.Renew(s.t.Context()))(s.t)
		if !slices.Equal(r.Canceled, ids[:1]) || len(r.Lost) > 0 {
			s.t.Errorf("Renew() = %+v, want %s canceled", r, ids[0])
		}
		if lost := s.finish(w, echo(cut.Deliveries)); lost != 1 {
			s.t.Errorf("%d outcomes had no effect, want that of the canceled job", lost)
		}
		s.wantState(ids[0], queue.Canceled)
		s.wantState(ids[1], queue.Succeeded)
		s.rest()
	}},
	{"who runs a job past its deadline learns of it", func(s *scene) {
		late := of("late", 1)
		late.timeout = 200 * time.Millisecond
		id := s.submit(late)[0]
		w := s.consumer("w")
		cut := s.wantCut(w, 8, "late")
		pass(205 * time.Millisecond)
		s.sweep()
		s.wantState(id, queue.Expired)
		if r := must(w.Renew(s.t.Context()))(s.t); !slices.Equal(r.Canceled, []string{id}) {
			s.t.Errorf("Renew() = %+v, want %s canceled", r, id)
		}
		s.finish(w, echo(cut.Deliveries))
		s.rest()
	}},
	{"who runs an awaited call learns that its client has gone", func(s *scene) {
		ctx, leave := context.WithCancel(s.t.Context())
		gone := make(chan error, 1)
		c := of("a", 1).call()
		go func() {
			_, err := s.Do(ctx, c)
			gone <- err
		}()
		w := s.consumer("w")
		await(s.t, "the call is queued", func() bool { return s.stats().Waiting == 1 })
		s.wantCut(w, 8, "a")
		leave()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			s.t.Errorf("Do() = %v, want that it was canceled", err)
		}
		await(s.t, "its worker learns of it", func() bool {
			return slices.Equal(must(w.Renew(s.t.Context()))(s.t).Canceled, []string{c.ID})
		})
		// Given back, it does not wait again.
		if err := w.Leave(s.t.Context()); err != nil {
			s.t.Fatal(err)
		}
		s.rest()
	}},
	{"a canceled job whose worker is lost does not come back", func(s *scene) {
		ids := s.submit(of("a", 1))
		v, w := s.consumer("v"), s.consumer("w")
		s.wantCut(v, 8, "a")
		if j := must(s.Cancel(s.t.Context(), ids[0]))(s.t); j.State != queue.Canceled {
			s.t.Errorf("Cancel() = %+v", j)
		}
		s.Abandon("v", 0)
		s.sweep()
		s.wantCut(w, 8)
		s.wantState(ids[0], queue.Canceled)
		s.rest()
	}},
}

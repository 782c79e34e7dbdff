package queuetest

import (
	"slices"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// list reads all pages of a query.
func (s *scene) list(q queue.JobQuery) (ids []string) {
	s.t.Helper()
	for {
		p := must(s.Jobs(s.t.Context(), q))(s.t)
		if len(p.Jobs) > q.Limit {
			s.t.Fatalf("a page of %d jobs, at most %d were asked for", len(p.Jobs), q.Limit)
		}
		for _, j := range p.Jobs {
			ids = append(ids, j.ID)
		}
		if q.Cursor = p.Next; q.Cursor == "" {
			return ids
		}
	}
}

// lists are the rules of lists of jobs.
var lists = []test{
	{"jobs are listed from new to old, page by page", func(s *scene) {
		var want []string
		for range 25 {
			want = append(want, s.submit(of("a", 1))...)
			pass(10 * time.Microsecond)
		}
		slices.Reverse(want)
		for _, limit := range []int{1, 7, 25, 100} {
			if got := s.list(queue.JobQuery{Runner: runner, Limit: limit}); !slices.Equal(got, want) {
				s.t.Errorf("by %d: %q, want %q", limit, got, want)
			}
		}
	}},
	{"jobs are found by state and time", func(s *scene) {
		w := s.consumer("w")
		ids := s.submit(of("a", 1), of("b", 1))
		s.finish(w, echo(s.cut(w, 1).Deliveries))
		pass(2 * time.Millisecond)
		middle := at(s.stats().At)
		pass(2 * time.Millisecond)
		ids = append(ids, s.submit(of("c", 1))...)
		for _, c := range []struct {
			query queue.JobQuery
			want  []string
		}{
			{queue.JobQuery{State: queue.Succeeded}, ids[:1]},
			{queue.JobQuery{State: queue.Failed}, nil},
			{queue.JobQuery{State: queue.Queued}, []string{ids[2], ids[1]}},
			{queue.JobQuery{From: middle}, ids[2:]},
			{queue.JobQuery{Until: middle}, []string{ids[1], ids[0]}},
			{queue.JobQuery{Until: middle, State: queue.Queued}, ids[1:2]},
			{queue.JobQuery{From: middle, Until: middle}, nil},
		} {
			c.query.Runner, c.query.Limit = runner, 1
			if got := s.list(c.query); !slices.Equal(got, c.want) {
				s.t.Errorf("%+v: %q, want %q", c.query, got, c.want)
			}
		}
	}},
	{"jobs of all runners are in one list", func(s *scene) {
		var want []string
		for i := range 12 {
			name := []string{"x", "y", "z"}[i%3]
			if err := s.Announce(s.t.Context(), name, []byte("{}")); err != nil {
				s.t.Fatal(err)
			}
			c := of("a", 1).call()
			c.Runner, c.ID = name, queue.NewID(name)
			must(s.Submit(s.t.Context(), c))(s.t)
			want = append(want, c.ID)
			pass(10 * time.Microsecond)
		}
		slices.Reverse(want)
		for _, limit := range []int{1, 2, 5, 100} {
			if got := s.list(queue.JobQuery{Limit: limit}); !slices.Equal(got, want) {
				s.t.Errorf("by %d: %q, want %q", limit, got, want)
			}
		}
	}},
	{"a query that is not understood is refused", func(s *scene) {
		for _, q := range []queue.JobQuery{{Limit: 0}, {Limit: 1001}, {Limit: -1}, {Limit: 1, Cursor: "?"}, {Limit: 1, Cursor: "eA"}} {
			q.Runner = runner
			_, err := s.Jobs(s.t.Context(), q)
			wantErr(s.t, "Jobs()", err, queue.ErrMalformed)
		}
	}},
	{"a queued job knows how many are before it", func(s *scene) {
		ids := s.submit(of("a", 1), of("b", 1), of("c", 1), in("high", queue.High), in("low", queue.Low))
		want := func(want ...int) {
			s.t.Helper()
			for i, id := range ids {
				if j := s.job(id); j.Ahead != want[i] {
					s.t.Errorf("%d are before job %d, want %d", j.Ahead, i, want[i])
				}
			}
		}
		want(1, 2, 3, 0, 4)
		w := s.consumer("w")
		s.wantCut(w, 2, "high", "a")
		want(-1, 0, 1, -1, 2)
		if j := must(s.Submit(s.t.Context(), of("d", 1).call()))(s.t); j.Ahead != 2 {
			s.t.Errorf("Submit() says that %d are before it, want 2", j.Ahead)
		}
	}},
}

// aliases are the rules of clients' own keys.
var aliases = []test{
	{"a key stands for the call it was first used for", func(s *scene) {
		ctx := s.t.Context()
		_, err := s.Resolve(ctx, queue.Alias{Caller: "ann", Key: "k"})
		wantErr(s.t, "Resolve() before", err, queue.ErrUnknownJob)
		for _, id := range []string{"first", "second"} {
			if got, err := s.Claim(ctx, queue.Alias{Caller: "ann", Key: "k"}, "digest", id, time.Minute); err != nil || got != "first" {
				s.t.Errorf("Claim(%s) = %q, %v; want first", id, got, err)
			}
		}
		_, err = s.Claim(ctx, queue.Alias{Caller: "ann", Key: "k"}, "another", "third", time.Minute)
		wantErr(s.t, "Claim() of another call", err, queue.ErrKeyReused)
		if got, err := s.Resolve(ctx, queue.Alias{Caller: "ann", Key: "k"}); err != nil || got != "first" {
			s.t.Errorf("Resolve() = %q, %v; want first", got, err)
		}
	}},
	{"a key is its caller's alone", func(s *scene) {
		ctx := s.t.Context()
		must(s.Claim(ctx, queue.Alias{Caller: "ann", Key: "k"}, "d", "hers", time.Minute))(s.t)
		if got, err := s.Claim(ctx, queue.Alias{Caller: "bob", Key: "k"}, "e", "his", time.Minute); err != nil || got != "his" {
			s.t.Errorf("Claim() = %q, %v; want his", got, err)
		}
		must(s.Claim(ctx, queue.Alias{Caller: "a b", Key: "c"}, "d", "one", time.Minute))(s.t)
		if got := must(s.Claim(ctx, queue.Alias{Caller: "a", Key: "b c"}, "d", "two", time.Minute))(s.t); got != "two" {
			s.t.Errorf("Claim() = %q: two callers were taken for one", got)
		}
	}},
	{"a key is free again when its time is over", func(s *scene) {
		ctx := s.t.Context()
		must(s.Claim(ctx, queue.Alias{Caller: "ann", Key: "k"}, "d", "first", 50*time.Millisecond))(s.t)
		await(s.t, "another call has it", func() bool {
			got, err := s.Claim(ctx, queue.Alias{Caller: "ann", Key: "k"}, "e", "second", time.Minute)
			return err == nil && got == "second"
		})
	}},
}

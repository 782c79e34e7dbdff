package queuetest

import (
	"errors"
	"slices"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// presence are the rules of who is known.
var presence = []test{
	{"a runner is known once its spec is announced, and the newest counts", func(s *scene) {
		ctx := s.t.Context()
		if _, err := s.Spec(ctx, runner); !errors.Is(err, queue.ErrUnknownRunner) {
			s.t.Errorf("Spec() = %v, want ErrUnknownRunner", err)
		}
		for _, name := range []string{"zebra", runner} {
			for _, spec := range []string{"old", "new"} {
				if err := s.Announce(ctx, name, []byte(spec)); err != nil {
					s.t.Fatal(err)
				}
			}
		}
		if spec := must(s.Spec(ctx, runner))(s.t); string(spec) != "new" {
			s.t.Errorf("Spec() = %q, want the newest", spec)
		}
		if names := must(s.Runners(ctx))(s.t); !slices.Equal(names, []string{runner, "zebra"}) {
			s.t.Errorf("Runners() = %q", names)
		}
	}},
	{"a heartbeat says whether the spec is known", func(s *scene) {
		ctx, beat := s.t.Context(), queue.Heartbeat{Worker: "w"}
		if must(s.Beat(ctx, runner, beat))(s.t) {
			s.t.Error("the runner is known before it was announced")
		}
		if err := s.Announce(ctx, runner, []byte("spec")); err != nil {
			s.t.Fatal(err)
		}
		if !must(s.Beat(ctx, runner, beat))(s.t) {
			s.t.Error("the runner is unknown after it was announced")
		}
	}},
	{"a worker is alive until it is silent for too long or leaves", func(s *scene) {
		ctx := s.t.Context()
		beat := queue.Heartbeat{Worker: "v", Host: "h", PID: 7, Instances: 2, Busy: 1, Batches: 3, Rows: 9, FixedMS: 1.5, Latency: []int64{1, 2}}
		must(s.Beat(ctx, runner, beat))(s.t)
		must(s.Beat(ctx, runner, queue.Heartbeat{Worker: "w"}))(s.t)
		beats := must(s.Workers(ctx, runner))(s.t)
		if len(beats) != 2 || s.stats().Workers != 2 {
			s.t.Fatalf("Workers() = %+v with %d in the stats, want 2", beats, s.stats().Workers)
		}
		got := beats[0]
		if got.Age < 0 || got.Age > patience || got.Worker != "v" || got.Host != "h" || got.PID != 7 || got.Busy != 1 ||
			got.Rows != 9 || got.FixedMS != 1.5 || !slices.Equal(got.Latency, beat.Latency) {
			s.t.Errorf("the heartbeat is %+v", got)
		}
		if err := s.Backend.Leave(ctx, runner, "v"); err != nil {
			s.t.Fatal(err)
		}
		if beats := must(s.Workers(ctx, runner))(s.t); len(beats) > 1 || (len(beats) == 1 && beats[0].Worker != "w") {
			s.t.Errorf("after one left: %+v", beats)
		}
		await(s.t, "the other is silent for too long", func() bool {
			return s.stats().Workers == 0 && len(must(s.Workers(ctx, runner))(s.t)) == 0
		})
	}},
	{"a queue that nobody used is empty", func(s *scene) {
		st := must(s.Stats(s.t.Context(), runner, "zebra"))(s.t)
		if len(st) != 2 || st[0].Runner != runner || st[1].Runner != "zebra" || st[0].At <= 0 {
			s.t.Fatalf("Stats() = %+v", st)
		}
		if beats := must(s.Workers(s.t.Context(), runner))(s.t); len(beats) > 0 {
			s.t.Errorf("Workers() = %+v", beats)
		}
		if swept := s.sweep(); swept != (queue.Swept{}) {
			s.t.Errorf("Sweep() = %+v", swept)
		}
		s.rest()
	}},
	{"stats count what waits, what runs and what was", func(s *scene) {
		w := s.consumer("w")
		ids := s.submit(of("a", 2), of("b", 3), of("c", 4))
		cut := s.cut(w, 2)
		pass(10 * time.Millisecond)
		st := s.stats()
		if st.Depth != 3 || st.Waiting != 2 || st.WaitingRows != 7 || st.Accepted != 3 || st.Oldest < 10*time.Millisecond {
			s.t.Errorf("stats: %+v", st)
		}
		s.finish(w, echo(cut.Deliveries))
		must(s.Cancel(s.t.Context(), ids[1]))(s.t)
		if st = s.stats(); st.Finished != 1 || st.FinishedRows != 2 || st.Canceled != 1 || st.Depth != 1 || st.WaitingRows != 4 {
			s.t.Errorf("stats: %+v", st)
		}
	}},
}

package schedule_test

import (
	"fmt"
	"maps"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/queue/tasks/schedule"
)

// counted is what loops say together of their ticks, by "runner result".
func counted(t *testing.T, loops ...*schedule.Loop) map[string]float64 {
	t.Helper()
	sum := map[string]float64{}
	for _, l := range loops {
		r := prometheus.NewPedanticRegistry()
		r.MustRegister(l.Metrics())
		families, err := r.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() != "ekiben_schedule_ticks_total" {
				t.Errorf("a metric is called %s", f.GetName())
			}
			for _, m := range f.GetMetric() {
				// Labels come in the order of their names: result, runner.
				sum[m.GetLabel()[1].GetValue()+" "+m.GetLabel()[0].GetValue()] += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

// Two loops look at the same ticks, and each is counted once.
func TestTicksAreCountedByWhatComesOfThem(t *testing.T) {
	t.Parallel()
	m := newMemory(moment(t, "2026-05-01T00:10:00Z"))
	put(t, m, schedule.Definition{Name: "once", Cron: "0 * * * *"})
	put(t, m, schedule.Definition{Name: "wrong", Cron: "30 * * * *", Runner: "other", Method: "m"})
	m.taken = func(s queue.Schedule, _ string) error {
		if s.Name == "wrong" {
			return fmt.Errorf("%w: x is missing", schedule.ErrRefused)
		}
		return nil
	}
	a, b := quiet(m), quiet(m)
	if got := counted(t, a, b); len(got) != 0 {
		t.Errorf("counted %v before any tick", got)
	}
	for _, at := range []string{"00:30:00", "01:00:00", "01:30:00", "05:20:00", "06:00:00"} {
		turn(t, a, m, "2026-05-01T"+at+"Z")
		turn(t, b, m, "2026-05-01T"+at+"Z")
	}
	want := map[string]float64{
		"r fired": 3, "r missed": 3, // 02:00 to 04:00 were missed, 05:00 is run late
		"other refused": 4, "other missed": 2, // 02:30 and 03:30 were missed, 04:30 and 05:30 are tried late
	}
	if got := counted(t, a, b); !maps.Equal(got, want) {
		t.Errorf("counted %v, want %v", got, want)
	}
}

// What is not accepted yet is neither.
func TestATickThatWaitsIsNotCounted(t *testing.T) {
	t.Parallel()
	m := newMemory(moment(t, "2026-05-01T00:10:00Z"))
	put(t, m, schedule.Definition{Name: "a", Cron: "0 * * * *"})
	m.taken = func(queue.Schedule, string) error { return queue.ErrFull }
	l := quiet(m)
	turn(t, l, m, "2026-05-01T01:00:00Z")
	if got := counted(t, l); len(got) != 0 {
		t.Errorf("counted %v", got)
	}
}

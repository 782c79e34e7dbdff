package dashboard_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ekiben/ekiben/gateway/dashboard"
	"github.com/ekiben/ekiben/queue"
)

var noon = time.Date(2026, 9, 30, 12, 0, 5, 0, time.UTC)

func render(t *testing.T, f dashboard.Facts) string {
	t.Helper()
	page, err := dashboard.New()
	if err != nil {
		t.Fatal(err)
	}
	html, err := page.Render(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(html)
}

// wantGolden fails unless got is what the file says. With EKIBEN_UPDATE set it
// writes the file.
func wantGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("EKIBEN_UPDATE") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil { //nolint:gosec // not a secret
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant %s\n%s", got, path, want)
	}
}

// gpus are one that is known well and one that is not.
func gpus() []queue.Device {
	utilization, temperature := 0.71, 64.0
	return []queue.Device{
		{ID: "0", Instances: 1, MemoryTotal: 80e9, MemoryUsed: 8.1e9, Utilization: &utilization, Temperature: &temperature},
		{ID: "MIG-5c89", Instances: 1},
	}
}

// latency makes a histogram.
func latency(buckets map[int]int64) []int64 {
	l := make([]int64, queue.LatencyBuckets)
	for i, n := range buckets {
		l[i] = n
	}
	return l
}

// busy are facts with something of everything.
func busy() dashboard.Facts {
	var samples []queue.Stats
	for i, depth := range []int{0, 3, 12, 40, 85, 60, 30, 24, 18, 12, 15, 17, 12} {
		samples = append(samples, queue.Stats{At: time.Duration(i) * time.Second, Depth: depth, Finished: int64(1230 * i)})
	}
	last := &samples[len(samples)-1]
	last.Waiting, last.WaitingRows, last.Oldest, last.DeadLetters = 8, 41, 23*time.Millisecond, 2
	return dashboard.Facts{At: noon, Tasks: tasks(), Schedules: schedules(), Runners: []dashboard.Runner{
		{
			Name: "iris_clf", MaxQueue: 100, Samples: samples,
			Workers: []queue.Heartbeat{
				{
					Worker: "w1", Host: "gpu-a", PID: 17, Instances: 2, Busy: 2, Batches: 15310, Rows: 412043, Calls: 412043, Failed: 3,
					FixedMS: 4.31, PerRowMS: 0.212, Latency: latency(map[int]int64{20: 900, 24: 90, 30: 10}), Age: 800 * time.Millisecond,
				},
				{Worker: "w2", Host: "gpu-b", PID: 9, Instances: 2, Busy: 1, Draining: true, Latency: latency(map[int]int64{20: 1000}), Age: 3 * time.Second, Devices: gpus()},
			},
		},
		{Name: "sentiment", MaxQueue: 100, Samples: []queue.Stats{{Depth: 85, Waiting: 85, WaitingRows: 85, Oldest: 3 * time.Minute}}},
		{Name: "sleep"},
	}}
}

// tasks are one that was given up, one that is tried again, and one of no job.
func tasks() *dashboard.Tasks {
	return &dashboard.Tasks{Active: 1, Waiting: 2, Scheduled: 1200, Retrying: 3, Failed: 4, Some: []dashboard.Task{
		{ID: "webhook:echo~0~A:1", Job: "echo~0~A", State: "failed", Bad: true, LastError: strings.Repeat("<no>", 40)},
		{
			ID: "webhook:echo~0~B:2", Job: "echo~0~B", State: "retrying", LastError: "status 500: out of ink",
			Next: time.Date(2026, 9, 30, 12, 5, 0, 0, time.UTC),
		},
		{ID: "sweep:1", State: "waiting"},
	}}
}

// schedules are one that ticks, one that is paused, and one that never ticked.
func schedules() []dashboard.Schedule {
	berlin := time.FixedZone("CEST", 2*60*60)
	return []dashboard.Schedule{
		{
			Name: "nightly", Runner: "sentiment", Method: "scores", Cron: "30 2 * * *", TimeZone: "Europe/Berlin",
			Next: time.Date(2026, 10, 1, 2, 30, 0, 0, berlin), Last: time.Date(2026, 9, 30, 0, 30, 0, 0, time.UTC), LastJob: "sentiment~0~ABC", Missed: 1200,
		},
		{
			Name: "paused", Runner: "sentiment", Method: "scores", Cron: "@daily", TimeZone: "UTC", Paused: true,
			Last: time.Date(2026, 9, 30, 0, 0, 0, 0, time.UTC), LastJob: "sentiment~0~DEF",
		},
		{
			Name: "wrong", Runner: "iris_clf", Method: "predict", Cron: "@every 5m", TimeZone: "UTC",
			Next: time.Date(2026, 9, 30, 12, 5, 0, 0, time.UTC), Refusal: "features is missing",
		},
	}
}

func TestAPageShowsALineForEveryRunnerAndWorker(t *testing.T) {
	t.Parallel()
	wantGolden(t, "busy.html", render(t, busy()))
}

func TestAnEmptyPageSaysWhatToDo(t *testing.T) {
	t.Parallel()
	got := render(t, dashboard.Facts{At: noon})
	wantGolden(t, "empty.html", got)
	if strings.Count(got, "ekiben worker") != 2 {
		t.Error("it does not say how to start a worker")
	}
}

func TestAPageDoesNotSayWhatIsNotKnown(t *testing.T) {
	t.Parallel()
	unknown := dashboard.Runner{Name: "a", Unknown: true, Samples: []queue.Stats{{Depth: 3}}}
	got := render(t, dashboard.Facts{Problem: "Away.", Runners: []dashboard.Runner{unknown}})
	for _, bad := range []string{"no worker", "0 / 0", "0 of 0", "ekiben worker"} {
		if strings.Contains(got, bad) {
			t.Errorf("%q is in %s", bad, got)
		}
	}
	if got := render(t, dashboard.Facts{Problem: "Away."}); strings.Contains(got, "ekiben worker") {
		t.Errorf("it says how to start a worker: %s", got)
	}
}

func TestWhatWorkersSayOfThemselvesIsEscaped(t *testing.T) {
	t.Parallel()
	hostile := `"><script>alert(1)</script><img src=x onerror=alert(1)>`
	got := render(t, dashboard.Facts{At: noon, Problem: hostile, Runners: []dashboard.Runner{
		{Name: hostile, Workers: []queue.Heartbeat{{Worker: hostile, Host: hostile, Devices: []queue.Device{{ID: hostile}}}}},
	}, Schedules: []dashboard.Schedule{{Name: hostile, Cron: hostile, TimeZone: hostile, LastJob: hostile, Refusal: hostile}}})
	if strings.Contains(got, "<script") || strings.Contains(got, "<img") || strings.Contains(got, `""`) {
		t.Errorf("got %s", got)
	}
	if strings.Count(got, "&lt;script&gt;") != 11 {
		t.Errorf("something is missing: %s", got)
	}
}

func TestAPageNeedsNothingFromElsewhere(t *testing.T) {
	t.Parallel()
	page, err := dashboard.New()
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{render(t, busy()), string(page.Style())} {
		for _, bad := range []string{"http://", "https://", "<script", "style=", "@import", "url("} {
			if strings.Contains(text, bad) {
				t.Errorf("%q is in %s", bad, text)
			}
		}
	}
}

func TestFiguresAreWrittenAsPeopleReadThem(t *testing.T) {
	t.Parallel()
	stats := func(change func(*queue.Stats)) []queue.Stats {
		s := []queue.Stats{{At: 1 * time.Second}, {At: 11 * time.Second}}
		change(&s[1])
		return s
	}
	worker := func(change func(*queue.Heartbeat)) []queue.Heartbeat {
		w := []queue.Heartbeat{{Instances: 1}}
		change(&w[0])
		return w
	}
	for _, tt := range []struct {
		name   string
		runner dashboard.Runner
		want   string // in the line of the runner or the worker
	}{
		{"thousands", dashboard.Runner{Samples: stats(func(s *queue.Stats) { s.Depth = 1234567 })}, ">1\u2009234\u2009567<"},
		{"a rate", dashboard.Runner{Samples: stats(func(s *queue.Stats) { s.Finished = 123 })}, ">12.3<"},
		{"a rate that is low", dashboard.Runner{Samples: stats(func(s *queue.Stats) { s.Finished = 1 })}, ">0.10<"},
		{"a wait of seconds", dashboard.Runner{Samples: stats(func(s *queue.Stats) { s.Waiting, s.Oldest = 1, 12340*time.Millisecond })}, ">12.3 s<"},
		{"a wait of minutes", dashboard.Runner{Samples: stats(func(s *queue.Stats) { s.Waiting, s.Oldest = 1, 150*time.Second })}, ">2.5 min<"},
		{"a wait of hours", dashboard.Runner{Samples: stats(func(s *queue.Stats) { s.Waiting, s.Oldest = 1, 150*time.Minute })}, ">2.5 h<"},
		{"microseconds", dashboard.Runner{Workers: worker(func(w *queue.Heartbeat) { w.Age = 250 * time.Microsecond })}, ">250 µs ago<"},
		{"a cost", dashboard.Runner{Workers: worker(func(w *queue.Heartbeat) { w.FixedMS, w.PerRowMS = 20, 2 })}, ">20.0 ms &#43; 2.0 ms · rows<"},
		{"no cost yet", dashboard.Runner{Workers: worker(func(*queue.Heartbeat) {})}, ">learning<"},
		{"a paused queue", dashboard.Runner{Samples: stats(func(s *queue.Stats) { s.Gate = queue.GatePaused }), Workers: worker(func(*queue.Heartbeat) {})}, ">paused<"},
		{"a queue that is drained", dashboard.Runner{Samples: stats(func(s *queue.Stats) { s.Gate = queue.GateDraining }), Workers: worker(func(*queue.Heartbeat) {})}, ">draining<"},
		{"a crash loop", dashboard.Runner{Samples: stats(func(s *queue.Stats) { s.Degraded = true })}, ">crashes in a loop<"},
		{"lanes", dashboard.Runner{Samples: stats(func(s *queue.Stats) {
			s.WaitingRows, s.Lanes = 7, [3]queue.LaneStats{{Rows: 2}, {Rows: 4}, {Rows: 1}}
		})}, "7 (2 high, 1 low)"},
		{"a full queue", dashboard.Runner{MaxQueue: 5, Samples: stats(func(s *queue.Stats) { s.Depth = 5 }), Workers: worker(func(*queue.Heartbeat) {})}, ">queue full<"},
		{"almost", dashboard.Runner{MaxQueue: 5, Samples: stats(func(s *queue.Stats) { s.Depth = 4 }), Workers: worker(func(*queue.Heartbeat) {})}, ">queue almost full<"},
		{"beyond the last bound", dashboard.Runner{Workers: worker(func(w *queue.Heartbeat) { w.Latency = latency(map[int]int64{63: 1}) })}, "&gt; "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := render(t, dashboard.Facts{Runners: []dashboard.Runner{tt.runner}})
			body := got[strings.Index(got, "<tbody>"):]
			if !strings.Contains(body, tt.want) {
				t.Errorf("%q is not in %s", tt.want, body)
			}
		})
	}
}

func TestARateIsNotMadeUpAcrossAFlush(t *testing.T) {
	t.Parallel()
	got := render(t, dashboard.Facts{Runners: []dashboard.Runner{{Samples: []queue.Stats{
		{At: 1 * time.Second, Finished: 5000}, {At: 2 * time.Second, Finished: 3},
	}}}})
	if strings.Contains(got, ">-") {
		t.Errorf("a negative rate: %s", got)
	}
}

func TestQuantilesMergeTheWorkers(t *testing.T) {
	t.Parallel()
	w := func(buckets map[int]int64) queue.Heartbeat { return queue.Heartbeat{Latency: latency(buckets)} }
	got := render(t, dashboard.Facts{Runners: []dashboard.Runner{{Workers: []queue.Heartbeat{
		w(map[int]int64{10: 49}), w(map[int]int64{10: 1, 20: 48}), w(map[int]int64{30: 2}), {Latency: []int64{0, 0}},
	}}}})
	// 50 of 100 took at most bound 10 = 931 µs, 98 at most bound 20, 100 at most bound 30 = 80.8 ms.
	if !strings.Contains(got, `<td class="n">931 µs</td><td class="n">80.8 ms</td>`) {
		t.Errorf("got %s", got)
	}
}

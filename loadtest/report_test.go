package loadtest_test

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben/ekiben/loadtest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// overloaded is a run against a server that takes one request at a time and
// refuses what would wait for longer than 100 ms, in virtual time.
func overloaded(t *testing.T) loadtest.Report {
	t.Helper()
	var report loadtest.Report
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // guards free, the instant that the server has nothing to do
		free := time.Now()
		client := &fakeClient{answer: func(_ context.Context, n int64, _ *loadtest.Request) (loadtest.Reply, error) {
			if n == 300 {
				return loadtest.Reply{}, context.DeadlineExceeded
			}
			mu.Lock()
			if time.Until(free) > 100*time.Millisecond {
				mu.Unlock()
				return loadtest.Reply{Status: 429, Code: "queue_full", Bytes: 60}, nil
			}
			if free.Before(time.Now()) {
				free = time.Now()
			}
			free = free.Add(15 * time.Millisecond)
			wait := time.Until(free)
			mu.Unlock()
			return after(wait)
		}}
		plan := planOf(loadtest.Constant{Rate: 100}, 100, 5*time.Second)
		plan.Kinds = append(plan.Kinds, loadtest.Kind{Name: "other", Weight: 1, Method: "GET", Path: "/"})
		report = run(t, plan, client)
	})
	limit := func(v float64) *float64 { return &v }
	report.Scenario = "overload"
	report.Expectations = loadtest.Expect{P99: limit(200), Rejections: limit(0), Goodput: limit(60)}.Check(report)
	return report
}

func TestReportsLookAsTheyDid(t *testing.T) {
	t.Parallel()
	report := overloaded(t)
	var text, doc bytes.Buffer
	if err := report.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	if err := report.WriteJSON(&doc); err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string][]byte{"report.txt": text.Bytes(), "report.json": doc.Bytes()} {
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s differs (write it anew by -update); got:\n%s", path, got)
		}
	}
}

func TestExpectationsAreCheckedAgainstTheReport(t *testing.T) {
	t.Parallel()
	v := func(v float64) *float64 { return &v }
	report := loadtest.Report{Sent: 10, Answered: 9, Accepted: 7, Refused: 2, Failed: 1, GoodputPerSecond: 50}
	report.Latency.Accepted = loadtest.Summary{Count: 7, P50: 10, P99: 100, P999: 150, Max: 160}
	report.Lateness.P99 = 3
	for _, tc := range []struct {
		name string
		x    loadtest.Expect
		met  bool
	}{
		{"as many rejections as allowed", loadtest.Expect{Rejections: v(2)}, true},
		{"one rejection too many", loadtest.Expect{Rejections: v(1)}, false},
		{"errors within the bound", loadtest.Expect{Errors: v(1)}, true},
		{"errors", loadtest.Expect{Errors: v(0)}, false},
		{"median at the bound", loadtest.Expect{P50: v(10)}, true},
		{"median above", loadtest.Expect{P50: v(9.9)}, false},
		{"p99 at the bound", loadtest.Expect{P99: v(100)}, true},
		{"p99 above", loadtest.Expect{P99: v(99)}, false},
		{"p99.9 above", loadtest.Expect{P999: v(149)}, false},
		{"max above", loadtest.Expect{Max: v(159)}, false},
		{"goodput at the bound", loadtest.Expect{Goodput: v(50)}, true},
		{"goodput below", loadtest.Expect{Goodput: v(51)}, false},
		{"accepted at the bound", loadtest.Expect{Accepted: v(7)}, true},
		{"accepted below", loadtest.Expect{Accepted: v(8)}, false},
		{"the generator in time", loadtest.Expect{LateP99: v(3)}, true},
		{"the generator late", loadtest.Expect{LateP99: v(2)}, false},
	} {
		got := tc.x.Check(report)
		if len(got) != 1 || got[0].Met != tc.met {
			t.Errorf("%s: %v, want met = %v", tc.name, got, tc.met)
		}
	}
	if got := (loadtest.Expect{}).Check(report); got != nil {
		t.Errorf("no bounds, but %v", got)
	}
	for _, x := range []loadtest.Expect{{P50: v(1000)}, {P99: v(1000)}, {Max: v(1000)}} {
		if got := x.Check(loadtest.Report{Sent: 5, Refused: 5}); got[0].Met {
			t.Errorf("%v is met although nothing was accepted", got[0])
		}
	}
}

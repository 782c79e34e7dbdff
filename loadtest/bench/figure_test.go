package bench_test

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ekiben/ekiben/loadtest/bench"
)

func TestTheTextFormatOfPrometheusIsRead(t *testing.T) {
	t.Parallel()
	all, err := bench.ParseMetrics(strings.NewReader(`# HELP x says
# TYPE ekiben_batch_rows histogram
ekiben_batch_rows_bucket{runner="a",le="+Inf"} 3
up 1
with_time{a="b"} 2.5 1700000000000
odd{text="a \"quoted\" \\ } and,comma",other="x"} 1e-3

empty{} +Inf
`))
	if err != nil {
		t.Fatal(err)
	}
	type want struct {
		name   string
		labels map[string]string
		value  string
	}
	for i, w := range []want{
		{"ekiben_batch_rows_bucket", map[string]string{"runner": "a", "le": "+Inf"}, "3"},
		{"up", map[string]string{}, "1"},
		{"with_time", map[string]string{"a": "b"}, "2.5"},
		{"odd", map[string]string{"text": `a "quoted" \ } and,comma`, "other": "x"}, "0.001"},
		{"empty", map[string]string{}, "+Inf"},
	} {
		name, labels, value := bench.Sample(all[i])
		if name != w.name || !maps.Equal(labels, w.labels) || bench.Spread("%g", value) != w.value {
			t.Errorf("series %d is %s %v %v, want %+v", i, name, labels, value, w)
		}
	}
	for _, bad := range []string{"novalue", "x{a=\"b\" 1", "x{a=b} 1", "x{a} 1", "x one"} {
		if _, err := bench.ParseMetrics(strings.NewReader(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestBatchesAreThoseBetweenTwoReadings(t *testing.T) {
	t.Parallel()
	before, err := bench.ParseMetrics(strings.NewReader(`
ekiben_batch_rows_count{runner="a"} 10
ekiben_batch_rows_sum{runner="a"} 100
ekiben_batches_total{runner="a",reason="idle"} 10
`))
	if err != nil {
		t.Fatal(err)
	}
	after, err := bench.ParseMetrics(strings.NewReader(`
ekiben_batch_rows_count{runner="a"} 14
ekiben_batch_rows_sum{runner="a"} 200
ekiben_batch_rows_count{runner="b"} 1000
ekiben_batch_rows_sum{runner="b"} 1000
ekiben_batches_total{runner="a",reason="idle"} 11
ekiben_batches_total{runner="a",reason="full"} 3
ekiben_batches_total{runner="b",reason="full"} 1000
`))
	if err != nil {
		t.Fatal(err)
	}
	mean, text := bench.Batches(before, after, "a")
	if mean != 25 || text != "25.0 rows in 4 batches (full 3, idle 1)" {
		t.Errorf("mean %v, %q", mean, text)
	}
	if mean, _ := bench.Batches(after, after, "a"); mean != 0 {
		t.Errorf("mean %v of no batches, want 0", mean)
	}
}

func TestMedians(t *testing.T) {
	t.Parallel()
	if got := bench.Median(3, 1, 2); got != 2 {
		t.Errorf("median of 3, 1, 2 is %v", got)
	}
	if got := bench.Median(4, 1, 2, 3); got != 2.5 {
		t.Errorf("median of 4, 1, 2, 3 is %v", got)
	}
	if got := bench.Median(); got != 0 {
		t.Errorf("median of nothing is %v", got)
	}
	if got := bench.Spread("%.1f", 3, 1, 2); got != "2.0 (1.0 to 3.0)" {
		t.Errorf("spread %q", got)
	}
}

func TestMemoryThatGrowsIsSeen(t *testing.T) {
	t.Parallel()
	steady := []float64{10, 40, 45, 44, 43, 45}
	leak := []float64{10, 20, 30, 40, 50, 60}
	if got := bench.Growth(steady); got != 0 {
		t.Errorf("a steady process grew by %v", got)
	}
	if got := bench.Growth(steady, leak); got != 30 {
		t.Errorf("a leak grew by %v, want 30", got)
	}
	if got := bench.Growth(nil, []float64{1}); got != 0 {
		t.Errorf("processes without samples grew by %v", got)
	}
}

func TestTheTableSaysWhatWasMissed(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	err := bench.WriteTable(&b, []bench.Figure{
		{Benchmark: 1, What: "ratio", Value: "0.41", Target: ">= 0.4", Met: true},
		{Benchmark: 2, What: "p99", Value: "250 ms", Target: "<= 200"},
		{Benchmark: 2, What: "batches", Value: "17.3 rows"},
	})
	want := `| # | figure | measured | target | |
|---|---|---|---|---|
| 1 | ratio | 0.41 | >= 0.4 | met |
| 2 | p99 | 250 ms | <= 200 | **missed** |
| 2 | batches | 17.3 rows |  |  |
`
	if err != nil || b.String() != want {
		t.Errorf("%v\n%s", err, b.String())
	}
}

func TestResultsReplaceThoseBetweenTheMarks(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "b.md")
	begin, end := bench.ResultsMarks[0], bench.ResultsMarks[1]
	for _, tc := range []struct{ before, want string }{
		{"", begin + "\nnew\n\n" + end},
		{"# Title\n", "# Title\n\n" + begin + "\nnew\n\n" + end},
		{"head\n" + begin + "old\n" + end + "tail\n", "head\n" + begin + "\nnew\n\n" + end + "tail\n"},
	} {
		if err := os.WriteFile(path, []byte(tc.before), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := bench.ReplaceResults(path, "new\n"); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != tc.want {
			t.Errorf("%q became %q, want %q (%v)", tc.before, got, tc.want, err)
		}
	}
	if err := os.WriteFile(path, []byte(begin+"old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := bench.ReplaceResults(path, "new\n"); err == nil {
		t.Error("a file without the second mark was overwritten")
	}
}

package simulate_test

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ekiben/ekiben/batching"
	"github.com/ekiben/ekiben/batching/simulate"
)

var update = flag.Bool("update", false, "write the tables of docs/batching.md")

const page = "../../docs/batching.md"

// TestTheTablesInTheDocsAreWhatTheSimulationSays repeats every figure of docs/batching.md that stands between
// <!-- simulated: NAME --> and <!-- end -->. With -update it writes them.
func TestTheTablesInTheDocsAreWhatTheSimulationSays(t *testing.T) {
	t.Parallel()
	if runtime.GOARCH != "amd64" && !*update {
		t.Skip("the tables were made on amd64; other machines fuse multiplications and differ in the last digit")
	}
	raw, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	for name, table := range map[string]string{
		"inspiration": inspirationTable(t),
		"cases":       casesTable(t),
		"policies":    policiesTable(t),
		"instances":   instancesTable(t),
	} {
		begin := "<!-- simulated: " + name + " -->\n"
		before, rest, found := strings.Cut(text, begin)
		was, after, ended := strings.Cut(rest, "<!-- end -->")
		if !found || !ended {
			t.Fatalf("%s has no table %s", page, name)
		}
		if was != table && !*update {
			t.Errorf("table %s:\n%s\nwant\n%s", name, was, table)
		}
		text = before + begin + table + "<!-- end -->" + after
	}
	if *update {
		if err := os.WriteFile(page, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func table(columns ...string) *strings.Builder {
	var b strings.Builder
	row(&b, columns...)
	b.WriteString(strings.Repeat("|---", len(columns)) + "|\n")
	return &b
}

func row(b *strings.Builder, cells ...string) {
	b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
}

func inspirationTable(t *testing.T) string {
	t.Helper()
	b := table("calls a second", "BentoML 1.1.11, measured", "adaptive: p50", "p99", "slowest", "refused", "rows a second", "rows a batch")
	for _, tc := range []struct {
		rate     float64
		depth    int
		measured string
	}{
		{51, 256, "p50 35, p99 79, none refused"},
		{196, 256, "p50 55, p99 92, none refused"},
		{349, 256, "p99 233, 0.5 % refused"},
		{597, 64, "p50 110, p99 233, 37 % refused, 376 a second"},
	} {
		s := poisson(tc.rate)
		s.Depth = tc.depth
		r := run(t, s)
		row(b, fmt.Sprint(tc.rate), tc.measured, millis(r.P50), millis(r.P99), millis(r.Max),
			fmt.Sprintf("%.1f %%", 100*float64(r.Refused)/float64(r.Offered)), fmt.Sprintf("%.0f", r.Throughput), rows(r))
	}
	return b.String()
}

func casesTable(t *testing.T) string {
	t.Helper()
	b := table("case", "BentoML 1.1.11, measured", "here, batches in order")
	for _, tc := range []struct {
		name, measured string
		most           int
		sizes          []int
	}{
		{"limit 4, a call of 4", "spins, 503 after the latency limit", 4, []int{4}},
		{"limit 1, three calls of 1", "every call 503", 1, ones(3)},
		{"limit 4, a call of 5", "500 with an empty body", 4, []int{5}},
		{"limit 4, twelve calls of 1", "batches of 3, newest first", 4, ones(12)},
		{"limit 10, calls of 1, 1, 1, 8, 8, 8", "a batch of 24", 10, []int{1, 1, 1, 8, 8, 8}},
		{"limit 32, a cold burst of 20", "all served (1.0.0: 19 of 20 refused)", 32, ones(20)},
	} {
		row(b, tc.name, tc.measured, batches(t, once(tc.most, tc.sizes...)))
	}
	return b.String()
}

func policiesTable(t *testing.T) string {
	t.Helper()
	b := table("calls, Poisson", "none: p50, p99, rows a batch", "fixed", "adaptive")
	for _, rate := range []float64{5, 51, 196, 349} {
		cells := []string{fmt.Sprintf("%v a second", rate)}
		for _, p := range []batching.Policy{batching.None, batching.Fixed, batching.Adaptive} {
			s := poisson(rate)
			s.Policy = p
			cells = append(cells, brief(run(t, s)))
		}
		row(b, cells...)
	}
	cells := []string{"32 within 2 ms, twice a second"}
	for _, p := range []batching.Policy{batching.None, batching.Fixed, batching.Adaptive} {
		s := bursts(500*ms, 1)
		s.Policy = p
		cells = append(cells, brief(run(t, s)))
	}
	row(b, cells...)
	return b.String()
}

func instancesTable(t *testing.T) string {
	t.Helper()
	b := table("instances", "calls", "none: p50, p99, rows a batch", "adaptive", "questions a batch: none", "adaptive")
	for _, n := range []int{1, 2, 4, 16} {
		half := poisson(0)
		half.Instances, half.Depth = n, 256*n
		half.Arrivals.Rate = half.Capacity() / 2
		groups := bursts(500*ms, n)
		groups.Arrivals.Groups = 2
		for _, tc := range []struct {
			name string
			s    simulate.Scenario
		}{
			{"32 within 2 ms, twice a second", bursts(500*ms, n)},
			{"the same, two groups in turn", groups},
			{"Poisson, half of capacity", half},
		} {
			tc.s.Policy = batching.None
			none := run(t, tc.s)
			tc.s.Policy = batching.Adaptive
			adaptive := run(t, tc.s)
			row(b, fmt.Sprint(n), tc.name, brief(none), brief(adaptive), questions(none), questions(adaptive))
		}
	}
	return b.String()
}

func brief(r simulate.Result) string { return millis(r.P50) + ", " + millis(r.P99) + ", " + rows(r) }

func rows(r simulate.Result) string { return fmt.Sprintf("%.1f", r.MeanBatch) }

func questions(r simulate.Result) string {
	return fmt.Sprintf("%.1f", float64(r.Asks)/float64(r.Batches))
}

func millis(d time.Duration) string { return fmt.Sprintf("%.0f", float64(d)/float64(ms)) }

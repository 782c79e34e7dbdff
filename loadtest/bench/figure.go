package bench

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// Figure is one line of the table.
type Figure struct {
	// Benchmark is the number of the benchmark.
	Benchmark int

	// What was measured, and the value with its unit.
	What, Value string

	// Target is empty for a figure that explains others.
	Target string

	// Met is about the target.
	Met bool
}

func (f Figure) verdict() string {
	switch {
	case f.Target == "":
		return ""
	case f.Met:
		return "met"
	}
	return "**missed**"
}

// writeTable writes figures as a Markdown table.
func writeTable(w io.Writer, figures []Figure) error {
	var b strings.Builder
	b.WriteString("| # | figure | measured | target | |\n|---|---|---|---|---|\n")
	for _, f := range figures {
		fmt.Fprintf(&b, "| %d | %s | %s | %s | %s |\n", f.Benchmark, f.What, f.Value, f.Target, f.verdict())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// rounds are the values of repeated measurements.
type rounds []float64

// median is the middle value, or the mean of the two middle ones.
func (r rounds) median() float64 {
	if len(r) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(r))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// spread writes the median with the extremes.
func (r rounds) spread(format string) string {
	if len(r) < 2 {
		return fmt.Sprintf(format, r.median())
	}
	return fmt.Sprintf(format+" ("+format+" to "+format+")", r.median(), slices.Min(r), slices.Max(r))
}

// atLeast is a figure that must reach a bound.
func atLeast(benchmark int, what, value string, got, bound float64) Figure {
	return Figure{benchmark, what, value, fmt.Sprintf(">= %g", bound), got >= bound}
}

// atMost is a figure that must stay within one.
func atMost(benchmark int, what, value string, got, bound float64) Figure {
	return Figure{benchmark, what, value, fmt.Sprintf("<= %g", bound), got <= bound}
}

// fact is a figure without a target.
func fact(benchmark int, what, value string) Figure {
	return Figure{Benchmark: benchmark, What: what, Value: value}
}

package bench

// What tests look at from outside.
var (
	ParseMetrics   = parseMetrics
	WriteTable     = writeTable
	ReplaceResults = replaceResults
	ResultsMarks   = [2]string{resultsBegin, resultsEnd}
)

// Median is the median of rounds.
func Median(values ...float64) float64 { return rounds(values).median() }

// Spread is how rounds are written.
func Spread(format string, values ...float64) string { return rounds(values).spread(format) }

// Growth is that of processes with the given samples, in MiB.
func Growth(samples ...[]float64) float64 { return memory{samples: samples}.growth() }

// Batches adds metrics of one runner up, less those of an earlier reading.
func Batches(before, after []series, runner string) (mean float64, text string) {
	a, b := batches{reasons: map[string]float64{}}, batches{reasons: map[string]float64{}}
	a.add(before, runner)
	b.add(after, runner)
	d := b.minus(a)
	return d.mean(), d.String()
}

// Sample is a parsed series, taken apart.
func Sample(s series) (name string, labels map[string]string, value float64) {
	return s.name, s.labels, s.value
}

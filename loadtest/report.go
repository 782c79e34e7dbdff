package loadtest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Report is the outcome of a run. Its JSON form is stable: fields are added,
// never changed.
type Report struct {
	Scenario string `json:"scenario,omitempty"`

	// WindowSeconds is how long requests were due, without the warm-up;
	// LastAnswerSeconds is when the last of their answers came, from the same
	// start.
	WindowSeconds     float64 `json:"window_s"`
	LastAnswerSeconds float64 `json:"last_answer_s"`

	// Sent = Answered + Failed, and Answered = Accepted (status 2xx) + Refused
	// (any other status).
	Sent     int64 `json:"sent"`
	Answered int64 `json:"answered"`
	Accepted int64 `json:"accepted"`
	Refused  int64 `json:"refused"`
	Failed   int64 `json:"failed"`

	SentPerSecond float64 `json:"sent_per_s"`
	// GoodputPerSecond counts the accepted answers that came in the window.
	GoodputPerSecond float64 `json:"goodput_per_s"`

	ByStatus map[int]int64    `json:"by_status"`
	ByCode   map[string]int64 `json:"by_code"` // of problem documents
	Errors   map[string]int64 `json:"errors"`  // by [ErrorKind]

	// FirstError is the text of one of the errors.
	FirstError string `json:"first_error,omitempty"`

	// Kinds counts by the name of the kind of request.
	Kinds map[string]KindCounts `json:"kinds"`

	// Latency counts from the instant a request was due to the end of its
	// answer.
	Latency Latencies `json:"latency"`

	// Lateness is how long after the instant that they were due requests were
	// sent.
	Lateness Summary `json:"lateness"`

	// Bytes are those of bodies, without headers.
	Bytes Bytes `json:"bytes"`

	Expectations []Expectation `json:"expectations,omitempty"`
}

// KindCounts are the requests of one kind.
type KindCounts struct {
	Sent     int64 `json:"sent"`
	Accepted int64 `json:"accepted"`
}

// Latencies are those of accepted requests and, apart from them, of refused
// ones: a fast refusal must not make a slow server look fast.
type Latencies struct {
	Accepted Summary `json:"accepted"`
	Refused  Summary `json:"refused"`
}

// Summary is a distribution of times in milliseconds, to three digits.
type Summary struct {
	Count int64   `json:"count"`
	Mean  float64 `json:"mean_ms"`
	P50   float64 `json:"p50_ms"`
	P90   float64 `json:"p90_ms"`
	P99   float64 `json:"p99_ms"`
	P999  float64 `json:"p999_ms"`
	Max   float64 `json:"max_ms"`
}

// Bytes are the sums of the sizes of bodies.
type Bytes struct {
	Sent     int64 `json:"sent"`
	Received int64 `json:"received"`
}

func summarize(h *hdrhistogram.Histogram) Summary {
	if h.TotalCount() == 0 {
		return Summary{}
	}
	at := func(q float64) float64 { return float64(h.ValueAtQuantile(q)) / 1000 }
	return Summary{
		Count: h.TotalCount(), Mean: float64(int64(h.Mean())) / 1000,
		P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: float64(h.Max()) / 1000,
	}
}

// Bottleneck tells whether the generator was too slow for the schedule, so that
// the latencies are its own: a hundredth of the requests left later than the
// larger of 10 ms and half of the median latency.
func (r Report) Bottleneck() bool {
	return r.Lateness.P99 > max(10, r.Latency.Accepted.P50/2)
}

// OK tells whether every expectation was met.
func (r Report) OK() bool {
	return !slices.ContainsFunc(r.Expectations, func(e Expectation) bool { return !e.Met })
}

// WriteJSON writes the report as one JSON document.
func (r Report) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

// WriteText writes the report for a person.
func (r Report) WriteText(w io.Writer) error {
	var t strings.Builder // cells end with a tab, aligned at the end
	if r.Scenario != "" {
		fmt.Fprintf(&t, "scenario\t%s\n", r.Scenario)
	}
	fmt.Fprintf(&t, "window\t%.1f s, last answer at %.1f s\n", r.WindowSeconds, r.LastAnswerSeconds)
	fmt.Fprintf(&t, "sent\t%d\t%.1f/s\n", r.Sent, r.SentPerSecond)
	fmt.Fprintf(&t, "accepted\t%d\tgoodput %.1f/s\n", r.Accepted, r.GoodputPerSecond)
	fmt.Fprintf(&t, "refused\t%d\n", r.Refused)
	fmt.Fprintf(&t, "no answer\t%d\n", r.Failed)
	fmt.Fprintf(&t, "bytes\t%d sent\t%d received\n", r.Bytes.Sent, r.Bytes.Received)
	writeCounts(&t, "status", r.ByStatus)
	writeCounts(&t, "code", r.ByCode)
	writeCounts(&t, "error", r.Errors)
	if r.FirstError != "" {
		fmt.Fprintf(&t, "first error\t%s\n", r.FirstError)
	}
	if len(r.Kinds) > 1 {
		for _, name := range slices.Sorted(maps.Keys(r.Kinds)) {
			fmt.Fprintf(&t, "kind %s\t%d sent\t%d accepted\n", name, r.Kinds[name].Sent, r.Kinds[name].Accepted)
		}
	}
	t.WriteString("\nmilliseconds\tp50\tp90\tp99\tp99.9\tmax\n")
	writeSummary(&t, "accepted", r.Latency.Accepted)
	writeSummary(&t, "refused", r.Latency.Refused)
	writeSummary(&t, "generator late by", r.Lateness)
	if r.Bottleneck() {
		t.WriteString("\nThe generator was late: these latencies are its own, not the server's.\n")
	}
	for i, e := range r.Expectations {
		if i == 0 {
			t.WriteString("\n")
		}
		fmt.Fprintf(&t, "%s\n", e)
	}
	aligned := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if _, err := io.WriteString(aligned, t.String()); err != nil {
		return err
	}
	return aligned.Flush()
}

func writeCounts[K cmp.Ordered](w *strings.Builder, label string, counts map[K]int64) {
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(w, "%s %v\t%d\n", label, k, counts[k])
	}
}

func writeSummary(w *strings.Builder, label string, s Summary) {
	if s.Count == 0 {
		return
	}
	fmt.Fprintf(w, "%s\t%.3f\t%.3f\t%.3f\t%.3f\t%.3f\n", label, s.P50, s.P90, s.P99, s.P999, s.Max)
}

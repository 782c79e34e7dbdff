package loadtest

import "fmt"

// Expect are the bounds that a scenario puts on its report; nil means none.
type Expect struct {
	// Rejections is how many requests may be refused, answered with another
	// status than 2xx.
	Rejections *float64 `yaml:"rejections"`

	// Errors is how many requests may get no answer.
	Errors *float64 `yaml:"errors"`

	// P50, P99, P999 and Max bound the latency of accepted requests, in
	// milliseconds.
	P50  *float64 `yaml:"p50_ms"`
	P99  *float64 `yaml:"p99_ms"`
	P999 *float64 `yaml:"p999_ms"`
	Max  *float64 `yaml:"max_ms"`

	// Goodput is the least number of accepted answers a second.
	Goodput *float64 `yaml:"goodput_per_s"`

	// Accepted is the least number of accepted requests.
	Accepted *float64 `yaml:"accepted"`

	// LateP99 bounds how late the generator was, in milliseconds.
	LateP99 *float64 `yaml:"late_p99_ms"`
}

// Expectation is one bound with what was found.
type Expectation struct {
	Name string  `json:"name"`
	Want string  `json:"want"` // for example "<= 200"
	Got  float64 `json:"got"`
	Met  bool    `json:"met"`
}

// String is the line of the text report.
func (e Expectation) String() string {
	verdict := "met"
	if !e.Met {
		verdict = "MISSED"
	}
	return fmt.Sprintf("%s: %s %s, got %.6g", verdict, e.Name, e.Want, e.Got)
}

// Check compares a report with the bounds. A latency bound is missed when no
// request was accepted: there is no latency then.
func (x Expect) Check(r Report) []Expectation {
	var out []Expectation
	atMost := func(name string, bound *float64, got float64, measured bool) {
		if bound != nil {
			out = append(out, Expectation{name, fmt.Sprintf("<= %.6g", *bound), got, measured && got <= *bound})
		}
	}
	atLeast := func(name string, bound *float64, got float64) {
		if bound != nil {
			out = append(out, Expectation{name, fmt.Sprintf(">= %.6g", *bound), got, got >= *bound})
		}
	}
	some := r.Accepted > 0
	atMost("rejections", x.Rejections, float64(r.Refused), true)
	atMost("errors", x.Errors, float64(r.Failed), true)
	atMost("p50_ms", x.P50, r.Latency.Accepted.P50, some)
	atMost("p99_ms", x.P99, r.Latency.Accepted.P99, some)
	atMost("p999_ms", x.P999, r.Latency.Accepted.P999, some)
	atMost("max_ms", x.Max, r.Latency.Accepted.Max, some)
	atLeast("goodput_per_s", x.Goodput, r.GoodputPerSecond)
	atLeast("accepted", x.Accepted, float64(r.Accepted))
	atMost("late_p99_ms", x.LateP99, r.Lateness.P99, r.Sent > 0)
	return out
}

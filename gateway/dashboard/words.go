package dashboard

import (
	"strconv"
	"time"
)

// count writes a number with thin spaces between thousands.
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	start := 0
	if n < 0 {
		start = 1
	}
	for i := len(s) - 3; i > start; i -= 3 {
		s = s[:i] + "\u2009" + s[i:]
	}
	return s
}

// decimal writes a figure with as many decimals as it deserves.
func decimal(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v < 0.995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case v < 99.95:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return count(int64(v + 0.5))
}

// mean is total by n.
func mean(total, n int64) string {
	if n == 0 {
		return "–"
	}
	return decimal(float64(total) / float64(n))
}

// span writes a duration in the unit that reads best.
func span(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return strconv.FormatInt(d.Microseconds(), 10) + " µs"
	case d < time.Second:
		return decimal(float64(d)/float64(time.Millisecond)) + " ms"
	case d < 2*time.Minute:
		return decimal(d.Seconds()) + " s"
	case d < 2*time.Hour:
		return decimal(d.Minutes()) + " min"
	}
	return decimal(d.Hours()) + " h"
}

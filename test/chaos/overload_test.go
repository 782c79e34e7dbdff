package chaos_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ekiben/ekiben/test/chaos/history"
)

// One worker does at most overloadBatch rows in overloadWork: its capacity is
// known, whatever the machine.
const (
	overloadBatch    = 16
	overloadWork     = 200 * time.Millisecond
	overloadCapacity = float64(overloadBatch) / (float64(overloadWork) / float64(time.Second))
	overloadLong     = 6 * time.Second
	overloadTimeout  = 2 * time.Second
)

// Calls come at a share of the capacity, up to ten times of it. What is done in
// time must not become less. That is reported; what is asserted are the
// invariants.
func TestOverload(t *testing.T) { //nolint:paralleltest // needs the machine for itself
	need(t)
	var b strings.Builder
	fmt.Fprintf(&b, "capacity %.0f calls/s, timeout %s\n", overloadCapacity, overloadTimeout)
	one := 0.0
	for _, factor := range []float64{1, 2, 5, 10} { //nolint:paralleltest // as above
		t.Run(fmt.Sprintf("%g times", factor), func(t *testing.T) {
			var good float64
			scenario{
				name: "overload", long: overloadLong, rate: factor * overloadCapacity,
				setup: setup{gateways: 2, workers: 1, env: []string{"EKIBEN_REQUEST_TIMEOUT=" + overloadTimeout.String()}},
				mix:   &mix{timeout: overloadTimeout, work: overloadWork, even: true},
				after: func(_ *testing.T, events []history.Event) { good = goodput(events) },
			}.play(t, *seedFlag)
			if factor == 1 {
				one = good
			}
			fmt.Fprintf(&b, "%4gx: goodput %5.1f calls/s, %.2f of that at 1x\n", factor, good, good/one)
		})
	}
	t.Logf("overload\n%s", &b)
}

// goodput is how many calls a second were answered well while calls came. The
// first of the time is left out: the queue has to fill.
func goodput(events []history.Event) float64 {
	const warm = overloadTimeout
	n, first := 0, events[0].At
	for _, e := range events {
		if d := e.At.Sub(first); e.Kind == history.Replied && e.Status == http.StatusOK && d >= warm && d < overloadLong {
			n++
		}
	}
	return float64(n) / (overloadLong - warm).Seconds()
}

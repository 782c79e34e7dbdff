package batching_test

import (
	"fmt"
	"time"

	"github.com/ekiben/ekiben/batching"
)

// An instance that has just become free asks the queue. The queue answers facts: one call waits, since a moment ago.
// The former knows what batches cost and decides to look again shortly; meanwhile nine more have come.
func ExampleFormer() {
	f, err := batching.NewFormer(batching.Limits{Rows: 32, Wait: 500 * time.Millisecond}, batching.Adaptive)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, rows := range []int{1, 8, 2, 16} {
		f.Executed(rows, 20*time.Millisecond+time.Duration(rows)*2*time.Millisecond)
	}

	now := time.Hour // by the queue's clock
	first := batching.Facts{Now: now, Rows: 1, Calls: 1, Arrived: 101}
	fmt.Println("one call:", f.Decide(first).Wait.Round(100*time.Microsecond), "for company")

	later := batching.Facts{
		Now: now + 3*time.Millisecond, Rows: 10, Calls: 10, Arrived: 110,
		Oldest: 3 * time.Millisecond, Newest: 2 * time.Millisecond,
	}
	d := f.Decide(later)
	fmt.Printf("ten calls, silent for 2ms: wait %v, ask %+v\n", d.Wait, d.Ask)

	reason := f.Took(batching.Cut{Facts: later, Rows: 10, Calls: 10, Asked: d.Ask})
	fmt.Println("went:", reason)
	// Output:
	// one call: 1ms for company
	// ten calls, silent for 2ms: wait 0s, ask {Rows:32 Enough:10 Age:3ms}
	// went: idle
}

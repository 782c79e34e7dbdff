package history

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"
)

// Counts are what a batch says of its lines.
type Counts struct {
	Total     int `json:"total"`
	Completed int `json:"completed"`
	Failed    int `json:"failed"`
}

// The files that the outcomes of a batch come in.
const (
	Results = "results"
	Errors  = "errors"
)

// hasOneOutcome is I15 of a line: it has one outcome, in its place and its file,
// and that is the one that it must have. Whether the value is right is I2.
func (k *checker) hasOneOutcome() {
	c := k.call
	if c.plan.Batch == 0 || c.excused || !k.ended[c.plan.Batch] {
		return
	}
	if len(c.outcomes) != 1 {
		k.violated("I15", "line %d of batch %d has %d outcomes, want 1", c.plan.Line, c.plan.Batch, len(c.outcomes))
		return
	}
	o := c.outcomes[0]
	file, right := Errors, o.Code == CodeRunnerFailed
	switch {
	case c.plan.Row == "":
		right = o.Code == CodeInvalidInput
	case c.plan.Want != "":
		file, right = Results, o.Status == http.StatusOK
	}
	if o.Batch != c.plan.Batch || o.Line != c.plan.Line || o.File != file || !right {
		k.violated("I15", "line %d of batch %d came back in the %s of batch %d as line %d with %d %s",
			c.plan.Line, c.plan.Batch, o.File, o.Batch, o.Line, o.Status, o.Code)
	}
}

// isNotRunAgain is I15 of the executions of a line. It has ended when an execution
// has, whose process lived on while Redis was there: none begins after that.
func (k *checker) isNotRunAgain() {
	c := k.call
	if c.plan.Batch == 0 || c.excused || k.rules.Lease == 0 {
		return
	}
	if n := c.rushed(k.rules.Lease - k.rules.Slack); n > 0 {
		k.violated("I15", "%d executions of a line began less than a lease after another", n)
	}
	for _, end := range c.ends {
		over := end.At.Add(k.rules.Lease)
		if k.lived[end.PID].Before(over) || k.outage(end.At.Add(-2*k.rules.Lease), over) {
			continue // its worker may have been lost before it could say so
		}
		for _, b := range c.began {
			if b.At.After(over) {
				k.violated("I15", "process %d began a line %s after process %d had ended it", b.PID, b.At.Sub(end.At), end.PID)
			}
		}
	}
}

// outage reports whether Redis was killed within a span.
func (k *checker) outage(from, to time.Time) bool {
	return slices.ContainsFunc(k.outages, func(at time.Time) bool { return !at.Before(from) && !at.After(to) })
}

// look notes what the checker has to know of the whole history.
func (k *checker) look(events []Event) {
	k.lived, k.ended = map[int]time.Time{}, map[int]bool{}
	for _, e := range events {
		switch e.Kind {
		case Began, Ended:
			if e.At.After(k.lived[e.PID]) {
				k.lived[e.PID] = e.At
			}
		case Fault:
			if e.Fault == FaultRedis {
				k.outages = append(k.outages, e.At)
			}
		case BatchEnded:
			k.ended[e.Batch] = true
		default:
		}
	}
}

// batchesEnd is I15 of batches: each ends, its files are in the order of its lines
// and have no other, and its counts are of what is in them.
func (k *checker) batchesEnd(calls []*call, events []Event) {
	lines := map[int]int{}
	for _, c := range calls {
		if c.plan.Batch > 0 && !c.excused {
			lines[c.plan.Batch]++
		}
	}
	for _, n := range slices.Sorted(maps.Keys(lines)) {
		end, found := k.filesOf(n, events)
		switch {
		case end == nil:
			k.violated("I15", "batch %d does not end", n)
		case end.State != Completed:
			k.violated("I15", "batch %d is %s, want %s", n, end.State, Completed)
		case end.Counts == nil || *end.Counts != found || found.Total != lines[n]:
			k.violated("I15", "batch %d has %d lines and says %+v, its files have %+v", n, lines[n], end.Counts, found)
		}
	}
}

// filesOf looks at the files of a batch, and returns its end, if there is one, and
// how many outcomes there are.
func (k *checker) filesOf(batch int, events []Event) (end *Event, found Counts) {
	last := map[string]int{}
	for i, e := range events {
		switch {
		case e.Batch != batch:
		case e.Kind == BatchEnded:
			end = &events[i]
		case e.Kind == LineEnded:
			found.add(e)
			if e.Call < 0 {
				k.violated("I15", "batch %d has an outcome of no line of its: %s", batch, e.Body)
			}
			if e.Line <= last[e.File] {
				k.violated("I15", "in the %s of batch %d line %d comes after line %d", e.File, batch, e.Line, last[e.File])
			}
			last[e.File] = e.Line
		}
	}
	return end, found
}

func (n *Counts) add(outcome Event) {
	n.Total++
	if outcome.Status == http.StatusOK {
		n.Completed++
	} else {
		n.Failed++
	}
}

// Bulk is what a report says of batches.
type Bulk struct {
	// Batches have ended. Lines are those with an outcome, Failed those of them whose
	// outcome is an error.
	Batches, Lines, Failed int

	// Executions of lines that came to their end, and those beyond the one of each.
	Executions, Duplicates int

	// Took is the time from just before a batch was sent to when it was seen to have
	// ended.
	Took Spread
}

func newBulk(calls []*call, events []Event) Bulk {
	var b Bulk
	begun := map[int]time.Time{}
	for _, c := range calls {
		n := c.plan.Batch
		if n == 0 {
			continue
		}
		if at, known := begun[n]; !known || c.submitted.Before(at) {
			begun[n] = c.submitted
		}
		if len(c.outcomes) > 0 {
			b.Lines++
			if c.outcomes[0].Status != http.StatusOK {
				b.Failed++
			}
		}
		b.Executions += len(c.ends)
		b.Duplicates += max(len(c.ends)-1, 0)
	}
	var took []time.Duration
	for _, e := range events {
		if e.Kind == BatchEnded {
			b.Batches++
			took = append(took, e.At.Sub(begun[e.Batch]))
		}
	}
	b.Took = SpreadOf(took)
	return b
}

func (b Bulk) sum(other Bulk) Bulk {
	return Bulk{
		b.Batches + other.Batches, b.Lines + other.Lines, b.Failed + other.Failed,
		b.Executions + other.Executions, b.Duplicates + other.Duplicates, b.Took.worst(other.Took),
	}
}

// table is what there is to say, or nothing.
func (b Bulk) table() string {
	if b.Batches == 0 {
		return ""
	}
	share := 0.0
	if b.Executions > 0 {
		share = 100 * float64(b.Duplicates) / float64(b.Executions)
	}
	return fmt.Sprintf("bulk       %d batches with %d lines, of which %d failed; executions %d, of which duplicates %d (%.2f %%)\n"+
		"           a batch took p50 %s, max %s\n",
		b.Batches, b.Lines, b.Failed, b.Executions, b.Duplicates, share,
		b.Took.P50.Round(time.Millisecond), b.Took.Max.Round(time.Millisecond))
}

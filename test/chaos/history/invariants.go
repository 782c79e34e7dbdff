package history

import (
	"net/http"
	"slices"
	"time"
)

// ends is I1 of a call: what was acknowledged comes to an end, and who waits is
// answered.
func (k *checker) ends() {
	c := k.call
	switch {
	case c.plan.Batch > 0 && len(c.outcomes) == 0: // I15
	case c.isJob() && !c.hasFinal:
		k.violated("I1", "nobody looked what became of job %s", c.id)
	case c.isJob() && !terminal(c.outcome.State):
		if !c.excused {
			k.violated("I1", "job %s is %s at the end: lost", c.id, c.outcome.State)
		}
	case c.isJob():
		if c.late() {
			k.violated("I1", "job %s expired although it had all the time: late", c.id)
		}
	case c.refused || c.unknown:
	case c.reply == nil:
		k.violated("I1", "the client got no answer")
	case c.late():
		k.violated("I1", "the client's long time was over without an answer: late")
	}
}

// isRight is I2: results are what the function gives, and only failures fail.
func (k *checker) isRight() {
	c := k.call
	answers := append([]Event(nil), c.results...)
	if c.reply != nil {
		answers = append(answers, *c.reply)
	}
	if c.hasFinal {
		answers = append(answers, Event{Status: c.outcome.Status, Code: c.outcome.Code, Body: c.outcome.Body})
	}
	for _, a := range answers {
		if a.Status == http.StatusOK && (c.plan.Want == "" || a.Body != c.plan.Want) {
			k.violated("I2", "answered %q, want %q", a.Body, c.plan.Want)
			return
		}
		if a.Code == CodeRunnerFailed && c.plan.Want != "" {
			k.violated("I2", "failed with %q, want %q", a.Body, c.plan.Want)
			return
		}
	}
}

// wasTried is I3: outcomes of an execution have one.
func (k *checker) wasTried() {
	c := k.call
	if c.succeeded() && len(c.ends) == 0 {
		k.violated("I3", "succeeded and was never executed to its end")
	}
	if c.code() == CodeRunnerFailed && len(c.began) == 0 {
		k.violated("I3", "failed and was never executed")
	}
}

// endsOnce is I4: the first end that was seen is the one that remains.
func (k *checker) endsOnce() {
	c := k.call
	type end struct {
		state    string
		finished time.Time
	}
	var first *end
	look := func(state string, finished time.Time) {
		if !terminal(state) {
			return
		}
		if first == nil {
			first = &end{state, finished}
		}
		if state != first.state || !finished.Equal(first.finished) {
			k.violated("I4", "ended as %s at %s and again as %s at %s", first.state, first.finished, state, finished)
		}
	}
	for _, e := range c.seen {
		look(e.State, e.Finished)
	}
	if c.hasFinal {
		look(c.outcome.State, c.outcome.Finished)
	}
	if c.excused {
		return
	}
	results := c.results
	if c.hasFinal && terminal(c.outcome.State) {
		results = append(slices.Clip(results), Event{Status: c.outcome.Status, Code: c.outcome.Code, Body: c.outcome.Body})
	}
	for i := 1; i < len(results); i++ {
		if a, b := results[0], results[i]; a.Status != b.Status || a.Code != b.Code || a.Body != b.Body {
			k.violated("I4", "its result was %d %s %q and is %d %s %q", a.Status, a.Code, a.Body, b.Status, b.Code, b.Body)
			return
		}
	}
}

// isMonotone is I5: nobody sees a job that is over go on, or go away. Running
// to queued is the way of a call whose worker was lost.
func (k *checker) isMonotone() {
	c := k.call
	over := ""
	for _, e := range c.seen {
		switch {
		case e.State == Missing && !c.excused:
			k.violated("I5", "job %s was acknowledged, and then not known", c.id)
			return
		case over != "" && !terminal(e.State) && !c.excused:
			k.violated("I5", "was %s, and then %s", over, e.State)
			return
		case terminal(e.State):
			over = e.State
		}
	}
}

// beginsInTime is I6, of jobs: only they say when their deadline is. Each attempt
// after a failure has one of its own, which is not known.
func (k *checker) beginsInTime() {
	c := k.call
	if c.deadline.IsZero() || c.plan.Retries > 0 {
		return
	}
	for _, b := range c.began {
		if late := b.At.Sub(c.deadline); late > k.rules.Slack {
			k.violated("I6", "process %d began %s after the deadline", b.PID, late)
		}
	}
}

// staysCanceled is I7.
func (k *checker) staysCanceled() {
	c := k.call
	if !c.canceled || c.excused {
		return
	}
	for _, r := range c.results {
		if r.Status == http.StatusOK {
			k.violated("I7", "was canceled and has the result %q", r.Body)
			return
		}
	}
	if c.hasFinal && c.outcome.State != Withdrawn {
		k.violated("I7", "was canceled and is %s", c.outcome.State)
	}
}

// isGuilty is I8: what kills workers is given up, what does not is not.
func (k *checker) isGuilty() {
	c := k.call
	if !c.plan.Poison {
		if c.code() == CodeWorkerLost {
			k.violated("I8", "was given up with its workers, and is innocent")
		}
		return
	}
	if c.succeeded() || (c.isJob() && c.outcome.State == Failed && c.code() != CodeWorkerLost) {
		k.violated("I8", "is poison and ended as %s %s", c.outcome.State, c.code())
	}
}

// idsDiffer is I1 of all: one id, one call.
func (k *checker) idsDiffer(calls []*call) {
	of := map[string]int{}
	for _, c := range calls {
		if other, known := of[c.id]; known && c.isJob() {
			k.violated("I1", "calls %d and %d were both given the id %s", other, c.number, c.id)
		}
		of[c.id] = c.number
	}
}

// acceptsAddUp is I1 of all: a call whose accept nobody heard of exists at most
// once.
func (k *checker) acceptsAddUp(calls []*call, events []Event, final Final) {
	for _, e := range events {
		if e.Kind == DataLost {
			return // the count began again
		}
	}
	if final.Accepted < 0 {
		return
	}
	least, most := 0, 0
	for _, c := range calls {
		if c.exists() {
			least++
		}
		if !c.refused {
			most++
		}
	}
	if final.Accepted < least || final.Accepted > most {
		k.violated("I1", "the queue accepted %d calls, want %d to %d", final.Accepted, least, most)
	}
}

// isAtRest is I9, I10 and I12.
func (k *checker) isAtRest(f Final) {
	if f.Depth != 0 || f.Waiting != 0 || f.Bytes != 0 || f.Pending != 0 || f.Timeless != 0 || f.Unowned != 0 {
		k.violated("I9", "at rest there are depth %d, waiting %d, bytes %d, pending %d, %d records without an end, and inputs of %d calls that nobody has",
			f.Depth, f.Waiting, f.Bytes, f.Pending, f.Timeless, f.Unowned)
	}
	if f.MemoryBound > 0 && f.Memory > f.MemoryBound {
		k.violated("I10", "Redis used %d bytes, want at most %d", f.Memory, f.MemoryBound)
	}
	for _, leak := range f.Leaks {
		k.violated("I12", "%s", leak)
	}
}

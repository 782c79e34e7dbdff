package history_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ekiben/ekiben/test/chaos/history"
)

// bulk is the history of a batch of three lines: one that succeeds, one that fails
// and one that is none. The worker of the first was lost once.
func bulk() ([]history.Event, history.Final) {
	line := func(n int, row, answer string) history.Event {
		return history.Event{At: at(0), Kind: history.Submitted, Call: 9 + n, Plan: &history.Plan{Row: row, Want: answer, Batch: 1, Line: n}}
	}
	events := []history.Event{
		line(1, "10", want), line(2, "11", ""), line(3, "", ""),
		{At: at(19), Kind: history.BatchEnded, Call: -1, Batch: 1, State: history.Completed, Counts: &history.Counts{Total: 3, Completed: 1, Failed: 2}},
		{At: at(19), Kind: history.LineEnded, Call: 10, Batch: 1, Line: 1, File: history.Results, Status: 200, Body: want},
		{At: at(19), Kind: history.LineEnded, Call: 11, Batch: 1, Line: 2, File: history.Errors, Status: 500, Code: history.CodeRunnerFailed},
		{At: at(19), Kind: history.LineEnded, Call: 12, Batch: 1, Line: 3, File: history.Errors, Status: 400, Code: history.CodeInvalidInput},
		{At: at(1), Kind: history.Began, Call: 10, PID: 7},
		{At: at(1), Kind: history.Began, Call: 11, PID: 8},
		{At: at(2), Kind: history.Ended, Call: 11, PID: 8},
		{At: at(3), Kind: history.Began, Call: 10, PID: 8},
		{At: at(4), Kind: history.Ended, Call: 10, PID: 8},
	}
	return events, history.Final{Accepted: 2}
}

func TestABatchThatIsAsPromisedPassesAndIsMeasured(t *testing.T) {
	t.Parallel()

	events, final := bulk()
	r := history.Check(events, final, slowRules)
	want := history.Bulk{Batches: 1, Lines: 3, Failed: 2, Executions: 2, Took: history.SpreadOf([]time.Duration{19 * time.Second})}
	if len(r.Violations) > 0 || r.Bulk != want || r.Accepted != 2 || r.Refused != 1 || r.Repeats != 1 {
		t.Errorf("got %+v", r)
	}
	sum := r.Sum(r)
	if sum.Bulk.Lines != 6 || sum.Bulk.Took.N != 2 {
		t.Errorf("got %+v", sum.Bulk)
	}
	table := sum.Table(time.Second)
	for _, want := range []string{"2 batches with 6 lines, of which 4 failed; executions 4, of which duplicates 0 (0.00 %)", "a batch took p50 19s, max 19s"} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
}

// Whoever is killed, or has no Redis, before it could say that a line has ended is
// followed by another, which is counted.
func TestALineWhoseEndWasNotNotedIsRunAgain(t *testing.T) {
	t.Parallel()

	ended := history.Event{At: at(1.5), Kind: history.Ended, Call: 10, PID: 7}
	events, final := bulk()
	if r := history.Check(append(events, ended), final, slowRules); len(r.Violations) > 0 || r.Bulk.Duplicates != 1 {
		t.Errorf("the worker died: %+v", r)
	}
	lived := history.Event{At: at(9), Kind: history.Began, Call: 30, PID: 7}
	other := history.Event{At: at(0), Kind: history.Submitted, Call: 30, Plan: &history.Plan{Row: "x"}}
	nobody := history.Event{At: at(1), Kind: history.Unknown, Call: 30}
	died := history.Event{At: at(1.2), Kind: history.Fault, Call: -1, Fault: history.FaultRedis}
	events, final = bulk()
	if r := history.Check(append(events, other, nobody, ended, lived, died), final, slowRules); len(r.Violations) > 0 || r.Bulk.Duplicates != 1 {
		t.Errorf("Redis died: %+v", r)
	}
}

// Each entry makes one thing of a good history bad.
func TestViolationsOfBatchesAreFound(t *testing.T) {
	t.Parallel()

	type change = func(es *[]history.Event, f *history.Final)
	const end, first, second, none = 3, 4, 5, 6
	also := func(e history.Event) change {
		return func(es *[]history.Event, _ *history.Final) { *es = append(*es, e) }
	}
	drop := func(i int) change {
		return func(es *[]history.Event, _ *history.Final) { *es = slices.Delete(*es, i, i+1) }
	}
	alter := func(i int, to func(e *history.Event)) change {
		return func(es *[]history.Event, _ *history.Final) { to(&(*es)[i]) }
	}
	for _, tc := range []struct {
		name, invariant string
		change          change
	}{
		{"a batch does not end", "I15", drop(end)},
		{"a batch ends otherwise", "I15", alter(end, func(e *history.Event) { e.State = history.Failed })},
		{"a batch counts wrongly", "I15", alter(end, func(e *history.Event) { e.Counts.Completed, e.Counts.Failed = 2, 1 })},
		{"a batch counts a line too few", "I15", alter(end, func(e *history.Event) { e.Counts.Total, e.Counts.Failed = 2, 1 })},
		{"a batch does not count", "I15", alter(end, func(e *history.Event) { e.Counts = nil })},
		{"a line has no outcome", "I15", drop(first)},
		{"a line has no outcome and is not counted", "I15", func(es *[]history.Event, f *history.Final) {
			(*es)[end].Counts = &history.Counts{Total: 2, Failed: 2}
			drop(first)(es, f)
		}},
		{"a line has two outcomes", "I15", also(history.Event{Kind: history.LineEnded, Call: 10, Batch: 1, Line: 4, File: history.Results, Status: 200, Body: want})},
		{"an outcome is of nobody's line", "I15", also(history.Event{Kind: history.LineEnded, Call: -1, Batch: 1, Line: 4, File: history.Errors, Status: 400})},
		{"lines change places", "I15", func(es *[]history.Event, _ *history.Final) {
			(*es)[second], (*es)[none] = (*es)[none], (*es)[second]
		}},
		{"a line has another number", "I15", alter(second, func(e *history.Event) { e.Line = 1 })},
		{"a line comes in another batch", "I15", alter(first, func(e *history.Event) { e.Batch = 2 })},
		{"a result is among the errors", "I15", alter(first, func(e *history.Event) { e.File = history.Errors })},
		{"an error is among the results", "I15", alter(second, func(e *history.Event) { e.File = history.Results })},
		{"a good line is refused", "I15", alter(second, func(e *history.Event) { e.Code = history.CodeInvalidInput })},
		{"what is no line fails otherwise", "I15", alter(none, func(e *history.Event) { e.Code = history.CodeRunnerFailed })},
		{"a line is given up", "I15", alter(first, func(e *history.Event) { e.Status, e.Code, e.File = 500, "call_lost", history.Errors })},
		{"a line has a wrong value", "I2", alter(first, func(e *history.Event) { e.Body = "11" })},
		{"a line is accepted twice", "I1", func(_ *[]history.Event, f *history.Final) { f.Accepted++ }},
		{"a line is not accepted", "I1", func(_ *[]history.Event, f *history.Final) { f.Accepted-- }},
		{"a line is run twice at once", "I15", also(history.Event{At: at(3.2), Kind: history.Began, Call: 10, PID: 9})},
		{"a line is run again after its end", "I15", func(es *[]history.Event, _ *history.Final) {
			*es = append(*es, history.Event{At: at(7), Kind: history.Began, Call: 10, PID: 8})
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			events, final := bulk()
			tc.change(&events, &final)
			r := history.Check(events, final, slowRules)
			if !slices.ContainsFunc(r.Violations, func(v history.Violation) bool { return v.Invariant == tc.invariant }) {
				t.Errorf("violated: %v; want %s", r.Violations, tc.invariant)
			}
		})
	}
}

func TestABatchWhoseDataIsLostIsExcused(t *testing.T) {
	t.Parallel()

	events, _ := bulk()
	events = append(events[:3], history.Event{Kind: history.DataLost, Call: -1})
	if r := history.Check(events, history.Final{}, slowRules); len(r.Violations) > 0 {
		t.Errorf("violated: %v", r.Violations)
	}
}

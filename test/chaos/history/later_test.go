package history_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ekiben/ekiben/test/chaos/history"
)

// slow is the history of a delayed job that failed once, and was told of.
func slow() ([]history.Event, history.Final) {
	done := at(9)
	told := history.Event{
		At: at(9.5), Kind: history.Told, ID: "probe~0~A", Message: "probe~0~A:1", State: history.Succeeded, Finished: done, Status: 500,
	}
	again := told
	again.At, again.Status = at(14), 200
	events := []history.Event{
		{At: at(0), Kind: history.Submitted, Plan: &history.Plan{
			Job: true, Row: "0", Want: want, Delay: 3 * time.Second, Retries: 3, Fails: 1, Webhook: true,
		}},
		{At: at(1), Kind: history.Accepted, ID: "probe~0~A", Deadline: at(7.5), RunAt: at(3.5)},
		told, again,
		{At: at(4), Kind: history.Began, PID: 7},
		{At: at(4.5), Kind: history.Ended, PID: 7},
		{At: at(6), Kind: history.Began, PID: 8},
		{At: at(8), Kind: history.Began, PID: 7},
		{At: at(8.9), Kind: history.Ended, PID: 7},
	}
	return events, history.Final{Accepted: 1, Jobs: map[int]history.Outcome{
		0: {State: history.Succeeded, Finished: done, Status: 200, Body: want, Again: 1},
	}}
}

var slowRules = history.Rules{Slack: 400 * time.Millisecond, Lease: time.Second}

func TestWhatGoesSlowlyPassesAndIsMeasured(t *testing.T) {
	t.Parallel()

	events, final := slow()
	r := history.Check(events, final, slowRules)
	l := r.Later
	if len(r.Violations) > 0 || r.Duplicates != 0 || r.Repeats != 1 || l.Told != 1 || l.Messages != 2 || l.Retold != 0 || l.Retried != 1 ||
		l.Delay.Max != 500*time.Millisecond || l.Lateness.Max != 500*time.Millisecond {
		t.Errorf("got %+v", r)
	}
	events = append(events, events[3])
	r = history.Check(events, final, slowRules)
	sum := r.Sum(r)
	if l := sum.Later; len(sum.Violations) > 0 || l.Retold != 2 || l.Messages != 6 || l.Delay.N != 2 || l.Retried != 2 {
		t.Errorf("got %+v", sum)
	}
	table := sum.Table(time.Second)
	for _, want := range []string{"told of 2 calls in 6 messages, of which 2 (33.33 %)", "p99 500ms", "delayed    2 calls", "retried    2 calls"} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
}

// Each entry makes one thing of a good history bad.
func TestViolationsOfTheSlowPathAreFound(t *testing.T) {
	t.Parallel()

	type change = func(es *[]history.Event, f *history.Final)
	const told, taken, began, second = 2, 3, 4, 6
	for _, tc := range []struct {
		name, invariant string
		change          change
	}{
		{"nobody is told", "I11", func(es *[]history.Event, _ *history.Final) { *es = without(*es, history.Told) }},
		{"no message is taken", "I11", func(es *[]history.Event, _ *history.Final) { (*es)[taken].Status = 0 }},
		{"a message is forged", "I11", func(es *[]history.Event, _ *history.Final) { (*es)[told].Invalid = "no signature" }},
		{"messages have two ids", "I11", func(es *[]history.Event, _ *history.Final) { (*es)[taken].Message = "probe~0~A:2" }},
		{"a message has no id", "I11", func(es *[]history.Event, _ *history.Final) { (*es)[told].Message = "" }},
		{"another job is told of", "I11", func(es *[]history.Event, _ *history.Final) { (*es)[told].ID = "probe~0~B" }},
		{"another end is told of", "I11", func(es *[]history.Event, _ *history.Final) { (*es)[told].State = history.Failed }},
		{"another time is told of", "I11", func(es *[]history.Event, _ *history.Final) { (*es)[told].Finished = at(8) }},
		{"the end is told of before it comes", "I11", func(es *[]history.Event, _ *history.Final) { (*es)[told].At = at(8.9) }},
		{"nobody asked to be told", "I11", func(es *[]history.Event, _ *history.Final) { (*es)[0].Plan.Webhook = false }},
		{"a refused call is told of", "I11", func(es *[]history.Event, f *history.Final) {
			*es = append((*es)[:1], history.Event{Kind: history.Refused, Status: 429}, (*es)[told])
			*f = history.Final{}
		}},
		{"an execution begins before its time", "I13", func(es *[]history.Event, _ *history.Final) { (*es)[began].At = at(3.4) }},
		{"an execution begins before any time it can have", "I13", func(es *[]history.Event, _ *history.Final) {
			(*es)[1].RunAt, (*es)[began].At = time.Time{}, at(2.9)
		}},
		{"what would succeed is given up", "I14", func(_ *[]history.Event, f *history.Final) {
			outcome(f, func(o *history.Outcome) { o.State, o.Status, o.Code, o.Body = history.Failed, 500, "call_lost", "" })
		}},
		{"it is tried too often", "I14", func(_ *[]history.Event, f *history.Final) { outcome(f, func(o *history.Outcome) { o.Again = 4 }) }},
		{"an attempt is executed twice at once", "I14", func(es *[]history.Event, _ *history.Final) {
			for range 2 {
				*es = append(*es, (*es)[second])
			}
		}},
		{"it succeeds where it must fail", "I14", func(es *[]history.Event, _ *history.Final) {
			*es = slices.Delete(*es, len(*es)-1, len(*es))
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			events, final := slow()
			tc.change(&events, &final)
			r := history.Check(events, final, slowRules)
			if !slices.ContainsFunc(r.Violations, func(v history.Violation) bool { return v.Invariant == tc.invariant }) {
				t.Errorf("violated: %v; want %s", r.Violations, tc.invariant)
			}
		})
	}
}

func TestWhoLostItsDataTellsNobody(t *testing.T) {
	t.Parallel()

	events, final := slow()
	events = append(without(events, history.Told), history.Event{Kind: history.DataLost, Call: -1})
	if r := history.Check(events, final, slowRules); len(r.Violations) > 0 {
		t.Errorf("violated: %v", r.Violations)
	}
}

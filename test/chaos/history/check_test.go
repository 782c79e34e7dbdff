package history_test

import (
	"strings"
	"testing"
	"time"

	"github.com/ekiben/ekiben/test/chaos/history"
)

// at is a moment of a made-up history.
func at(seconds float64) time.Time {
	return time.Unix(1_000_000, 0).Add(time.Duration(seconds * float64(time.Second)))
}

const want = "0 good"

// job is the history of a job that succeeded, and its end.
func job() ([]history.Event, history.Final) {
	done := at(2)
	events := []history.Event{
		{At: at(0), Kind: history.Submitted, Plan: &history.Plan{Job: true, Row: "0", Want: want}},
		{At: at(1), Kind: history.Accepted, ID: "probe~0~A", Deadline: at(60)},
		{At: at(1.1), Kind: history.Seen, State: history.Queued},
		{At: at(1.2), Kind: history.Fault, Call: -1, Fault: "kill"},
		{At: at(1.3), Kind: history.Seen, State: history.Running},
		{At: at(1.4), Kind: history.Seen, State: history.Queued},
		{At: at(2.1), Kind: history.Seen, State: history.Succeeded, Finished: done},
		{At: at(2.2), Kind: history.Result, Status: 200, Body: want},
		{At: at(2.3), Kind: history.Result, Status: 200, Body: want},
		{At: at(1.2), Kind: history.Began, PID: 7},
		{At: at(1.9), Kind: history.Ended, PID: 7},
	}
	return events, history.Final{Accepted: 1, Jobs: map[int]history.Outcome{
		0: {State: history.Succeeded, Finished: done, Status: 200, Body: want},
	}}
}

// call is the history of an awaited call that succeeded.
func call() ([]history.Event, history.Final) {
	return []history.Event{
		{At: at(0), Kind: history.Submitted, Plan: &history.Plan{Row: "0", Want: want}},
		{At: at(1), Kind: history.Replied, Status: 200, Body: want},
		{At: at(0.5), Kind: history.Began, PID: 7},
		{At: at(0.9), Kind: history.Ended, PID: 7},
	}, history.Final{Accepted: 1}
}

var rules = history.Rules{Slack: 100 * time.Millisecond}

func TestGoodHistoriesPass(t *testing.T) {
	t.Parallel()

	for _, good := range []func() ([]history.Event, history.Final){job, call} {
		events, final := good()
		if r := history.Check(events, final, rules); len(r.Violations) > 0 || r.Accepted != 1 || r.Executions != 1 {
			t.Errorf("got %+v", r)
		}
	}
}

// outcome changes how the job is at the end.
func outcome(f *history.Final, change func(*history.Outcome)) {
	o := f.Jobs[0]
	change(&o)
	f.Jobs[0] = o
}

// without are the events that are not of a kind.
func without(events []history.Event, kinds ...history.Kind) []history.Event {
	var kept []history.Event
	for _, e := range events {
		drop := false
		for _, k := range kinds {
			drop = drop || e.Kind == k
		}
		if !drop {
			kept = append(kept, e)
		}
	}
	return kept
}

// Each entry makes one thing of a good history bad, and names the invariant that
// no longer holds.
func TestViolationsAreFound(t *testing.T) {
	t.Parallel()

	type change = func(es *[]history.Event, f *history.Final)
	for _, tc := range []struct {
		name, invariant string
		of              func() ([]history.Event, history.Final)
		change          change
	}{
		{"a job never ends", "I1", job, func(_ *[]history.Event, f *history.Final) {
			outcome(f, func(o *history.Outcome) { *o = history.Outcome{State: history.Queued, Status: 202} })
		}},
		{"a job is not known at the end", "I1", job, func(_ *[]history.Event, f *history.Final) {
			outcome(f, func(o *history.Outcome) { *o = history.Outcome{State: history.Missing, Status: 404} })
		}},
		{"a job with all the time expires", "I1", job, func(es *[]history.Event, f *history.Final) {
			*es = without(*es, history.Seen, history.Result)
			outcome(f, func(o *history.Outcome) {
				*o = history.Outcome{State: history.Expired, Status: 504, Code: history.CodeDeadline}
			})
		}},
		{"a client gets no answer", "I1", call, func(es *[]history.Event, _ *history.Final) { *es = without(*es, history.Replied) }},
		{"a client waits in vain", "I1", call, func(es *[]history.Event, _ *history.Final) {
			(*es)[1] = history.Event{Kind: history.Replied, Status: 504, Code: history.CodeDeadline}
		}},
		{"a call is accepted twice", "I1", call, func(_ *[]history.Event, f *history.Final) { f.Accepted = 2 }},
		{"an accept is forgotten", "I1", call, func(_ *[]history.Event, f *history.Final) { f.Accepted = 0 }},
		{"two jobs have one id", "I1", job, func(es *[]history.Event, f *history.Final) {
			for _, e := range *es {
				e.Call++
				*es = append(*es, e)
			}
			f.Accepted, f.Jobs[1] = 2, f.Jobs[0]
		}},
		{"a result is another's", "I2", call, func(es *[]history.Event, _ *history.Final) { (*es)[1].Body = "1 good" }},
		{"a result read later is another's", "I2", job, func(es *[]history.Event, _ *history.Final) { (*es)[8].Body = "1 good" }},
		{"what cannot fail fails", "I2", call, func(es *[]history.Event, _ *history.Final) {
			(*es)[1] = history.Event{Kind: history.Replied, Status: 500, Code: history.CodeRunnerFailed}
		}},
		{"what must fail succeeds", "I2", call, func(es *[]history.Event, _ *history.Final) { (*es)[0].Plan.Want = "" }},
		{"a result comes from nowhere", "I3", job, func(es *[]history.Event, _ *history.Final) { *es = without(*es, history.Ended) }},
		{"a failure comes from nowhere", "I3", call, func(es *[]history.Event, _ *history.Final) {
			*es = without(*es, history.Began, history.Ended)
			(*es)[0].Plan.Want = ""
			(*es)[1] = history.Event{Kind: history.Replied, Status: 500, Code: history.CodeRunnerFailed}
		}},
		{"a job ends again later", "I4", job, func(_ *[]history.Event, f *history.Final) {
			outcome(f, func(o *history.Outcome) { o.Finished = at(3) })
		}},
		{"a job ends in two ways", "I4", job, func(es *[]history.Event, _ *history.Final) {
			(*es)[6].State = history.Failed
		}},
		{"a result changes", "I4", job, func(es *[]history.Event, _ *history.Final) { (*es)[7].Status, (*es)[7].Body = 409, "" }},
		{"a job goes on after its end", "I5", job, func(es *[]history.Event, _ *history.Final) {
			*es = append(*es, history.Event{Kind: history.Seen, State: history.Running})
		}},
		{"a job goes away for a while", "I5", job, func(es *[]history.Event, _ *history.Final) { (*es)[4].State = history.Missing }},
		{"an execution begins too late", "I6", job, func(es *[]history.Event, _ *history.Final) { (*es)[1].Deadline = at(1) }},
		{"a canceled job has a result", "I7", job, func(es *[]history.Event, _ *history.Final) {
			*es = append(*es, history.Event{Kind: history.Canceled})
		}},
		{"a canceled job expires", "I7", job, func(es *[]history.Event, f *history.Final) {
			*es = append(without(*es, history.Seen, history.Result), history.Event{Kind: history.Canceled})
			outcome(f, func(o *history.Outcome) {
				o.State, o.Status, o.Code, o.Body = history.Expired, 504, history.CodeDeadline, ""
			})
		}},
		{"an innocent is given up", "I8", call, func(es *[]history.Event, _ *history.Final) {
			(*es)[1] = history.Event{Kind: history.Replied, Status: 500, Code: history.CodeWorkerLost}
		}},
		{"poison succeeds", "I8", call, func(es *[]history.Event, _ *history.Final) { (*es)[0].Plan.Poison = true }},
		{"poison fails as others do", "I8", job, func(es *[]history.Event, f *history.Final) {
			*es = without(*es, history.Seen, history.Result)
			(*es)[0].Plan.Poison, (*es)[0].Plan.Want = true, ""
			outcome(f, func(o *history.Outcome) {
				o.State, o.Status, o.Code, o.Body = history.Failed, 500, history.CodeRunnerFailed, ""
			})
		}},
		{"a call stays in the queue", "I9", call, func(_ *[]history.Event, f *history.Final) { f.Depth = 1 }},
		{"bytes stay counted", "I9", call, func(_ *[]history.Event, f *history.Final) { f.Bytes = 1 }},
		{"a call stays counted", "I9", call, func(_ *[]history.Event, f *history.Final) { f.Waiting = 1 }},
		{"an entry stays pending", "I9", call, func(_ *[]history.Event, f *history.Final) { f.Pending = 1 }},
		{"a record never goes away", "I9", call, func(_ *[]history.Event, f *history.Final) { f.Timeless = 1 }},
		{"inputs stay that nobody has", "I9", call, func(_ *[]history.Event, f *history.Final) { f.Unowned = 1 }},
		{"Redis grows", "I10", call, func(_ *[]history.Event, f *history.Final) { f.Memory, f.MemoryBound = 2, 1 }},
		{"goroutines stay", "I12", call, func(_ *[]history.Event, f *history.Final) { f.Leaks = []string{"one stays"} }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			events, final := tc.of()
			tc.change(&events, &final)
			r := history.Check(events, final, rules)
			found := false
			for _, v := range r.Violations {
				found = found || v.Invariant == tc.invariant
			}
			if !found {
				t.Errorf("violated: %v; want %s", r.Violations, tc.invariant)
			}
		})
	}
}

func TestLateIsToldFromLost(t *testing.T) {
	t.Parallel()

	events, final := call()
	events[1] = history.Event{Kind: history.Replied, Status: 504, Code: history.CodeDeadline}
	if r := history.Check(events, final, rules); r.Late != 1 || r.Lost != 0 {
		t.Errorf("an awaited call that was late: %+v", r)
	}
	events, final = job()
	outcome(&final, func(o *history.Outcome) { *o = history.Outcome{State: history.Queued, Status: 202} })
	if r := history.Check(events, final, rules); r.Late != 0 || r.Lost != 1 {
		t.Errorf("a job without an end: %+v", r)
	}
}

func TestLostDataIsAnExcuseForWhatWasThere(t *testing.T) {
	t.Parallel()

	events, final := job()
	outcome(&final, func(o *history.Outcome) { *o = history.Outcome{State: history.Missing, Status: 404} })
	lost := history.Event{Kind: history.DataLost, Call: -1}
	if r := history.Check(append(events, lost), final, rules); len(r.Violations) > 0 {
		t.Errorf("after the loss: %v", r.Violations)
	}
	if r := history.Check(append([]history.Event{lost}, events...), final, rules); r.Lost != 1 {
		t.Errorf("before the call there was nothing to lose: %+v", r)
	}
}

func TestReportsCountAndMeasure(t *testing.T) {
	t.Parallel()

	events, final := job()
	events = append(events, history.Event{At: at(5), Kind: history.Ended, PID: 8})
	r := history.Check(events, final, rules)
	if s := r.Recovery["kill"]; s.N != 1 || s.Max != time.Second || r.Faults["kill"] != 1 || r.Duplicates != 1 {
		t.Errorf("got %+v", r)
	}
	sum := r.Sum(r)
	if sum.Accepted != 2 || sum.Faults["kill"] != 2 || sum.Recovery["kill"].N != 2 || sum.Duplicates != 2 {
		t.Errorf("the sum is %+v", sum)
	}
	table := sum.Table(time.Second)
	for _, want := range []string{"accepted 2", "duplicates 2 (50.00 %)", "kill", "max 1.00 leases"} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
}

func TestSpreadsAreOfTheOrderedValues(t *testing.T) {
	t.Parallel()

	var ds []time.Duration
	for i := 100; i > 0; i-- {
		ds = append(ds, time.Duration(i))
	}
	if s := history.SpreadOf(ds); s != (history.Spread{N: 100, P50: 51, P99: 100, Max: 100}) {
		t.Errorf("got %+v", s)
	}
	if s := history.SpreadOf(nil); s != (history.Spread{}) {
		t.Errorf("of nothing: %+v", s)
	}
}

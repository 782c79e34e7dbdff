package history_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ekiben/ekiben/test/chaos/history"
)

// life draws how a call lived, all of it as promised.
type life struct {
	*rapid.T

	n      int
	now    time.Time
	events []history.Event
	plan   history.Plan
}

func (l *life) add(e history.Event) {
	l.now = l.now.Add(time.Duration(rapid.IntRange(1, 1000).Draw(l.T, "ms")) * time.Millisecond)
	e.At, e.Call = l.now, l.n
	l.events = append(l.events, e)
}

func (l *life) chance(what string) bool { return rapid.Bool().Draw(l.T, what) }

// tries are executions that were cut short, and perhaps one that was not.
func (l *life) tries(done bool) {
	for range rapid.IntRange(0, 2).Draw(l.T, "tries") {
		l.add(history.Event{Kind: history.Began, PID: 1})
		if l.chance("doubled") && !l.plan.Poison {
			l.add(history.Event{Kind: history.Ended, PID: 1})
		}
	}
	if done {
		l.add(history.Event{Kind: history.Began, PID: 2})
		l.add(history.Event{Kind: history.Ended, PID: 2})
	}
}

// live draws a whole life. It returns what became of a job, nil for others, and
// whether the queue counts it.
func (l *life) live() (*history.Outcome, bool) {
	l.plan = history.Plan{Job: l.chance("job"), Poison: l.chance("poison"), Row: "x"}
	if l.chance("short") {
		l.plan.Timeout = time.Second
	}
	if !l.plan.Poison && l.chance("answer") {
		l.plan.Want = fmt.Sprint("answer ", l.n)
	}
	plan := l.plan
	l.add(history.Event{Kind: history.Submitted, Plan: &plan})
	switch rapid.IntRange(0, 5).Draw(l.T, "fate") {
	case 0:
		l.add(history.Event{Kind: history.Refused, Status: 429, Code: "queue_full"})
		return nil, false
	case 1:
		exists := l.chance("exists")
		l.tries(exists && !l.plan.Poison)
		l.add(history.Event{Kind: history.Unknown, Status: 503, Code: "unavailable"})
		return nil, exists
	}
	o := l.outcome()
	if !l.plan.Job {
		l.tries(o.State == history.Succeeded || o.Code == history.CodeRunnerFailed)
		l.add(history.Event{Kind: history.Replied, Status: o.Status, Code: o.Code, Body: o.Body})
		return nil, true
	}
	l.add(history.Event{Kind: history.Accepted, ID: fmt.Sprint("probe~0~", l.n), Deadline: l.now.Add(time.Hour)})
	for range rapid.IntRange(0, 3).Draw(l.T, "looks") {
		l.add(history.Event{Kind: history.Seen, State: rapid.SampledFrom([]string{history.Queued, history.Running}).Draw(l.T, "state")})
	}
	l.tries(o.State == history.Succeeded || o.Code == history.CodeRunnerFailed)
	o.Finished = l.now
	if o.State == history.Withdrawn {
		l.add(history.Event{Kind: history.Canceled})
	}
	for range rapid.IntRange(0, 2).Draw(l.T, "ends") {
		l.add(history.Event{Kind: history.Seen, State: o.State, Finished: o.Finished})
		l.add(history.Event{Kind: history.Result, Status: o.Status, Code: o.Code, Body: o.Body})
	}
	return &o, true
}

// outcome draws an end that the plan allows.
func (l *life) outcome() history.Outcome {
	switch {
	case l.plan.Timeout > 0 && l.chance("expires"):
		return history.Outcome{State: history.Expired, Status: 504, Code: history.CodeDeadline}
	case l.plan.Job && l.chance("canceled"):
		return history.Outcome{State: history.Withdrawn, Status: 409, Code: history.CodeCanceled}
	case l.plan.Poison:
		return history.Outcome{State: history.Failed, Status: 500, Code: history.CodeWorkerLost}
	case l.plan.Want == "":
		return history.Outcome{State: history.Failed, Status: 500, Code: history.CodeRunnerFailed, Body: "told to fail"}
	}
	return history.Outcome{State: history.Succeeded, Status: 200, Body: l.plan.Want}
}

func TestWhateverIsPromisedPasses(t *testing.T) {
	t.Parallel()

	rapid.Check(t, func(t *rapid.T) {
		final := history.Final{Jobs: map[int]history.Outcome{}}
		var events []history.Event
		for n := range rapid.IntRange(0, 10).Draw(t, "calls") {
			l := &life{T: t, n: n, now: at(0)}
			o, exists := l.live()
			if o != nil {
				final.Jobs[n] = *o
			}
			if exists {
				final.Accepted++
			}
			events = append(events, l.events...)
			if rapid.Bool().Draw(t, "fault") {
				events = append(events, history.Event{At: l.now, Kind: history.Fault, Call: -1, Fault: "a fault"})
			}
		}
		if r := history.Check(events, final, rules); len(r.Violations) > 0 {
			t.Fatalf("violated: %v", r.Violations)
		}
	})
}

func TestHistoriesAreKept(t *testing.T) {
	t.Parallel()

	var r history.Recorder
	r.Add(history.Event{Kind: history.Submitted, Call: 3, Plan: &history.Plan{Row: "3"}})
	r.Add(history.Event{Kind: history.Refused, Call: 3, Status: 429})
	events := r.Events()
	if len(events) != 2 || events[0].At.IsZero() || events[1].At.Before(events[0].At) {
		t.Errorf("got %+v", events)
	}
	if err := history.Write(filepath.Join(t.TempDir(), "h.jsonl"), events); err != nil {
		t.Error(err)
	}
	if err := history.Write(t.TempDir(), events); err == nil {
		t.Error("wrote to a folder")
	}
}

package history

import (
	"fmt"
	"net/http"
	"slices"
	"time"
)

// isTold is I11: of what has ended whoever wanted to know is told, and the message
// was taken.
func (k *checker) isTold() {
	c := k.call
	if !c.plan.Webhook || !c.isJob() || !c.hasFinal || !terminal(c.outcome.State) || c.excused {
		return
	}
	if c.firstTaken() < 0 {
		k.violated("I11", "%s, and nobody was told: %d messages came and none was taken", c.outcome.State, len(c.told))
	}
}

// isToldTruly is I11 of the messages: they are signed, about the job and its end,
// and have one id.
func (k *checker) isToldTruly() {
	c := k.call
	for _, e := range c.told {
		switch {
		case e.Invalid != "":
			k.violated("I11", "a message came that proves nothing: %s", e.Invalid)
		case !c.plan.Webhook || c.refused:
			k.violated("I11", "a message came that nobody waits for: %s", e.Message)
		case e.Message == "" || e.Message != c.told[0].Message:
			k.violated("I11", "two messages have the ids %q and %q", c.told[0].Message, e.Message)
		case c.isJob() && e.ID != c.id:
			k.violated("I11", "the message is about %s, want %s", e.ID, c.id)
		case e.At.Before(e.Finished):
			k.violated("I11", "the message came %s before the end", e.Finished.Sub(e.At))
		case !c.excused && c.hasFinal && (e.State != c.outcome.State || !e.Finished.Equal(c.outcome.Finished)):
			k.violated("I11", "the message says %s at %s, and it is %s since %s", e.State, e.Finished, c.outcome.State, c.outcome.Finished)
		}
	}
}

// firstTaken is the first message that the receiver took, negative for none.
func (c *call) firstTaken() int {
	for i, e := range c.told {
		if e.Status == http.StatusOK {
			return i
		}
	}
	return -1
}

// due is when a delayed call may begin. Redis counts whole milliseconds.
func (c *call) due() time.Time {
	if at := c.submitted.Truncate(time.Millisecond).Add(c.plan.Delay); c.runAt.Before(at) {
		return at
	}
	return c.runAt
}

// waitsForItsTime is I13.
func (k *checker) waitsForItsTime() {
	c := k.call
	if c.plan.Delay == 0 {
		return
	}
	for _, b := range c.began {
		if early := c.due().Sub(b.At); early > 0 {
			k.violated("I13", "process %d began %s before its time", b.PID, early)
		}
	}
}

// isTriedAgain is I14. An execution is the first of its attempt, or comes a lease
// after one whose worker was lost.
func (k *checker) isTriedAgain() {
	c := k.call
	if c.plan.Retries == 0 || !c.hasFinal || c.excused {
		return
	}
	if c.outcome.Again > c.plan.Retries {
		k.violated("I14", "was tried again %d times, want at most %d", c.outcome.Again, c.plan.Retries)
	}
	if n := c.rushed(k.rules.Lease - k.rules.Slack); n > c.outcome.Again {
		k.violated("I14", "was tried again %d times, and %d executions began less than a lease after another", c.outcome.Again, n)
	}
	succeeds := c.plan.Want != "" && !c.plan.Poison && c.plan.Fails <= c.plan.Retries
	if succeeds && terminal(c.outcome.State) && !c.succeeded() && c.plan.Cancel == 0 && c.plan.Timeout == 0 {
		k.violated("I14", "%s %s, and would have succeeded with %d of %d retries",
			c.outcome.State, c.outcome.Code, c.plan.Fails, c.plan.Retries)
	}
	if c.succeeded() && len(c.ends) <= c.plan.Fails {
		k.violated("I14", "succeeded after %d executions, of which %d fail", len(c.ends), c.plan.Fails)
	}
}

// rushed is how many executions began less than so long after another.
func (c *call) rushed(apart time.Duration) int {
	at := make([]time.Time, len(c.began))
	for i, b := range c.began {
		at[i] = b.At
	}
	slices.SortFunc(at, time.Time.Compare)
	n := 0
	for i := 1; i < len(at); i++ {
		if at[i].Sub(at[i-1]) < apart {
			n++
		}
	}
	return n
}

// Later is what a report says of delays and webhooks.
type Later struct {
	// Told calls had a message taken. Messages are all that came, Retold those of
	// them that came after one was taken.
	Told, Messages, Retold int

	// Delay is the time from the end of a job to the first message about it,
	// Lateness that from its due time to its first execution, of delayed calls.
	Delay, Lateness Spread

	// Retried calls succeeded after they had failed.
	Retried int
}

func newLater(calls []*call) Later {
	var l Later
	var delays, late []time.Duration
	for _, c := range calls {
		l.Messages += len(c.told)
		if taken := c.firstTaken(); taken >= 0 {
			l.Told++
			l.Retold += len(c.told) - taken - 1
			delays = append(delays, c.told[0].At.Sub(c.told[0].Finished))
		}
		if c.plan.Delay > 0 && !c.runAt.IsZero() && len(c.began) > 0 {
			late = append(late, c.began[0].At.Sub(c.due()))
		}
		if c.plan.Fails > 0 && c.succeeded() {
			l.Retried++
		}
	}
	l.Delay, l.Lateness = SpreadOf(delays), SpreadOf(late)
	return l
}

func (l Later) sum(other Later) Later {
	return Later{
		l.Told + other.Told, l.Messages + other.Messages, l.Retold + other.Retold,
		l.Delay.worst(other.Delay), l.Lateness.worst(other.Lateness), l.Retried + other.Retried,
	}
}

// table is what there is to say, line by line.
func (l Later) table() string {
	text := ""
	line := func(format string, args ...any) { text += fmt.Sprintf(format+"\n", args...) }
	ms := func(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
	if l.Messages > 0 {
		share := 100 * float64(l.Retold) / float64(l.Messages)
		line("webhooks   told of %d calls in %d messages, of which %d (%.2f %%) after one was taken", l.Told, l.Messages, l.Retold, share)
		line("           from the end to the first message p50 %s, p99 %s, max %s", ms(l.Delay.P50), ms(l.Delay.P99), ms(l.Delay.Max))
	}
	if l.Lateness.N > 0 {
		line("delayed    %d calls, late by p50 %s, p99 %s, max %s", l.Lateness.N, ms(l.Lateness.P50), ms(l.Lateness.P99), ms(l.Lateness.Max))
	}
	if l.Retried > 0 {
		line("retried    %d calls succeeded after they had failed", l.Retried)
	}
	return text
}

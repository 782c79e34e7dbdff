package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ekiben/ekiben/queue"
)

// noSenderDelay is how long a webhook waits for a process that has a secret.
const noSenderDelay = time.Minute

// notePause is how long a delivery waits before it tries again to note what came
// of it.
const notePause = 200 * time.Millisecond

// deliverer tells webhooks.
type deliverer struct {
	hooks     hooks
	view      func(ctx context.Context, id string) ([]byte, error)
	sender    poster
	receivers *receivers
	counts    *prometheus.CounterVec
	log       *slog.Logger
}

// message is what is POSTed.
type message struct {
	Type      string          `json:"type"`
	Timestamp time.Time       `json:"timestamp"`
	Data      json.RawMessage `json:"data"`
}

// messageID is the same however often a message is sent.
func messageID(e queue.Errand) string { return e.Job + ":" + strconv.Itoa(e.N) }

// deliver tells the webhook of an errand's job. It does nothing if the webhook was
// told, has failed for good, or is not wanted any more, nor if the job was queued
// again meanwhile: another errand is, or will be, of its next end.
func (d *deliverer) deliver(ctx context.Context, e queue.Errand) error {
	hook, err := d.hooks.Hook(ctx, e.Job)
	if errors.Is(err, queue.ErrUnknownJob) {
		d.log.WarnContext(ctx, "a webhook was not told: the job's record is gone", "job", e.Job)
		d.counts.WithLabelValues(e.Runner, "lost").Inc()
		return nil
	}
	if err != nil {
		return fmt.Errorf("tasks: webhook of %s: %w", e.Job, err)
	}
	if !waitsFor(hook, e) {
		return nil
	}
	if d.sender != nil {
		leave, after := d.receivers.enter(ctx, hook.URL)
		if leave == nil {
			return &againError{after, "other deliveries to this receiver are under way"}
		}
		defer leave()
	}
	a, err := d.prepare(ctx, e)
	switch {
	case err != nil:
		return fmt.Errorf("tasks: webhook of %s: %w", e.Job, err)
	case !waitsFor(a.hook, e) || !a.job.State.Terminal():
		return nil
	case d.sender == nil:
		return d.waitForSender(ctx, e, a)
	}
	return d.post(ctx, e, a)
}

// waitsFor reports whether a webhook is to be delivered by an errand.
func waitsFor(h queue.Hook, e queue.Errand) bool { return h.State == queue.HookPending && h.N == e.N }

// attempt is what a delivery knows of its job and of the time.
type attempt struct {
	job  queue.Job
	data []byte
	hook queue.Hook
	now  time.Time
	age  time.Duration
}

// prepare reads what a delivery is of. The webhook is read last: if the errand is
// still the one that it waits for, all that was read before is of the same end.
func (d *deliverer) prepare(ctx context.Context, e queue.Errand) (a attempt, err error) {
	if a.job, err = d.hooks.Job(ctx, e.Job); err != nil || !a.job.State.Terminal() {
		return a, err
	}
	if a.data, err = d.view(ctx, e.Job); err != nil {
		return a, err
	}
	if a.now, err = d.hooks.Now(ctx); err != nil {
		return a, err
	}
	a.age = a.now.Sub(since(e, a.job))
	a.hook, err = d.hooks.Hook(ctx, e.Job)
	return a, err
}

// post sends the message and notes what came of it.
func (d *deliverer) post(ctx context.Context, e queue.Errand, a attempt) error {
	body, err := json.Marshal(message{"job." + string(a.job.State), a.job.Finished.UTC().Truncate(time.Millisecond), a.data})
	if err != nil {
		return fmt.Errorf("tasks: webhook of %s: %w", e.Job, err)
	}
	hook := a.hook
	o := d.sender.Post(ctx, hook.URL, messageID(e), body)
	hook.Deliveries++
	v := judge(o, hook.Deliveries, a.age, rand.Float64()) //nolint:gosec // not a secret
	hook.State, hook.Status, hook.Answer, hook.At = v.state, o.Status, o.Answer, a.now
	if err := d.note(ctx, e, hook); err != nil {
		return err
	}
	d.log.DebugContext(ctx, "webhook", "job", e.Job, "state", v.state, "status", o.Status, "deliveries", hook.Deliveries)
	d.counts.WithLabelValues(e.Runner, result(v)).Inc()
	if v.state == queue.HookPending {
		return &againError{v.after, fmt.Sprintf("status %d: %.200s", o.Status, o.Answer)}
	}
	return nil
}

// waitForSender leaves a webhook to a process that can sign; in the end it fails.
func (d *deliverer) waitForSender(ctx context.Context, e queue.Errand, a attempt) error {
	const why = "no process of tasks has EKIBEN_WEBHOOK_SECRET"
	if a.age <= deliverFor {
		return &againError{noSenderDelay, why}
	}
	hook := a.hook
	hook.State, hook.Answer = queue.HookFailed, why
	return d.note(ctx, e, hook)
}

// note writes down what came of a delivery. It does not give up while the handler
// has time: what is not noted is sent again.
func (d *deliverer) note(ctx context.Context, e queue.Errand, hook queue.Hook) error {
	for {
		err := d.hooks.NoteHook(ctx, e.Job, hook)
		if err == nil || errors.Is(err, queue.ErrUnknownJob) {
			return nil
		}
		if !errors.Is(err, queue.ErrUnavailable) {
			return fmt.Errorf("tasks: note the webhook of %s: %w", e.Job, err)
		}
		timer := time.NewTimer(notePause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("tasks: note the webhook of %s: %w", e.Job, err)
		case <-timer.C:
		}
	}
}

// since is when a webhook began to be tried.
func since(e queue.Errand, job queue.Job) time.Time {
	if e.At.After(job.Finished) {
		return e.At
	}
	return job.Finished
}

// result is a verdict as metrics know it.
func result(v verdict) string {
	if v.state == queue.HookPending {
		return "retried"
	}
	return string(v.state)
}

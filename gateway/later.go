package gateway

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/runnables"
)

// Headers by which a client asks for what takes a job: a later time, further
// attempts, to be told when it has ended. A call with one of them is a job,
// whatever it prefers.
const (
	headerRetry   = "Ekiben-Retry"
	headerDelay   = "Ekiben-Delay"
	headerAt      = "Ekiben-At"
	headerWebhook = "Ekiben-Webhook"
)

// maxDelay is how far ahead a job may be queued.
const maxDelay = 30 * 24 * time.Hour

// later is what a client asks for by these headers.
type later struct {
	// retries is how many further attempts, if retrying says that it asks for a
	// number.
	retries  int
	retrying bool

	// delay is how much later, or at when; at most one of them is not zero.
	delay time.Duration
	at    time.Time

	webhook queue.Webhook
}

// asked reports whether it asks for any of it.
func (l *later) asked() bool {
	return l.retrying || l.delay > 0 || !l.at.IsZero() || l.webhook.URL != ""
}

// laterOf reads the headers.
func laterOf(h http.Header) (later, error) {
	var l later
	var err error
	if l.retries, l.retrying, err = retriesOf(h); err != nil {
		return later{}, err
	}
	if l.delay, err = durationHeader(h, headerDelay, maxDelay); err != nil {
		return later{}, err
	}
	if l.at, err = momentOf(h); err != nil {
		return later{}, err
	}
	if l.delay > 0 && !l.at.IsZero() {
		return later{}, &Problem{Code: CodeInvalidInput, Detail: headerDelay + " and " + headerAt + " are both there, want one of them"}
	}
	value, err := oneHeader(h, headerWebhook)
	if value == "" {
		return l, err
	}
	l.webhook, err = webhookOf(value)
	return l, err
}

// retriesOf reads how many further attempts there may be.
func retriesOf(h http.Header) (n int, asked bool, err error) {
	value, err := oneHeader(h, headerRetry)
	if value == "" {
		return 0, false, err
	}
	n, err = strconv.Atoi(value)
	if err != nil || len(value) > 2 || n < 0 || n > runnables.MaxRetries || value[0] == '+' {
		return 0, false, &Problem{
			Code:   CodeInvalidInput,
			Detail: fmt.Sprintf("%s is %s, want a number from 0 to %d", headerRetry, quote(value), runnables.MaxRetries),
		}
	}
	return n, true, nil
}

// momentOf reads when a job is to be queued; the zero time if it does not say.
func momentOf(h http.Header) (time.Time, error) {
	value, err := oneHeader(h, headerAt)
	if value == "" {
		return time.Time{}, err
	}
	at, err := time.Parse(time.RFC3339, value)
	if err != nil || len(value) > maxDuration || at.Year() < 1970 {
		return time.Time{}, &Problem{
			Code:   CodeInvalidInput,
			Detail: fmt.Sprintf("%s is %s, want a time as in RFC 3339 such as 2026-09-30T12:00:00Z", headerAt, quote(value)),
		}
	}
	return at, nil
}

// webhookOf reads who is told that a job has ended:
//
//	https://example.com/hook
//	https://example.com/hook; events="succeeded,failed"
//
// A URL, and at most one parameter, events: in quotes, by commas, which of
// succeeded, failed, canceled and expired are told, each once. Spaces and tabs
// may stand around the semicolon and the commas, and nowhere else. A semicolon of
// the URL itself is written as %3B. Whether the URL may be told is not its concern.
func webhookOf(value string) (queue.Webhook, error) {
	to, rest, more := strings.Cut(value, ";")
	w := queue.Webhook{URL: strings.Trim(to, " \t")}
	if !visible(w.URL) {
		return queue.Webhook{}, invalidWebhook(value)
	}
	if !more {
		return w, nil
	}
	list, ok := strings.CutPrefix(strings.Trim(rest, " \t"), `events="`)
	list, closed := strings.CutSuffix(list, `"`)
	if !ok || !closed {
		return queue.Webhook{}, invalidWebhook(value)
	}
	for name := range strings.SplitSeq(list, ",") {
		event := queue.State(strings.Trim(name, " \t"))
		if !event.Terminal() || slices.Contains(w.Events, event) {
			return queue.Webhook{}, invalidWebhook(value)
		}
		w.Events = append(w.Events, event)
	}
	return w, nil
}

func invalidWebhook(value string) *Problem {
	return &Problem{
		Code: CodeInvalidInput,
		Detail: fmt.Sprintf("%s is %s, want a URL, and perhaps behind a semicolon events in quotes out of succeeded, failed, canceled and expired, as in %s",
			headerWebhook, quote(value), `https://example.com/hook; events="succeeded,failed"`),
	}
}

// postpone makes a job what was asked for, and what its runner says where nothing was.
func (g *Gateway) postpone(ctx context.Context, l *later, call *queue.Call, policy runnables.RetryPolicy) error {
	if l.retrying {
		policy.Attempts = l.retries
	}
	call.Retry = retryOf(policy)
	if l.webhook.URL != "" {
		if err := g.checkWebhook(l.webhook.URL); err != nil {
			return err
		}
		call.Webhook = l.webhook
	}
	call.Delay = l.delay
	if l.at.IsZero() {
		return nil
	}
	now, err := g.deps.Later.Now(ctx)
	if err != nil {
		return fmt.Errorf("ask for the time: %w", err)
	}
	call.Delay = max(l.at.Sub(now), 0)
	if call.Delay > maxDelay {
		return &Problem{Code: CodeInvalidInput, Detail: fmt.Sprintf("%s is in %s, want at most %s ahead", headerAt, call.Delay.Round(time.Second), maxDelay)}
	}
	return nil
}

// retryOf is a policy as the queue knows it.
func retryOf(p runnables.RetryPolicy) queue.Retry {
	if p.Attempts == 0 {
		return queue.Retry{}
	}
	return queue.Retry{Most: p.Attempts, Backoff: p.Backoff, MaxBackoff: p.MaxBackoff}
}

// checkWebhook refuses a URL that may not be told.
func (g *Gateway) checkWebhook(url string) error {
	if g.deps.Webhooks == nil {
		return &Problem{Code: CodeInvalidInput, Detail: headerWebhook + " is not taken: webhooks are off here; EKIBEN_WEBHOOK_SECRET of the gateway turns them on"}
	}
	if err := g.deps.Webhooks(url); err != nil {
		return &Problem{Code: CodeInvalidInput, Detail: fmt.Sprintf("%s: %v", headerWebhook, err)}
	}
	return nil
}

// lasts is how long it may take from a job's acceptance to its end.
func lasts(call *queue.Call) time.Duration {
	again := time.Duration(call.Retry.Most) * (call.Timeout + call.Retry.MaxBackoff*6/5)
	return call.Delay + call.Timeout + again
}

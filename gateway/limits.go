package gateway

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// Reasons of refusals in metrics, beside the codes of problems.
const (
	refusedInFlight    = "in_flight"
	refusedBytes       = "in_flight_bytes"
	refusedAccepting   = "accepting"
	refusedConcurrency = "max_concurrency"
)

// refusal is a problem that comes from one of the gateway's own limits.
type refusal struct {
	problem *Problem
	// reason is which limit, in metrics.
	reason string
	// after is when there will be room, 0 if that is not known.
	after time.Duration
}

// refuse makes a refusal that may well pass in a moment.
func refuse(code Code, reason, detail string) *refusal {
	return &refusal{problem: &Problem{Code: code, Detail: detail, Retryable: true}, reason: reason}
}

// Error is the problem's.
func (r *refusal) Error() string { return r.problem.Error() }

// Unwrap is the problem.
func (r *refusal) Unwrap() error { return r.problem }

// reasonOf is why a request was refused, in metrics.
func reasonOf(p *Problem, err error) string {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r.reason
	}
	return string(p.Code)
}

// retryAfter is when a refused client should come back: never before there will
// be room, where that is known.
func retryAfter(code Code, err error, r *runner) time.Duration {
	chance := rand.Float64() //nolint:gosec // spreads load, keeps no secret
	if refused, ok := errors.AsType[*refusal](err); ok && refused.after > 0 {
		return spread(refused.after, 0.5+chance/2)
	}
	if late, ok := errors.AsType[*queue.TooLateError](err); ok {
		return spread(late.Wait-late.Left, 0.5+chance/2)
	}
	if r != nil && (code == CodeQueueFull || code == CodeCallerLimit) {
		return r.watch.retryAfter(chance)
	}
	return spread(briefRetryAfter, chance)
}

// welcome refuses a request before anything is done for it: one that a page of
// another site had a browser send, and all while the gateway is full.
func (g *Gateway) welcome(r *request) error {
	if err := g.origins.Check(r.Request()); err != nil {
		return &Problem{Code: CodeForbidden, Detail: "requests from pages of other sites are not taken"}
	}
	if g.inFlight.Load() >= int64(g.config.MaxInFlight) {
		return tooMany()
	}
	return nil
}

// charge takes from the caller's bucket what one call costs. Who has nothing left
// is refused.
func (g *Gateway) charge(r *request) error {
	if g.buckets == nil {
		return nil
	}
	caller := r.whose()
	if caller == "" {
		return nil
	}
	wait := g.buckets.take(time.Now(), caller)
	if wait == 0 {
		return nil
	}
	refused := refuse(CodeRateLimited, string(CodeRateLimited), "you send more calls a second than you may")
	refused.after = wait
	return refused
}

// admit makes a request one of those in flight, or refuses it.
func (g *Gateway) admit(r *request) error {
	if g.inFlight.Add(1) > int64(g.config.MaxInFlight) {
		g.inFlight.Add(-1)
		return tooMany()
	}
	r.admitted = true
	g.metrics.inFlight.Inc()
	return nil
}

func tooMany() error {
	return refuse(CodeOverloaded, refusedInFlight, "too many requests are in flight")
}

func (g *Gateway) release(r *request) {
	if r.admitted {
		g.inFlight.Add(-1)
		g.metrics.inFlight.Dec()
	}
	r.memory.giveBack()
	r.answer.giveBack()
}

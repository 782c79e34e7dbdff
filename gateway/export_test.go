package gateway

import (
	"net/http"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// What tests see of the pure parts.

// Preferences are what a request prefers.
type Preferences struct {
	Async, Waits bool
	Wait         time.Duration
	Applied      string
}

// PreferencesOf is preferencesOf.
func PreferencesOf(h http.Header) Preferences {
	p := preferencesOf(h)
	return Preferences{p.async, p.waits, p.wait, p.applied()}
}

// Quality is what the Accept headers say of a media type.
func Quality(h http.Header, media string) float64 { return acceptsOf(h).quality(media) }

// CheckJSON is checkJSON.
func CheckJSON(raw []byte) error { return checkJSON(raw) }

// RetryAfter is what a client is told after these stats.
func RetryAfter(chance float64, stats ...queue.Stats) time.Duration {
	var d drain
	for _, s := range stats {
		d.observe(s)
	}
	return d.retryAfter(chance)
}

// Codes is codes.
func Codes() []Code { return codes() }

// The queue serves a gateway.
var (
	_ producer    = (*queue.Producer)(nil)
	_ jobs        = (*queue.Queue)(nil)
	_ jobKeeper   = (*queue.Queue)(nil)
	_ deadLetters = (*queue.Queue)(nil)
	_ gates       = (*queue.Queue)(nil)
	_ directory   = (*queue.Queue)(nil)
	_ health      = (*queue.Queue)(nil)
	_ slowPath    = (*queue.Queue)(nil)
)

// Ask is a call with what these headers ask for.
func Ask(h http.Header, longest time.Duration) (queue.Call, error) {
	a, err := askedOf(h, longest)
	call := queue.Call{Timeout: time.Minute}
	a.set(&call)
	return call, err
}

// IdempotencyKeyOf is idempotencyKeyOf.
func IdempotencyKeyOf(h http.Header) (string, error) { return idempotencyKeyOf(h) }

// JobQueryOf is jobQueryOf.
func JobQueryOf(raw string) (queue.JobQuery, error) { return jobQueryOf(raw) }

// Routes are all routes, as METHOD path.
func Routes(g *Gateway) []string {
	var routes []string
	for _, r := range g.router.Routes() {
		routes = append(routes, r.Method+" "+r.Path)
	}
	return routes
}

// Later is what these headers ask for.
type Later struct {
	Retries int
	Delay   time.Duration
	At      time.Time
	Webhook queue.Webhook
}

// LaterOf is laterOf.
func LaterOf(h http.Header) (Later, error) {
	l, err := laterOf(h)
	return Later{l.retries, l.delay, l.at, l.webhook}, err
}

// MethodOfRoute is methodOfRoute.
func MethodOfRoute(route string) string { return methodOfRoute(route) }

package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/ekiben/ekiben/gateway/dashboard"
)

// Gateway answers HTTP requests. Make it with [New].
type Gateway struct {
	config  Config
	deps    Deps
	log     *slog.Logger
	metrics *metrics
	roster  *roster
	door    *doorman
	calls   *Calls
	client  *Client
	router  *echo.Echo
	origins *http.CrossOriginProtection
	page    *dashboard.Page
	docs    docs

	// headers are values that every answer has; nobody changes them.
	headers struct{ nosniff, noStore, closes []string }

	// callers tell whose requests are whose; buckets limit what each may send, and
	// are nil if nothing does.
	callers *callers
	buckets *buckets

	// inFlight counts requests, memory the bytes of their bodies, answers those of
	// their answers.
	inFlight        atomic.Int64
	memory, answers budget

	// serveJobs runs the jobs of services until its context is done; nil if nothing
	// does. jobMetrics are its metrics: in a process that has a worker too there are
	// others of the same names.
	serveJobs  func(context.Context) error
	jobMetrics *prometheus.Registry

	// draining is set once, by Serve.
	draining atomic.Bool

	ready readiness
}

// New makes a gateway. It fails for a configuration, dependencies or services
// that cannot work, with all that is wrong.
func New(c Config, d Deps) (*Gateway, error) {
	if err := errors.Join(c.validate(), d.validate()); err != nil {
		return nil, fmt.Errorf("gateway: configuration: %w", err)
	}
	log := d.Log
	if log == nil {
		log = slog.Default()
	}
	door := &doorman{producer: d.Producer, log: log, accepting: newAccepting(c.MaxInFlight)}
	d.Producer = door
	m, err := newMetrics(d.Registry)
	if err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	g := &Gateway{config: c, deps: d, log: log, metrics: m, door: door, origins: http.NewCrossOriginProtection(), jobMetrics: prometheus.NewRegistry()}
	if g.callers, err = newCallers(c); err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	if c.CallerRate > 0 {
		g.buckets = newBuckets(c.CallerRate, c.burst())
	}
	g.memory.limit, g.answers.limit = c.MaxInFlightBytes, c.MaxInFlightBytes
	g.headers.nosniff, g.headers.noStore, g.headers.closes = []string{"nosniff"}, []string{"no-store"}, []string{"close"}
	g.roster = newRoster(d.Directory, m, log)
	if err := errors.Join(d.Registry.Register(newRunnerCollector(g.roster)), door.accepting.register(d.Registry)); err != nil {
		return nil, fmt.Errorf("gateway: register metrics: %w", err)
	}
	g.calls = &Calls{
		roster: g.roster, producer: d.Producer, jobs: d.Jobs, later: d.Later, timeout: c.Timeout, maxTimeout: c.MaxTimeout,
		maxRows: c.MaxRows, maxBody: c.MaxBody, share: c.CallerShare,
	}
	g.client = &Client{calls: g.calls}
	if g.page, err = dashboard.New(); err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	if g.docs, err = newDocs(); err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	g.router = echo.New()
	g.router.HTTPErrorHandler = g.fail
	g.router.JSONSerializer = answers{}
	if err := g.routes(); err != nil {
		return nil, fmt.Errorf("gateway: services: %w", err)
	}
	if err := g.backstage(); err != nil {
		return nil, fmt.Errorf("gateway: jobs of services: %w", err)
	}
	return g, nil
}

// Handler answers requests. [Gateway.Run] must run meanwhile; [Gateway.Serve]
// does both.
func (g *Gateway) Handler() http.Handler { return g.router }

// Calls is the way into the queue for code of the same process.
func (g *Gateway) Calls() *Calls { return g.calls }

// Run keeps what the gateway knows of runners fresh, sweeps their queues and
// takes replies in, until ctx is done. It returns nil then.
func (g *Gateway) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		g.roster.run(ctx)
		return nil
	})
	group.Go(func() error { return g.deps.Producer.Run(ctx) })
	if err := group.Wait(); err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	return nil
}

func (d Deps) validate() error {
	var errs []error
	for name, missing := range map[string]bool{
		"producer": d.Producer == nil, "jobs": d.Jobs == nil, "directory": d.Directory == nil,
		"health": d.Health == nil, "keeper": d.Keeper == nil, "dead letters": d.DeadLetters == nil, "gates": d.Gates == nil, "later": d.Later == nil, "registry": d.Registry == nil,
	} {
		if missing {
			errs = append(errs, fmt.Errorf("%s is missing", name))
		}
	}
	return errors.Join(errs...)
}

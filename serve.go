package ekiben

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"github.com/ekiben/ekiben/gateway"
	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/queue/embedded"
	"github.com/ekiben/ekiben/queue/tasks"
	"github.com/ekiben/ekiben/queue/tasks/bulk"
	instances "github.com/ekiben/ekiben/runnables/process"
	"github.com/ekiben/ekiben/worker"
)

// serveOptions say which parts a process has.
type serveOptions struct {
	gateway, worker, tasks bool
	// redis: bring one if none is named.
	redis bool

	addr, config, data string
	only               []string
}

// serve runs a process until ctx is done. It stops from the outside in: the
// gateway and the tasks first, whose calls the worker still answers, then the
// worker, then the Redis that it may have brought.
func (app App) serve(ctx context.Context, s Settings, o serveOptions, log *slog.Logger) (err error) {
	if err := instances.KeepSecrets(); err != nil {
		log.WarnContext(ctx, "credentials can be read by other processes of this user", "err", err)
	}
	var own ownRedis
	if o.redis && s.RedisURL == "" {
		if own, err = bringRedis(ctx, o.data, log); err != nil {
			return err
		}
		s.RedisURL = own.url
		defer func() { err = errors.Join(err, own.close()) }()
	}
	q, err := queue.Open(s.queueConfig())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, q.Close()) }()

	hooks, err := s.webhooks()
	if err != nil {
		return err
	}
	p := process{app: app, settings: s, options: o, queue: q, log: log, registry: newRegistry(), redis: own, hooks: hooks}
	if o.worker {
		p.hardware = lookAtHardware(ctx, log)
		defer func() { err = errors.Join(err, p.hardware.close()) }()
		if err := p.makeWorker(ctx); err != nil {
			return unlessStopped(ctx, err)
		}
	}
	if o.gateway || o.tasks {
		blobs, closed, err := p.openBlobs(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = closed() }()
		p.blobs = blobs
		shown, err := p.makeGateway(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = shown.Close() }()
	}
	if o.tasks {
		if err := p.makeBackground(); err != nil {
			return err
		}
	}
	return p.run(ctx)
}

// unlessStopped is err, or nothing if the process was told to stop before it was
// ready.
func unlessStopped(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}

// ownRedis is a Redis that the process has brought.
type ownRedis struct {
	url   string
	close func() error
	// ended is closed if it ends by itself; nil if it cannot.
	ended <-chan struct{}
}

// bringRedis starts a Redis of the process's own: in memory, or with its data in
// a directory.
func bringRedis(ctx context.Context, data string, log *slog.Logger) (ownRedis, error) {
	if data == "" {
		server, err := embedded.Start()
		if err != nil {
			return ownRedis{}, err
		}
		log.InfoContext(ctx, "embedded redis: the queue is in memory and gone when this process ends",
			"to_keep_it", "serve --data DIR, or EKIBEN_REDIS_URL")
		return ownRedis{url: server.URL(), close: func() error { server.Close(); return nil }}, nil
	}
	server, err := embedded.StartServer(ctx, data)
	if err != nil {
		return ownRedis{}, err
	}
	log.InfoContext(ctx, "redis-server started, with an append-only file", "data", data, "pid", server.PID())
	return ownRedis{url: server.URL(), close: server.Close, ended: server.Done()}, nil
}

func newRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// process is what runs in one process.
type process struct {
	app      App
	settings Settings
	options  serveOptions
	queue    *queue.Queue
	log      *slog.Logger
	registry *prometheus.Registry
	redis    ownRedis
	hooks    webhooks

	// gateway has no listener in a process that is only of tasks.
	gateway  *gateway.Gateway
	listener net.Listener

	// worker runs on hardware.
	worker   *worker.Worker
	hardware hardware

	background *background

	// blobs is where batches are kept; nil: none are taken or run here.
	blobs *bulk.Store
}

func (p *process) makeWorker(ctx context.Context) error {
	runners, err := p.app.runners(p.settings, p.options.only, p.log)
	if err != nil {
		return err
	}
	command, err := onceMore(wardenName)
	if err != nil {
		return err
	}
	instances.KeepWarden(command, p.log)
	layout, err := p.app.place(ctx, runners, p.hardware.machine)
	if err != nil {
		return err
	}
	logLayout(ctx, p.log, runners, layout)
	if err := p.hardware.register(p.registry); err != nil {
		return fmt.Errorf("metrics of GPUs: %w", err)
	}
	kinds, err := isolatable(p.app.Runnables)
	if err != nil {
		return err
	}
	p.worker, err = worker.New(p.settings.Worker, worker.On(p.queue), kinds, deployments(runners, layout),
		worker.Telemetry{Log: p.log, Metrics: p.registry, Devices: p.hardware.devices})
	return err
}

// makeGateway makes the gateway, and what it shows tasks with: that is closed by
// the caller.
func (p *process) makeGateway(ctx context.Context) (shown *tasks.Reader, err error) {
	c := p.settings.queueConfig()
	if shown, err = tasks.NewReader(c.URL, c.Prefix, p.queue); err != nil {
		return nil, err
	}
	p.gateway, err = gateway.New(p.settings.Gateway, gateway.Deps{
		Producer:    p.queue.NewProducer(processName()),
		Jobs:        p.queue,
		Keeper:      p.queue,
		DeadLetters: p.queue,
		Gates:       p.queue,
		Directory:   p.queue,
		Health:      p.queue,
		Later:       p.queue,
		Webhooks:    p.hooks.check(),
		Tasks:       shown,
		Schedules:   p.queue,
		Bulk:        p.desk(),
		Services:    p.app.Services,
		Background:  p.backstage,
		Checks:      p.checks(),
		Registry:    p.registry,
		Log:         p.log,
	})
	if err == nil && p.options.gateway {
		p.listener, err = listen(ctx, p.settings.Gateway.Addr, "EKIBEN_HTTP_ADDR")
	}
	if err != nil {
		return nil, errors.Join(err, shown.Close())
	}
	return shown, nil
}

// listen listens on an address that comes from the named variable.
func listen(ctx context.Context, addr, variable string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s (%s): %w", addr, variable, err)
	}
	return l, nil
}

// checks are what must hold, beside the queue, for the gateway to be ready: a
// worker in the same process must be.
func (p *process) checks() map[string]func(context.Context) error {
	if p.worker == nil {
		return nil
	}
	return map[string]func(context.Context) error{"worker": func(context.Context) error {
		for runner, reason := range p.worker.NotReady() {
			return fmt.Errorf("runner %s: %s", runner, reason)
		}
		return nil
	}}
}

// processName is unique among all processes that ever were.
func processName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s-%d-%s", host, os.Getpid(), rand.Text()[:8])
}

func (p *process) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	// The worker is told to stop once the gateway and the tasks have.
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var before sync.WaitGroup
	first := func(run func() error) {
		before.Add(1)
		g.Go(func() error {
			defer before.Done()
			return run()
		})
	}
	if p.listener != nil {
		first(func() error { return p.gateway.Serve(ctx, p.listener) })
	} else if p.gateway != nil {
		first(func() error { return p.gateway.Run(ctx) })
	}
	if p.background != nil {
		first(func() error { return p.background.run(ctx) })
	}
	if p.worker != nil {
		g.Go(func() error { return p.worker.Run(working) })
		g.Go(func() error {
			<-ctx.Done()
			before.Wait()
			stop()
			return nil
		})
	}
	if p.listener == nil {
		g.Go(func() error { return p.serveOps(ctx) })
	}
	ended := make(chan error, 1)
	go func() { ended <- g.Wait() }()
	select {
	case err := <-ended:
		return err
	case <-p.redis.ended:
		// Nothing can be finished without it. What was accepted is in its files.
		return errors.New("the redis-server of this process has ended; see its log in the data directory")
	}
}

// serveOps serves health and metrics of a process that is no gateway.
func (p *process) serveOps(ctx context.Context) error {
	l, err := listen(ctx, p.settings.OpsAddr, "EKIBEN_OPS_ADDR")
	if err != nil {
		return err
	}
	p.log.InfoContext(ctx, "health and metrics", "addr", l.Addr().String())
	handler := p.opsOfTasks()
	if p.worker != nil {
		handler = worker.Ops(p.worker, p.registry)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("health and metrics: %w", err)
	}
	return nil
}

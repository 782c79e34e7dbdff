package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"
)

const (
	// readHeaderTimeout is how long the header of a request may take.
	readHeaderTimeout = 5 * time.Second

	// idleTimeout is how long a connection may wait for its next request.
	idleTimeout = 2 * time.Minute

	// maxHeaderBytes bounds the header of a request.
	maxHeaderBytes = 32 << 10

	// writeTime is how long an answer may take to be written, and slowestRead how
	// many bytes a second of it clients must read beyond that.
	writeTime   = 30 * time.Second
	slowestRead = 128 << 10

	// parting is how long answers at least say that their connection closes before
	// connections that are idle are closed: a request that is sent on one just then
	// would be lost.
	parting = 300 * time.Millisecond

	// farewell is how long problems may take to be written to those who still
	// wait when the drain timeout is over.
	farewell = time.Second
)

// errDraining is the cause of requests that are ended because the gateway stops.
var errDraining = errors.New("gateway is draining")

// Serve answers requests on the listener, which it closes, and runs
// [Gateway.Run] for as long. When ctx is done it drains: /readyz says no, after
// the drain delay no connection is taken any more, requests have until the drain
// timeout, and what has no answer then gets a problem with [CodeDraining].
// It returns nil after that.
func (g *Gateway) Serve(ctx context.Context, listener net.Listener) error {
	g.log.InfoContext(ctx, "gateway answers", "url", "http://"+listener.Addr().String())
	g.warnIfOpen(ctx, listener.Addr())
	// Requests and replies outlive ctx, by the time that draining takes.
	work, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(nil)
	server := g.server(work)

	jobs := g.startJobs(work)
	failed := make(chan error, 2)
	go func() { failed <- g.Run(work) }()
	go func() { failed <- server.Serve(netutil.LimitListener(listener, g.config.MaxConnections)) }()

	var err error
	pending := 2
	select {
	case <-ctx.Done():
	case <-jobs.ended:
	case err = <-failed: // neither ends by itself unless it failed
		pending--
	}
	if err == nil {
		g.drain(work, end, server, jobs)
	} else {
		err = errors.Join(err, server.Close())
	}
	err = errors.Join(err, jobs.stop())
	end(errDraining)
	for range pending {
		if more := <-failed; !errors.Is(more, http.ErrServerClosed) {
			err = errors.Join(err, more)
		}
	}
	return err
}

// server is the HTTP server with all its timeouts. A handler must be able to answer
// after the longest wait; its answer has a deadline of its own, see
// [Gateway.writeDeadline].
func (g *Gateway) server(base context.Context) *http.Server {
	return &http.Server{
		Handler:           g.router,
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		WriteTimeout:      g.config.BodyTimeout + max(g.config.MaxTimeout, maxWait) + writeTime,
		MaxHeaderBytes:    maxHeaderBytes,
		BaseContext:       func(net.Listener) context.Context { return base },
		ErrorLog:          slog.NewLogLogger(g.log.Handler(), slog.LevelDebug),
	}
}

// backstageJobs are the jobs of services that run in this process.
type backstageJobs struct {
	cancel context.CancelFunc
	// ended is closed when they have; err is why, set before.
	ended chan struct{}
	err   error
}

// startJobs begins to run the jobs of services. If nothing does, it never ends by
// itself.
func (g *Gateway) startJobs(work context.Context) *backstageJobs {
	ctx, cancel := context.WithCancel(work)
	jobs := &backstageJobs{cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(jobs.ended)
		if g.serveJobs == nil {
			<-ctx.Done()
			return
		}
		jobs.err = g.serveJobs(ctx)
	}()
	return jobs
}

// stop tells them to end and waits until they have.
func (j *backstageJobs) stop() error {
	j.cancel()
	<-j.ended
	if j.err != nil {
		return fmt.Errorf("jobs of services: %w", j.err)
	}
	return nil
}

// drain ends the server: no new connections, then the requests and the jobs of
// services, at last the requests that take too long. Jobs call runners, so they
// end before what takes their replies in.
func (g *Gateway) drain(work context.Context, end context.CancelCauseFunc, server *http.Server, jobs *backstageJobs) {
	g.draining.Store(true)
	g.log.InfoContext(work, "gateway drains", "delay", g.config.DrainDelay, "timeout", g.config.DrainTimeout)
	time.Sleep(max(g.config.DrainDelay, parting))
	jobs.cancel()
	bounded, cancel := context.WithTimeout(work, g.config.DrainTimeout)
	defer cancel()
	if server.Shutdown(bounded) == nil {
		return
	}
	<-jobs.ended
	end(errDraining)
	last, cancel := context.WithTimeout(context.WithoutCancel(work), farewell)
	defer cancel()
	if err := server.Shutdown(last); err != nil {
		g.log.WarnContext(work, "connections were cut", "err", errors.Join(err, server.Close()))
	}
}

// warnIfOpen says so where everybody on the network may use the gateway.
func (g *Gateway) warnIfOpen(ctx context.Context, addr net.Addr) {
	if tcp, ok := addr.(*net.TCPAddr); ok && !tcp.IP.IsLoopback() {
		g.log.WarnContext(ctx, "the gateway has no authentication and is open to the network",
			"addr", fmt.Sprint(addr), "advice", "listen on 127.0.0.1, or put a proxy with authentication in front")
	}
}

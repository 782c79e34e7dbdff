package gateway_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/ekiben/ekiben/gateway"
	"github.com/ekiben/ekiben/queue"
)

// serving serves a gateway on a port of loopback. stop tells it to stop, and
// ended is what Serve returns.
func serving(t *testing.T, g *gateway.Gateway) (url string, stop func(), ended <-chan error) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() {
		done <- g.Serve(ctx, listener)
		close(done)
	}()
	t.Cleanup(func() {
		stop()
		if err, again := <-done; again && err != nil {
			t.Error(err)
		}
	})
	return "http://" + listener.Addr().String(), stop, done
}

// client keeps no connection.
func client() *http.Client { return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} }

// post runs a text.
func post(ctx context.Context, url string) (status int, body string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/runners/all/text", strings.NewReader("x"))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Content-Type", "text/plain")
	w, err := client().Do(r)
	if err != nil {
		return 0, "", err
	}
	raw, err := io.ReadAll(w.Body)
	return w.StatusCode, string(raw), errors.Join(err, w.Body.Close())
}

// blocking makes a queue whose calls end when they are told to, or when their
// context does, which is counted.
type blocking struct {
	*fakeQueue
	began, finish chan struct{}
	withdrawn     atomic.Int64
}

func newBlocking() *blocking {
	b := &blocking{fakeQueue: newFakeQueue(everything()), began: make(chan struct{}, 10), finish: make(chan struct{})}
	b.block()
	return b
}

func (b *blocking) block() {
	b.do = func(ctx context.Context, c queue.Call) (queue.Reply, error) {
		b.began <- struct{}{}
		select {
		case <-b.finish:
			return echo(ctx, c)
		case <-ctx.Done():
			b.withdrawn.Add(1)
			return queue.Reply{}, ctx.Err()
		}
	}
}

func TestServeAnswersAndStopsWithoutALeak(t *testing.T) { //nolint:paralleltest // counts the goroutines of all
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	g := newGateway(t, newFakeQueue(everything()), setup{})
	url, stop, ended := serving(t, g)
	status, body, err := post(t.Context(), url)
	if err != nil || status != http.StatusOK || body != `["x"]` {
		t.Errorf("got %d %s, %v", status, body, err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, _, err := post(t.Context(), url); err == nil {
		t.Error("it still answers")
	}
}

func TestAClientThatGoesAwayTakesItsCallAlong(t *testing.T) {
	t.Parallel()
	b := newBlocking()
	g := newGateway(t, b.fakeQueue, setup{})
	url, stop, ended := serving(t, g)
	ctx, leave := context.WithCancel(t.Context())
	go func() {
		<-b.began
		leave()
	}()
	if _, _, err := post(ctx, url); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	stop() // which waits for the request
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if b.withdrawn.Load() != 1 {
		t.Error("the call was not withdrawn")
	}
	wantMetric(t, g, `ekiben_requests_total{code="499",route="run",runner="all"} 1`)
}

// wantMetric fails unless /metrics has the line.
func wantMetric(t *testing.T, g *gateway.Gateway, line string) {
	t.Helper()
	all := send(t, g.Handler(), http.MethodGet, "/metrics", "").Body.String()
	if !strings.Contains("\n"+all, "\n"+line+"\n") {
		t.Errorf("%s is not in:\n%s", line, all)
	}
}

func TestAGatewayThatStopsLetsRequestsEnd(t *testing.T) {
	t.Parallel()
	b := newBlocking()
	url, stop, ended := serving(t, newGateway(t, b.fakeQueue, setup{}))
	go func() {
		<-b.began
		stop()
		close(b.finish)
	}()
	status, body, err := post(t.Context(), url)
	if err != nil || status != http.StatusOK {
		t.Errorf("got %d %s, %v", status, body, err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestWhatTakesLongerThanTheDrainTimeoutIsTold(t *testing.T) {
	t.Parallel()
	b := newBlocking()
	url, stop, ended := serving(t, newGateway(t, b.fakeQueue, setup{config: func(c *gateway.Config) { c.DrainTimeout = 50 * time.Millisecond }}))
	go func() {
		<-b.began
		stop()
	}()
	status, body, err := post(t.Context(), url)
	if err != nil || status != http.StatusServiceUnavailable || !strings.Contains(body, `"code":"draining"`) {
		t.Errorf("got %d %s, %v", status, body, err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestReadinessGoesBeforeTheConnectionsDo(t *testing.T) {
	t.Parallel()
	b := newBlocking()
	g := newGateway(t, b.fakeQueue, setup{config: func(c *gateway.Config) { c.DrainDelay = 300 * time.Millisecond }})
	url, stop, ended := serving(t, g)
	wantBody(t, send(t, g.Handler(), http.MethodGet, "/readyz", ""), http.StatusOK, "{\"status\":\"ok\"}\n")
	stop()
	close(b.finish)
	for send(t, g.Handler(), http.MethodGet, "/readyz", "").Code == http.StatusOK {
	}
	wantBody(t, send(t, g.Handler(), http.MethodGet, "/readyz", ""), http.StatusServiceUnavailable,
		"{\"status\":\"unavailable\",\"reasons\":[\"the gateway is stopping\"]}\n")
	wantBody(t, send(t, g.Handler(), http.MethodGet, "/livez", ""), http.StatusOK, "{\"status\":\"ok\"}\n")
	if closes := send(t, g.Handler(), http.MethodGet, "/livez", "").Header().Get("Connection"); closes != "close" {
		t.Errorf("Connection is %q while the gateway stops, want close: a request on a kept one may be lost", closes)
	}
	if status, body, err := post(t.Context(), url); err != nil || status != http.StatusOK {
		t.Errorf("got %d %s, %v", status, body, err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestServeEndsWhenItsProducerFails(t *testing.T) {
	t.Parallel()
	_, _, ended := serving(t, newGateway(t, newFakeQueue(), setup{also: func(d *gateway.Deps) { d.Producer = brokenProducer{} }}))
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "no replies") {
		t.Errorf("got %v", err)
	}
}

func TestServeEndsWhenItsListenerFails(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	if err := newGateway(t, newFakeQueue(), setup{}).Serve(t.Context(), listener); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestAGatewayThatIsOpenToTheNetworkSaysSo(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]bool{"127.0.0.1:0": false, "0.0.0.0:0": true} {
		listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		var log lockedBuffer
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := newGateway(t, newFakeQueue(), setup{log: &log}).Serve(ctx, listener); err != nil {
			t.Error(err)
		}
		if got := strings.Contains(log.String(), "no authentication"); got != want {
			t.Errorf("%s: warned %v, want %v: %s", addr, got, want, log.String())
		}
	}
}

// piped is a listener whose connections are handed to it.
type piped struct {
	conns    chan net.Conn
	closed   chan struct{}
	accepted atomic.Int64
}

func (p *piped) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		p.accepted.Add(1)
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *piped) Close() error {
	close(p.closed)
	return nil
}

func (p *piped) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

func TestConnectionsBeyondTheLimitWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t, newFakeQueue(everything()), setup{config: func(c *gateway.Config) { c.MaxConnections = 2 }})
		listener := &piped{conns: make(chan net.Conn, 3), closed: make(chan struct{})}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- g.Serve(ctx, listener) }()
		var clients []net.Conn
		for range 3 {
			client, server := net.Pipe()
			clients = append(clients, client)
			listener.conns <- server
		}
		synctest.Wait()
		if n := listener.accepted.Load(); n != 2 {
			t.Errorf("%d connections were accepted", n)
		}
		if err := clients[0].Close(); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if n := listener.accepted.Load(); n != 3 {
			t.Errorf("%d connections were accepted after one was closed", n)
		}
		for _, c := range clients[1:] {
			_ = c.Close() // the gateway may be first
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestAHeaderThatTakesTooLongOrTooMuchIsRefused(t *testing.T) {
	t.Parallel()
	url, _, _ := serving(t, newGateway(t, newFakeQueue(everything()), setup{}))
	addr, err := net.ResolveTCPAddr("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	conn := dial(t, addr)
	if _, err := io.WriteString(conn, "GET /livez HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("x", 64<<10)); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if !strings.HasPrefix(string(answer), "HTTP/1.1 431 ") {
		t.Errorf("%v: %.100s", err, answer)
	}
	slow := dial(t, addr)
	if _, err := io.WriteString(slow, "GET /livez HTTP/1.1\r\n"); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if _, err := io.ReadAll(slow); err != nil || time.Since(start) > 15*time.Second {
		t.Errorf("after %s: %v", time.Since(start), err)
	}
}

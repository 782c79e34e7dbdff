package gateway_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// pipes is a listener whose connections are in memory, so that their time is
// virtual.
type pipes struct {
	accepted chan net.Conn
	closed   chan struct{}
	once     sync.Once
}

func newPipes() *pipes { return &pipes{accepted: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.accepted:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 3000} }

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	p.accepted <- there
	return here, nil
}

func TestAnAnswerMayTakeAsLongAsItsCallAskedFor(t *testing.T) {
	t.Parallel()
	for _, headers := range []http.Header{
		{"Ekiben-Timeout": {"1h"}},
		{"Ekiben-Timeout": {"1h"}, "Idempotency-Key": {"k"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			q := newFakeQueue(everything())
			q.do = func(ctx context.Context, c queue.Call) (queue.Reply, error) {
				<-time.After(c.Timeout - time.Second) // virtual
				return echo(ctx, c)
			}
			succeed(q)
			end := q.wait
			q.wait = func(j queue.Job) queue.Job {
				<-time.After(59 * time.Minute) // virtual
				return end(j)
			}
			listener := newPipes()
			ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
			ended := make(chan error, 1)
			g := newGateway(t, q, setup{})
			go func() { ended <- g.Serve(ctx, listener) }()

			r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://gateway/v1/runners/all/text", strings.NewReader("a"))
			if err != nil {
				t.Fatal(err)
			}
			r.Header = headers.Clone()
			r.Header.Set("Content-Type", "text/plain")
			c := http.Client{Transport: &http.Transport{DialContext: listener.dial, DisableKeepAlives: true}}
			res, err := c.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			raw, err := io.ReadAll(res.Body)
			if err != nil || res.StatusCode != http.StatusOK || string(raw) != `["a"]` {
				t.Errorf("%d %s: %v", res.StatusCode, raw, err)
			}
			if err := res.Body.Close(); err != nil {
				t.Error(err)
			}
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

package queue_test

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ekiben/ekiben/internal/redistest"
	"github.com/ekiben/ekiben/internal/tcpproxy"
	"github.com/ekiben/ekiben/queue"
)

// soon are times that make recovery fast enough for a test.
func soon(c *queue.Config) {
	c.Lease = time.Second
	c.MaxLostLeases = 1000
}

func raw(t *testing.T, s *redistest.Server) *redis.Client {
	t.Helper()
	o, err := redis.ParseURL(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(o)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// outage is a queue under load on a server of its own.
type outage struct {
	*bench

	server *redistest.Server
	net    *tcpproxy.Proxy
	fleet  *fleet
}

func setupOutage(t *testing.T) *outage {
	t.Helper()
	s := redistest.Start(t)
	p := tcpproxy.Start(t, s.Addr)
	c := queue.DefaultConfig()
	soon(&c)
	c.URL = "redis://" + p.Addr()
	b := connect(t, c)
	return &outage{b, s, p, b.fleet(4, 0)}
}

// brief is a call with a deadline that a test can wait for.
func brief(label string) queue.Call {
	c := sized(label)
	c.Timeout = 20 * time.Second
	return c
}

// goesOn waits until more calls of both kinds are answered.
func (o *outage) goesOn(l *load) {
	o.t.Helper()
	answered, jobs := l.done()
	for late := time.Now().Add(patience); ; <-time.After(5 * time.Millisecond) {
		if a, j := l.done(); a > answered+50 && j > jobs+50 {
			return
		}
		if time.Now().After(late) {
			a, j := l.done()
			o.t.Fatalf("no progress: %d answered, %d jobs, failures %v, stats %+v", a-answered, j-jobs, l.failures, o.stats())
		}
	}
}

const forever = 1 << 30

func TestNothingIsLostWhenRedisIsKilled(t *testing.T) {
	t.Parallel()

	o := setupOutage(t)
	l := o.load(8, forever, brief)
	for range 3 {
		o.goesOn(l)
		o.server.Kill()
		<-time.After(200 * time.Millisecond)
		o.server.Restart()
	}
	o.goesOn(l)
	l.end()
	l.settled(o.bench)
	o.quiet()
	answered, jobs := l.done()
	t.Logf("%d answered, %d jobs succeeded, %v; %d ran more than once", answered, jobs, l.failures, o.fleet.again())
}

func TestNetworkThatIsAwayForSecondsIsSurvived(t *testing.T) {
	t.Parallel()

	for name, away := range map[string]func(*tcpproxy.Proxy){
		"refuses": (*tcpproxy.Proxy).Refuse, "is silent": (*tcpproxy.Proxy).Silence,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			o := setupOutage(t)
			l := o.load(8, forever, brief)
			o.goesOn(l)
			away(o.net)
			<-time.After(4 * time.Second)
			o.net.Restore()
			restored := time.Now()
			o.goesOn(l)
			t.Logf("50 of each kind were answered %s after the end", time.Since(restored).Round(time.Millisecond))
			l.end()
			l.settled(o.bench)
			o.quiet()
			t.Logf("failures %v; %d ran more than once", l.failures, o.fleet.again())
		})
	}
}

func TestFlushedRedisIsUsedAgain(t *testing.T) {
	t.Parallel()

	o := setupOutage(t)
	l := o.load(8, forever, brief)
	o.goesOn(l)
	flush := raw(t, o.server)
	for range 3 {
		if err := flush.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		o.goesOn(l)
	}
	began := time.Now()
	l.end()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("awaited calls that were flushed heard of it after %s", took)
	}
	if names, err := o.Runners(t.Context()); err != nil || len(names) != 1 {
		t.Errorf("Runners() = %q, %v; want it announced again", names, err)
	}
	o.quiet()
	t.Logf("failures %v", l.failures)
}

func TestLostScriptsAndGroupsAreMadeAgain(t *testing.T) {
	t.Parallel()

	o := setupOutage(t)
	l := o.load(8, forever, brief)
	o.goesOn(l)
	r := raw(t, o.server)
	for range 3 {
		if err := r.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		o.goesOn(l)
		// What is in flight waits again, as if it had never been delivered.
		if err := r.XGroupDestroy(t.Context(), "ekiben:{ocr~0}:calls:normal", "workers").Err(); err != nil {
			t.Fatal(err)
		}
		o.goesOn(l)
	}
	l.end()
	l.settled(o.bench)
	o.quiet()
	t.Logf("failures %v; %d ran more than once", l.failures, o.fleet.again())
}

func TestClosedGatewayFailsWhoWaits(t *testing.T) {
	t.Parallel()

	s := setup(t)
	p := s.NewProducer("closing")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	b := &bench{s.Queue, p, "closing", t}
	done := b.do(call("a"))
	for b.stats().Depth == 0 {
		<-time.After(time.Millisecond)
	}
	stop()
	if r := <-done; r.err == nil {
		t.Errorf("Do() = %+v, want an error", r)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := p.Do(t.Context(), call("b")); err == nil {
		t.Error("a closed gateway took a call")
	}
}

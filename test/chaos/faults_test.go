package chaos_test

import (
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/ekiben/ekiben/internal/tcpproxy"
	"github.com/ekiben/ekiben/test/chaos/history"
)

// fault is a harm that can be done to a cluster.
type fault struct {
	name string

	// weight is how often it is drawn, relative to others.
	weight int

	// apply does it. lasts is how long, 0 if it is over at once; undo may be nil.
	apply func(c *cluster, r *rand.Rand) (lasts time.Duration, undo func())
}

func oneOf(r *rand.Rand, slots []*slot) *slot { return slots[r.IntN(len(slots))] }

// between draws a time from a to b.
func between(r *rand.Rand, a, b time.Duration) time.Duration {
	return a + time.Duration(r.Int64N(int64(b-a)))
}

func killWorker(weight int) fault {
	return fault{"kill -9 worker", weight, func(c *cluster, r *rand.Rand) (time.Duration, func()) {
		oneOf(r, c.workers).now().Signal(syscall.SIGKILL)
		return 0, nil
	}}
}

func killGateway(weight int) fault {
	return fault{"kill -9 gateway", weight, func(c *cluster, r *rand.Rand) (time.Duration, func()) {
		oneOf(r, c.gateways).now().Signal(syscall.SIGKILL)
		return 0, nil
	}}
}

func killTasks(weight int) fault {
	return fault{"kill -9 tasks", weight, func(c *cluster, r *rand.Rand) (time.Duration, func()) {
		oneOf(r, c.tasks).now().Signal(syscall.SIGKILL)
		return 0, nil
	}}
}

func killRedis(weight int) fault {
	return fault{history.FaultRedis, weight, func(c *cluster, r *rand.Rand) (time.Duration, func()) {
		c.redis.Kill()
		return between(r, 0, 500*time.Millisecond), c.redis.Restart
	}}
}

// stopped lets a process stand still, for half a lease to three.
func stopped(name string, weight int, slots func(*cluster) []*slot) fault {
	return fault{name, weight, func(c *cluster, r *rand.Rand) (time.Duration, func()) {
		p := oneOf(r, slots(c)).now()
		p.Signal(syscall.SIGSTOP)
		return between(r, lease/2, 3*lease), func() { p.Signal(syscall.SIGCONT) }
	}}
}

func stopWorker(weight int) fault {
	return stopped("stop worker", weight, func(c *cluster) []*slot { return c.workers })
}

func stopGateway(weight int) fault {
	return stopped("stop gateway", weight, func(c *cluster) []*slot { return c.gateways })
}

// network harms the way of one process to Redis, for a tenth of a lease to two.
func network(name string, weight int, harm func(p *tcpproxy.Proxy, r *rand.Rand)) fault {
	return fault{name, weight, func(c *cluster, r *rand.Rand) (time.Duration, func()) {
		p := oneOf(r, c.slots()).proxy
		harm(p, r)
		return between(r, lease/10, 2*lease), p.Restore
	}}
}

// networks are all ways in which a network fails.
func networks() []fault {
	// Requests and answers that run a script are lost, and answers are cut short.
	const scripts = "evalsha"
	return []fault{
		network("latency", 2, func(p *tcpproxy.Proxy, r *rand.Rand) { p.Delay(between(r, 10*time.Millisecond, 200*time.Millisecond)) }),
		network("connections reset", 1, func(p *tcpproxy.Proxy, _ *rand.Rand) { p.Reset() }),
		network("connections refused", 1, func(p *tcpproxy.Proxy, _ *rand.Rand) { p.Refuse() }),
		network("half-open", 1, func(p *tcpproxy.Proxy, _ *rand.Rand) { p.Silence() }),
		network("request lost", 1, func(p *tcpproxy.Proxy, _ *rand.Rand) { p.LoseRequest(scripts) }),
		network("answer lost", 2, func(p *tcpproxy.Proxy, _ *rand.Rand) { p.LoseAnswer(scripts) }),
		network("answer cut", 1, func(p *tcpproxy.Proxy, r *rand.Rand) { p.CutAnswer(scripts, 1+r.IntN(200)) }),
	}
}

// slowReaders are clients that ask, and ask again, and do not read what they are
// answered.
func slowReaders(weight int) fault {
	return fault{"slow readers", weight, func(c *cluster, r *rand.Rand) (time.Duration, func()) {
		const readers, requests = 20, 200
		request := strings.Repeat("GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n", requests)
		var conns []net.Conn
		for range readers {
			conn, err := net.DialTimeout("tcp", oneOf(r, c.gateways).addr, time.Second)
			if err != nil {
				continue // a gateway that is being replaced
			}
			conns = append(conns, conn)
			_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
			_, _ = io.WriteString(conn, request)
		}
		return between(r, lease, 3*lease), func() {
			for _, conn := range conns {
				_ = conn.Close()
			}
		}
	}}
}

// draw picks one by weight.
func draw(r *rand.Rand, faults []fault) fault {
	sum := 0
	for _, f := range faults {
		sum += f.weight
	}
	at := r.IntN(sum)
	for _, f := range faults {
		if at < f.weight {
			return f
		}
		at -= f.weight
	}
	panic("weights do not add up")
}
